"""What an incident looks like on the wire: a line of the list, and the whole with its detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from shared.api.detection_shapes import DetectionSummary
from shared.nouns.cards import Card
from shared.nouns.detections import Instant, Severity, Status, unique
from shared.nouns.incidents import Incident, IncidentView, KnownIncident

if TYPE_CHECKING:
    from shared.store.incident_rows import IncidentSummary


class IncidentLine(BaseModel):
    """One line of the list. `number` is the incident's number in Defender XDR, if it has one."""

    id: str
    number: str | None
    title: str
    severity: Severity
    status: Status
    assigned_to: str | None
    merged_into: str | None
    vendors: list[str]
    configuration_ids: list[str]
    created: Instant | None
    updated: Instant | None
    changed: Instant
    alert_count: int
    comment_count: int


class IncidentList(BaseModel):
    """A page of incidents, the newest update first. `cursor` leads to the next page; null at the end."""

    items: list[IncidentLine]
    cursor: str | None


class IncidentViewOut(BaseModel):
    """What one configuration says. `configuration` is the display name; null once that is removed."""

    configuration_id: str
    configuration: str | None
    vendor: str
    native_id: str
    title: str
    severity: Severity
    status: Status
    updated: Instant | None
    received: Instant
    source_link: str | None


class IncidentOut(Incident):
    """One incident in full, as its newest view tells it; `views` are all of them."""

    id: str
    tenant: str
    vendors: list[str]
    configuration_ids: list[str]
    first_seen: Instant
    changed: Instant
    views: list[IncidentViewOut]
    detections: list[DetectionSummary] = Field(description="Its detections, newest first; at most 200.")
    alerts_without_detection: list[str] = Field(
        description="Ids of its alerts that have not been read here (yet), or were filtered out."
    )


def line(found: IncidentSummary) -> IncidentLine:
    """A line of the list."""
    return IncidentLine.model_validate(found, from_attributes=True)


def incident_out(
    found: KnownIncident, cards: Sequence[Card], without: Sequence[str], names: Mapping[str, str]
) -> IncidentOut:
    """The whole incident; `names` are the configurations' display names by id."""
    # Not validated again: the parts are what the store read and validated.
    return IncidentOut.model_construct(
        **dict(found.shown),
        id=found.id,
        tenant=found.scope,
        vendors=list(unique(view.vendor for view in found.views)),
        configuration_ids=list(unique(view.configuration_id for view in found.views)),
        first_seen=found.first_seen,
        changed=found.changed,
        views=[_view(view, names) for view in found.views],
        detections=[_line_of(card) for card in sorted(cards, key=lambda card: card.id)],
        alerts_without_detection=list(without),
    )


def _view(view: IncidentView, names: Mapping[str, str]) -> IncidentViewOut:
    said = view.incident
    return IncidentViewOut(
        configuration_id=view.configuration_id,
        configuration=names.get(view.configuration_id),
        vendor=view.vendor,
        native_id=said.native_id,
        title=said.title,
        severity=said.severity,
        status=said.status,
        updated=said.updated,
        received=view.received,
        source_link=said.source_link,
    )


def _line_of(card: Card) -> DetectionSummary:
    shown = card.detection
    return DetectionSummary(
        id=card.id,
        vendor=card.vendor,
        vendors=list(unique(s.vendor for s in card.sightings)),
        configuration_ids=list(unique(s.configuration_id for s in card.sightings)),
        title=shown.title,
        severity=shown.severity,
        status=shown.status,
        asset=shown.main_asset,
        created=shown.created,
        changed=card.changed,
        first_seen=card.first_seen,
        number_of_sightings=len(card.sightings),
    )
