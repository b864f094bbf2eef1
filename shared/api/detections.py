"""Detections: the feed, newest first; what changed since the phone last asked; and one in full."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from shared.api.acts import note
from shared.api.caller import Reader, Responder
from shared.api.detection_shapes import (
    Changes,
    DetectionOut,
    Feed,
    Finding,
    Joined,
    Split,
    SplitOut,
    detection_out,
    summary,
)
from shared.api.etags import conditional
from shared.api.fields import Cursor, Id, When, Word
from shared.api.incidents import incident_of
from shared.api.parts import ApiParts, Parts
from shared.api.problems import FieldError, Invalid
from shared.nouns.detections import Severity, Status
from shared.nouns.ocsf import detection_finding
from shared.store.feed import FeedQuery

router = APIRouter(tags=["detections"])


@router.get(
    "/detections",
    operation_id="list_detections",
    response_model=Changes | Feed,
    responses={304: {"description": "Nothing has changed since the ETag in If-None-Match."}},
)
def list_detections(
    request: Request,
    caller: Reader,
    parts: Parts,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most; fewer is normal.")] = 50,
    cursor: Annotated[Cursor | None, Query(description="As the page before gave it.")] = None,
    severity: Annotated[list[Severity], Query(max_length=6)] = [],  # noqa: B006 - FastAPI copies it
    status: Annotated[list[Status], Query(max_length=4)] = [],  # noqa: B006
    vendor: Annotated[list[Word], Query(max_length=20)] = [],  # noqa: B006
    configuration: Annotated[list[Word], Query(max_length=50)] = [],  # noqa: B006
    created_from: Annotated[When | None, Query(alias="from", description="Created at or after.")] = None,
    created_to: Annotated[When | None, Query(alias="to", description="Created at or before.")] = None,
    q: Annotated[str, Query(max_length=200, description="Words to look for.")] = "",
    changed_since: Annotated[
        When | None, Query(description="Instead of the feed: what changed since; not with filters.")
    ] = None,
) -> Response:
    """The feed, newest first. A page may be short, even empty, and still have a cursor: the scan is
    bounded, not finished.

    With `changed_since`, what is new or changed since then; start the next one at `next_changed_since` of
    the last page."""
    query = FeedQuery(
        severities=tuple(severity),
        statuses=tuple(status),
        vendors=tuple(vendor),
        configuration_ids=tuple(configuration),
        created_from=created_from,
        created_to=created_to,
        text=q.strip() or None,
    )
    if changed_since is None:
        page = parts.feed.page(query, limit=limit, cursor=cursor)
        return conditional(request, Feed(items=[summary(c) for c in page.cards], cursor=page.cursor))
    if cursor is not None or query != FeedQuery():
        wrong = FieldError(field="query.changed_since", message="cannot be combined with cursor or filters")
        raise Invalid(
            "Changes come unfiltered: a card that no longer matches must reach the phone too.", [wrong]
        )
    return conditional(request, _changes(parts, changed_since, limit))


@router.get(
    "/detections/{id}",
    operation_id="get_detection",
    response_model=DetectionOut | Finding,
    responses={304: {"description": "It has not changed since the ETag in If-None-Match."}},
)
def get_detection(
    id: Id,
    request: Request,
    caller: Reader,
    parts: Parts,
    format: Annotated[Literal["pocketsoc", "ocsf"], Query(description="Whose words.")] = "pocketsoc",
) -> Response:
    """One detection with its sightings and evidence; with `format=ocsf` as an OCSF 1.8.0 Detection Finding
    (class 2004)."""
    card = parts.card(id)
    if format == "ocsf":
        return conditional(request, Finding(detection_finding(card)))
    return conditional(request, detection_out(card, parts.display_names(), incident_of(parts, card)))


@router.post("/detections/{id}/split", operation_id="split_detection")
def split_detection(id: Id, wanted: Split, caller: Responder, parts: Parts) -> SplitOut:
    """Take wrongly joined sightings out, into a detection of their own. They stay apart: what these
    configurations say of that alert later goes to the new detection."""
    note(parts, caller, "split_detection", id, sightings=", ".join(wanted.sightings))
    left, taken = parts.detections.split(id, wanted.sightings)
    names = parts.display_names()
    return SplitOut(
        left=detection_out(left, names, incident_of(parts, left)),
        taken=detection_out(taken, names, incident_of(parts, taken)),
    )


def _changes(parts: ApiParts, since: str, limit: int) -> Changes:
    page = parts.feed.changed(since, limit=limit)
    return Changes(
        items=[summary(c) for c in page.cards],
        cursor=None,
        joined=[Joined(id=id, into=into) for id, into in page.joined],
        more=page.more,
        next_changed_since=page.next_since,
    )
