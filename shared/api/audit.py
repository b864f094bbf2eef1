"""The audit: what Admins and Responders did, newest first, chained so that nothing can be taken out or
changed unseen. For Admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from shared.api.caller import Admin
from shared.api.fields import Cursor
from shared.api.parts import Parts
from shared.nouns.audit import AuditEntry

router = APIRouter(tags=["audit"])


class AuditList(BaseModel):
    """Entries, newest first. `cursor` leads to older ones; null at the first of all."""

    items: list[AuditEntry]
    cursor: str | None


@router.get("/audit", operation_id="list_audit")
def list_audit(
    caller: Admin,
    parts: Parts,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Annotated[Cursor | None, Query(description="As the page before gave it.")] = None,
) -> AuditList:
    """Who did what. Each entry's `hash` covers the entry and the hash `before` it; `python -m operate audit
    verify` walks the whole chain."""
    page = parts.audit.page(limit=limit, cursor=cursor)
    return AuditList(items=list(page.entries), cursor=page.cursor)
