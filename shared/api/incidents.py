"""Incidents: listed, read with their detections, and changed at the vendor."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from shared.api.acts import note
from shared.api.caller import Reader, Responder
from shared.api.etags import conditional
from shared.api.fields import Cursor, Id, Word
from shared.api.incident_shapes import IncidentList, IncidentOut, incident_out, line
from shared.api.parts import ApiParts, Parts
from shared.api.problems import FieldError, Invalid
from shared.api.writing import may_write
from shared.errors import (
    BadRequest,
    Conflict,
    NotFound,
    OperatorMustAct,
    PocketSOCError,
    Throttled,
)
from shared.nouns.cards import Card
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Severity, Status, unique
from shared.nouns.identity import aliases, canonical
from shared.nouns.incidents import IncidentChange, IncidentView, KnownIncident
from shared.store.incident_list import IncidentQuery
from shared.vendors.abilities import IncidentVendor
from shared.vendors.vendor import Connection

router = APIRouter(tags=["incidents"])

_MOST_DETECTIONS = 200
_log = logging.getLogger(__name__)


@router.get(
    "/incidents",
    operation_id="list_incidents",
    response_model=IncidentList,
    responses={304: {"description": "Nothing has changed since the ETag in If-None-Match."}},
)
def list_incidents(
    request: Request,
    caller: Reader,
    parts: Parts,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most; fewer is normal.")] = 50,
    cursor: Annotated[Cursor | None, Query(description="As the page before gave it.")] = None,
    severity: Annotated[list[Severity], Query(max_length=6)] = [],  # noqa: B006 - FastAPI copies it
    status: Annotated[list[Status], Query(max_length=4)] = [],  # noqa: B006
    configuration: Annotated[list[Word], Query(max_length=50)] = [],  # noqa: B006
    q: Annotated[str, Query(max_length=200, description="Words to look for.")] = "",
    merged: Annotated[bool, Query(description="Also those that were merged into another.")] = False,
) -> Response:
    """Incidents, the newest update first. A page may be short, even empty, and still have a cursor."""
    query = IncidentQuery(
        severities=tuple(severity),
        statuses=tuple(status),
        configuration_ids=tuple(configuration),
        text=q.strip() or None,
        merged=merged,
    )
    page = parts.incident_list.page(query, limit=limit, cursor=cursor)
    return conditional(request, IncidentList(items=[line(i) for i in page.incidents], cursor=page.cursor))


@router.get(
    "/incidents/{id}",
    operation_id="get_incident",
    response_model=IncidentOut,
    responses={304: {"description": "It has not changed since the ETag in If-None-Match."}},
)
def get_incident(id: Id, request: Request, caller: Reader, parts: Parts) -> Response:
    """One incident with its detections. One that was merged into another answers with that other, as far as
    it is known here."""
    return conditional(request, _whole(parts, _found(parts, id)))


@router.patch("/incidents/{id}", operation_id="change_incident")
def change_incident(id: Id, wanted: IncidentChange, caller: Responder, parts: Parts) -> IncidentOut:
    """Change an incident at its vendor: status, assignee (empty: nobody), classification and determination in
    the vendor's words, tags, and a comment that is added. What is not sent stays as it is."""
    if wanted == IncidentChange():
        wrong = FieldError(field="body", message="Say what is to be changed.")
        raise Invalid("Nothing to change.", [wrong])
    found = _found(parts, id)
    ways = _ways(parts, found)
    if not ways:
        raise BadRequest("No configuration that is switched on can change this incident.")
    changed = wanted.model_dump(mode="json", exclude_none=True, exclude={"comment"})
    note(
        parts,
        caller,
        "change_incident",
        found.id,
        **{name: value if isinstance(value, str) else ", ".join(value) for name, value in changed.items()},
        comment=wanted.comment is not None,
    )
    configuration = _change(parts, ways, wanted)
    _log.info("incident %s was changed through configuration %s", found.id, configuration.id)
    return _whole(parts, parts.incidents.get(found.id) or found)


def members(parts: ApiParts, found: KnownIncident) -> tuple[list[Card], list[str]]:
    """The detections of an incident, and the ids of its alerts that have none."""
    ids = found.alert_ids[:_MOST_DETECTIONS]
    cards = {card.id: card for card in parts.detections.cards_of(found.scope, ids)}
    left = _unnamed(ids, cards.values())
    for vendor in unique(view.vendor for view in found.views) if left else ():
        more = parts.detections.cards_of(found.scope, left, namespace=vendor)
        cards |= {card.id: card for card in more}
        left = _unnamed(left, cards.values())
    return list(cards.values()), left


def incident_of(parts: ApiParts, card: Card) -> str | None:
    """The id of the incident to which a detection belongs."""
    ids = unique(
        id for s in card.sightings for id in (s.native_id, *s.detection.other_ids, *aliases(s.detection))
    )
    return parts.incidents.of_alert(card.scope, ids, number=card.detection.incident_id)


def _unnamed(ids: Iterable[str], cards: Iterable[Card]) -> list[str]:
    named = {
        name.rpartition(":")[2]
        for card in cards
        for seen in card.sightings
        for name in (*aliases(seen.detection), canonical(seen.native_id))
    }
    return [id for id in ids if canonical(id) not in named]


def _whole(parts: ApiParts, found: KnownIncident) -> IncidentOut:
    return incident_out(found, *members(parts, found), parts.display_names())


def _found(parts: ApiParts, id: str) -> KnownIncident:
    found = parts.incidents.get(id)
    if found is None:
        raise NotFound("There is no such incident.")
    return parts.incidents.survivor(found)


Way = tuple[Configuration, IncidentVendor, IncidentView]


def _ways(parts: ApiParts, found: KnownIncident) -> list[Way]:
    """Through which configurations the incident can be changed, the best first: whose sign-in may write
    before whose may not, the product in which the incident lives before a copy of it."""
    ways: list[Way] = []
    for view in found.views:
        configured = parts.configurations.get(view.configuration_id)
        vendor = parts.vendors.get(view.vendor)
        if configured and configured.configuration.enabled and isinstance(vendor, IncidentVendor):
            ways.append((configured.configuration, vendor, view))
    if len(ways) < 2:
        return ways
    may = {way[0].id: may_write(parts, way[0], way[1]) for way in ways}
    return sorted(
        ways,
        key=lambda way: (may[way[0].id], way[2].incident.native_id != way[2].incident.number, way[0].id),
    )


def _change(parts: ApiParts, ways: list[Way], wanted: IncidentChange) -> Configuration:
    """Make the change in the first way that works, and store what the vendor answered."""
    first: PocketSOCError | None = None
    for configuration, vendor, view in ways:
        try:
            connection: Connection = parts.connect(configuration)
            changed = vendor.change_incident(connection, view.incident.native_id, wanted)
        except (OperatorMustAct, Throttled) as error:  # after any other trouble it may be done already
            first = first or error
            continue
        parts.incidents.record(configuration, [changed])
        return configuration
    raise first or Conflict("Nobody could change the incident.")
