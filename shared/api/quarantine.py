"""The quarantine: what could not be read or kept failing, with its raw content, to be looked at and sent on
again. For Admins only: the content is the vendor's, and whole."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from shared.api.acts import note
from shared.api.caller import Admin
from shared.api.fields import Id
from shared.api.parts import Parts
from shared.errors import NotFound
from shared.nouns.detections import Instant
from shared.store.quarantine import Kind, Quarantined

router = APIRouter(tags=["quarantine"])

_NOTHING = "There is nothing in quarantine under that id."


class QuarantinedOut(BaseModel):
    """One thing in quarantine. `source`: the configuration's id, or the queue of a message; `size` in
    bytes."""

    id: str
    kind: Kind
    reason: str
    source: str
    received: Instant
    size: int


class QuarantineList(BaseModel):
    """What is in quarantine, newest first. `total` counts also what is not on this list."""

    items: list[QuarantinedOut]
    total: int


class QuarantinedContent(QuarantinedOut):
    """One thing in quarantine with its raw content."""

    content: str = Field(description="As it came; bytes that are not UTF-8 are replaced.")


@router.get("/quarantine", operation_id="list_quarantine")
def list_quarantine(
    caller: Admin, parts: Parts, limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> QuarantineList:
    """What is in quarantine, newest first, without content."""
    found = parts.quarantine.all()
    return QuarantineList(items=[_shown(q) for q in found[:limit]], total=len(found))


@router.get("/quarantine/{id}", operation_id="get_quarantined")
def get_quarantined(id: Id, caller: Admin, parts: Parts) -> QuarantinedContent:
    """One thing in quarantine with its raw content."""
    found = parts.quarantine.get(id)
    if found is None:
        raise NotFound(_NOTHING)
    content = parts.quarantine.content(id).decode(errors="replace")
    return QuarantinedContent(**_shown(found).model_dump(), content=content)


@router.post("/quarantine/{id}/replay", operation_id="replay_quarantined", status_code=202)
def replay_quarantined(id: Id, caller: Admin, parts: Parts) -> None:
    """Send it on its way again, once the reason is gone. What fails again comes back here."""
    if parts.quarantine.get(id) is None:
        raise NotFound(_NOTHING)
    parts.quarantiner.replay(id)


@router.delete("/quarantine/{id}", operation_id="discard_quarantined", status_code=204)
def discard_quarantined(id: Id, caller: Admin, parts: Parts) -> None:
    """Throw it away for good, once somebody has looked at it: what can be neither read nor replayed. The
    audit keeps what it was, not its content."""
    found = parts.quarantine.get(id)
    if found is None:
        raise NotFound(_NOTHING)
    what = {"kind": found.kind.value, "source": found.source, "received": found.received}
    note(parts, caller, "discard_quarantined", id, **what, size=found.size, reason=found.reason)
    parts.quarantine.remove(id)


def _shown(found: Quarantined) -> QuarantinedOut:
    return QuarantinedOut.model_validate(found, from_attributes=True)
