"""Hunting: a query in the vendor's language (KQL), run now, answered as a table."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from shared.api.acts import note
from shared.api.caller import Responder
from shared.api.fields import Id
from shared.api.parts import Parts
from shared.errors import BadRequest
from shared.vendors.abilities import HuntingVendor

router = APIRouter(tags=["hunting"])

_MOST_BYTES = 8_000_000
_log = logging.getLogger(__name__)

# ISO 8601: a duration (P30D), or an interval of two of time and duration.
_MOMENT = r"(?:\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,7})?)?Z?)?)"
_TIME_PART = r"T(?:\d{1,6}[HMS]){1,3}"
_DURATION = rf"(?:P(?:(?:\d{{1,5}}[YMWD]){{1,4}}(?:{_TIME_PART})?|{_TIME_PART}))"
_TIMESPAN = rf"^(?:{_DURATION}|{_MOMENT}/{_MOMENT}|{_MOMENT}/{_DURATION}|{_DURATION}/{_MOMENT})$"


class Hunt(BaseModel):
    """What to look for. `timespan` is an ISO 8601 duration (`P7D`) or interval; the vendor's own default
    without."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(min_length=1, max_length=20_000)]
    timespan: Annotated[str | None, Field(max_length=80, pattern=_TIMESPAN)] = None
    limit: Annotated[int, Field(ge=1, le=10_000, description="Most rows to answer with.")] = 1000


class ColumnOut(BaseModel):
    """A column; `type` is the vendor's word."""

    name: str
    type: str


class HuntOut(BaseModel):
    """A table. `total` is how many rows the vendor gave; `truncated`: fewer are shown."""

    columns: list[ColumnOut]
    rows: list[dict[str, Any]]
    total: int
    truncated: bool
    seconds: float


@router.post("/configurations/{id}/hunt", operation_id="hunt")
def hunt(id: Id, wanted: Hunt, caller: Responder, parts: Parts) -> HuntOut:
    """Run a hunting query through one configuration. A query that the vendor does not take is 400, with its
    words."""
    configuration = parts.configured(id).configuration
    vendor = parts.vendors.get(configuration.vendor)
    if not isinstance(vendor, HuntingVendor):
        raise BadRequest("This vendor has no hunting; choose a configuration of one that has.")
    if not configuration.enabled:
        raise BadRequest("This configuration is switched off.")
    # A query may quote what is being looked for, so only its length and a digest are noted.
    digest = hashlib.sha256(wanted.query.encode("utf-8", "replace")).hexdigest()[:16]
    note(parts, caller, "hunt", id, query_sha256=digest, characters=len(wanted.query))
    started = time.monotonic()
    result = vendor.hunt(parts.connect(configuration), wanted.query, wanted.timespan)
    seconds = round(time.monotonic() - started, 3)
    rows = _bounded(result.rows[: wanted.limit])
    _log.info("hunt %s on configuration %s: %d rows, %.1f s", digest, id, len(result.rows), seconds)
    return HuntOut(
        columns=[ColumnOut(name=c.name, type=c.type) for c in result.columns],
        rows=rows,
        total=len(result.rows),
        truncated=len(rows) < len(result.rows),
        seconds=seconds,
    )


def _bounded(rows: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """As many of the rows as an answer should hold."""
    kept, size = list[dict[str, Any]](), 0
    for row in rows:
        size += len(json.dumps(row, default=str))
        if size > _MOST_BYTES:
            break
        kept.append(row)
    return kept
