"""The product's pulse for anybody, and who you are for yourself."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from shared.api.caller import Anyone, Reader, Role, highest_role

router = APIRouter(tags=["me"])


class Pulse(BaseModel):
    """The API answers."""

    status: Literal["ok"] = "ok"


class Me(BaseModel):
    """The caller, as the access token says. `role` is the strongest of the roles that we know."""

    oid: str
    name: str
    tenant_id: str
    app_only: bool
    role: Role | None
    roles: list[str]


@router.get("/health", operation_id="get_health")
def get_health(caller: Anyone) -> Pulse:
    """Whether the API answers; says nothing else, because anybody may ask."""
    return Pulse()


@router.get("/me", operation_id="get_me")
def get_me(caller: Reader) -> Me:
    """Who is calling, and with which role."""
    return Me(
        oid=caller.oid,
        name=caller.name,
        tenant_id=caller.tenant_id,
        app_only=caller.app_only,
        role=highest_role(caller),
        roles=sorted(caller.roles),
    )
