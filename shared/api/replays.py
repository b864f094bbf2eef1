"""Reading what is stored once more after a mapping has changed, with a report of the differences."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from shared.api.acts import note
from shared.api.caller import Admin
from shared.api.fields import Cursor, When
from shared.api.parts import Parts

router = APIRouter(tags=["replays"])


class Replay(BaseModel):
    """Which detections, and whether to store what comes out."""

    model_config = ConfigDict(extra="forbid")

    since: When = Field(description="Detections created at or after.")
    apply: bool = Field(False, description="Store the new reading; without it, only report.")
    cursor: Cursor | None = Field(None, description="As the answer before gave it.")


class DifferenceOut(BaseModel):
    """One sighting that reads differently: `[before, after]` by field."""

    detection_id: str
    sighting: str
    fields: dict[str, list[Any]]


class ReplayOut(BaseModel):
    """A page of the report. Ask again with `cursor` until it is null."""

    sightings: int
    without_raw: int = Field(description="Their raw alerts were not kept: nothing can be read again.")
    unreadable: int = Field(description="Not taken by the mapping any more; they stay as they are.")
    differences: list[DifferenceOut]
    cursor: str | None


@router.post("/replays", operation_id="replay")
def replay(wanted: Replay, caller: Admin, parts: Parts) -> ReplayOut:
    """Map stored raw alerts once more. Nothing is announced. Bounded: go on with the cursor."""
    if wanted.cursor is None:
        note(parts, caller, "replay", "", since=wanted.since, apply=wanted.apply)
    found = parts.remapper.remap(wanted.since, apply=wanted.apply, cursor=wanted.cursor)
    differences = [
        DifferenceOut(
            detection_id=d.detection_id,
            sighting=d.sighting,
            fields={name: list(values) for name, values in d.fields.items()},
        )
        for d in found.differences
    ]
    return ReplayOut(
        sightings=found.sightings,
        without_raw=found.without_raw,
        unreadable=found.unreadable,
        differences=differences,
        cursor=found.cursor,
    )
