"""Changing a detection: at its vendor, through that of its views which reaches furthest."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter

from shared.api.acts import note
from shared.api.caller import Responder
from shared.api.detection_shapes import DetectionOut, detection_out
from shared.api.fields import Id
from shared.api.incidents import incident_of
from shared.api.parts import ApiParts, Parts
from shared.api.problems import FieldError, Invalid
from shared.api.writing import may_write
from shared.errors import (
    BadRequest,
    Conflict,
    OperatorMustAct,
    PocketSOCError,
    Throttled,
    Unreadable,
)
from shared.nouns.alert_change import AlertChange
from shared.nouns.cards import Card, Sighting
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, instant_of
from shared.vendors.abilities import AlertVendor

router = APIRouter(tags=["detections"])

_log = logging.getLogger(__name__)
Way = tuple[Configuration, AlertVendor, Sighting]


@router.post("/detections/{id}/status", operation_id="change_detection")
def change_detection(id: Id, wanted: AlertChange, caller: Responder, parts: Parts) -> DetectionOut:
    """Change an alert at its vendor: status, assignee (empty: nobody), classification and determination in
    the vendor's words, and a comment that is added. What is not sent stays as it is.

    It is changed once: where a view through Microsoft Graph exists there, because that reaches the other
    Defender products, else at the product that raised it. The answer shows the detection as it will be
    stored in a moment."""
    if wanted == AlertChange():
        raise Invalid("Nothing to change.", [FieldError(field="body", message="Say what is to be changed.")])
    card = parts.card(id)
    ways = _ways(parts, card)
    if not ways:
        raise BadRequest(_no_way(parts, card))
    said = wanted.model_dump(mode="json", exclude_none=True, exclude={"comment"})
    note(parts, caller, "change_detection", card.id, **said, comment=wanted.comment is not None)
    configuration, vendor, raw = _change(parts, ways, wanted)
    _log.info("detection %s was changed through configuration %s", card.id, configuration.id)
    if raw is not None:
        _keep(parts, configuration, raw)
        card = _as_it_will_be(parts, card, configuration, vendor, raw)
    return detection_out(card, parts.display_names(), incident_of(parts, card))


def _no_way(parts: ApiParts, card: Card) -> str:
    incident = incident_of(parts, card)
    if incident:
        return (
            "Single alerts of this product cannot be changed, only their incident: "
            f"PATCH /api/v1/incidents/{incident}."
        )
    return (
        "No configuration that is switched on can change this detection: change it in the vendor's portal, "
        "or configure Microsoft Graph Security or the product that raised it."
    )


def _ways(parts: ApiParts, card: Card) -> list[Way]:
    """Through which views the alert can be changed, the best first: whose sign-in may write before whose
    may not, what reaches further before what does not, what was read before what was only told us."""
    ways: list[Way] = []
    for seen in card.sightings:
        configured = parts.configurations.get(seen.configuration_id)
        vendor = parts.vendors.get(seen.vendor)
        if configured and configured.configuration.enabled and isinstance(vendor, AlertVendor):
            ways.append((configured.configuration, vendor, seen))
    if len(ways) < 2:
        return ways
    may = {way[0].id: may_write(parts, way[0], way[1]) for way in ways}
    return sorted(
        ways,
        key=lambda way: (
            may[way[0].id],
            -way[1].authority,
            way[2].channel is not Channel.poll,
            way[2].key,
        ),
    )


def _change(parts: ApiParts, ways: list[Way], wanted: AlertChange) -> tuple[Configuration, AlertVendor, Any]:
    """Make the change in the first way that works; gives what the vendor answered."""
    first: PocketSOCError | None = None
    for configuration, vendor, seen in ways:
        try:
            raw = vendor.change_alert(parts.connect(configuration), seen.detection, wanted)
        except (OperatorMustAct, Throttled) as error:  # after any other trouble it may be done already
            first = first or error
            continue
        return configuration, vendor, raw
    raise first or Conflict("Nobody could change the detection.")


def _keep(parts: ApiParts, configuration: Configuration, raw: Any) -> None:
    try:
        parts.receiver.answered(configuration, raw)
    except PocketSOCError as error:  # the change is made, and must not be asked for again
        _log.warning("an answer to a change was not queued, the next poll brings it: %s", error)


def _as_it_will_be(
    parts: ApiParts, card: Card, configuration: Configuration, vendor: AlertVendor, raw: Any
) -> Card:
    """The card with the vendor's answer in it, for the caller's eyes; storing it is the queue's."""
    now = instant_of(parts.now())
    try:
        detection = vendor.to_detection(raw)
    except Unreadable:
        return card
    by = configuration
    seen = Sighting.of(detection, raw, now, by=by.id, vendor=by.vendor, channel=Channel.poll)
    return card.with_sighting(seen, now)
