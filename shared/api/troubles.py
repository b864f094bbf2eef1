"""What keeps the product from seeing, as long as it lasts. Admins are also told by push."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from shared.api.caller import Reader
from shared.api.parts import ApiParts, Parts
from shared.nouns.detections import Instant, Severity
from shared.nouns.troubles import OpenTrouble, TroubleKind

router = APIRouter(tags=["status"])


class TroubleOut(BaseModel):
    """One trouble. `subject` is what has it: a configuration's id, or the name of a queue or timer."""

    kind: TroubleKind
    subject: str
    title: str
    text: str = Field(description="What is wrong and what to do.")
    level: Severity
    since: Instant
    found: Instant


class TroubleList(BaseModel):
    """What is open now, the oldest first. Nothing: all is seen, as far as the watch can tell."""

    items: list[TroubleOut]


@router.get("/troubles", operation_id="list_troubles")
def list_troubles(caller: Reader, parts: Parts) -> TroubleList:
    """Everything that keeps the product from seeing, or soon will."""
    return TroubleList(items=open_troubles(parts))


def open_troubles(parts: ApiParts) -> list[TroubleOut]:
    """The open troubles as they may be shown."""
    return [_shown(one) for one in parts.troubles.all() if not one.over]


def _shown(one: OpenTrouble) -> TroubleOut:
    trouble = one.trouble
    return TroubleOut(**trouble.model_dump(exclude={"stage"}), found=one.opened)
