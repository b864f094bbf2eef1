"""The quarantine: what could not be read or kept failing, with its raw content. For Admins, who decide what
to do with it."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["quarantine"])
