"""What a detection looks like on the wire: a line of the feed, and the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel

from shared.nouns.cards import Card, Sighting
from shared.nouns.detections import Channel, Detection, Instant, Severity, Status, unique

if TYPE_CHECKING:
    from shared.store.cards import CardSummary


class DetectionSummary(BaseModel):
    """One line of the feed. `vendors` and `configuration_ids` name every source that reports it."""

    id: str
    vendor: str
    vendors: list[str]
    configuration_ids: list[str]
    title: str
    severity: Severity
    status: Status
    asset: str | None
    created: Instant | None
    changed: Instant
    first_seen: Instant
    number_of_sightings: int


class Feed(BaseModel):
    """A page of detections, newest first. `cursor` leads to the next page; null at the end."""

    items: list[DetectionSummary]
    cursor: str | None


class Joined(BaseModel):
    """A detection that turned out to be the same as another: drop `id`, show `into`."""

    id: str
    into: str


class Changes(Feed):
    """What is new or changed, the oldest change first. Ask again with `changed_since=next_changed_since`:
    at once if there is `more`, else when it is time. A detection may come again unchanged. `cursor` is
    always null."""

    joined: list[Joined]
    more: bool
    next_changed_since: Instant


class SightingOut(BaseModel):
    """One source's view. `key` names it when a wrongly joined detection is split; `configuration` is the
    display name, null once that configuration is removed."""

    key: str
    configuration_id: str
    configuration: str | None
    vendor: str
    channel: Channel
    native_id: str
    severity: Severity
    status: Status
    source_link: str | None
    first_seen: Instant
    observed: Instant
    received: Instant


class DetectionOut(Detection):
    """One detection in full. `native_id`, `product` and so on are those of the view that tells most; status
    and severity those of the newest."""

    id: str
    vendor: str
    vendors: list[str]
    configuration_ids: list[str]
    asset: str | None
    first_seen: Instant
    changed: Instant
    number_of_sightings: int
    sightings: list[SightingOut]
    incident: str | None = Field(description="The id of the incident that it belongs to (/incidents/{id}).")


class Finding(RootModel[dict[str, Any]]):
    """A detection in the words of OCSF."""


class Split(BaseModel):
    """Which sightings do not belong here, by their keys."""

    model_config = ConfigDict(extra="forbid")

    sightings: list[str] = Field(min_length=1, max_length=100)


class SplitOut(BaseModel):
    """Both detections after a split: what is left, and what was taken out."""

    left: DetectionOut
    taken: DetectionOut


def summary(card: CardSummary) -> DetectionSummary:
    """A line of the feed."""
    return DetectionSummary.model_validate(card, from_attributes=True)


def detection_out(card: Card, names: Mapping[str, str], incident: str | None = None) -> DetectionOut:
    """The whole card; `names` are the configurations' display names by id, `incident` the id of its
    incident."""
    shown = card.detection
    # Not validated again: the parts are what the store read and validated.
    return DetectionOut.model_construct(
        **dict(shown),
        id=card.id,
        vendor=card.vendor,
        vendors=list(unique((card.vendor, *(s.vendor for s in card.sightings)))),
        configuration_ids=list(unique(s.configuration_id for s in card.sightings)),
        asset=shown.main_asset,
        first_seen=card.first_seen,
        changed=card.changed,
        number_of_sightings=len(card.sightings),
        sightings=[_sighting(s, names) for s in card.sightings],
        incident=incident,
    )


def _sighting(seen: Sighting, names: Mapping[str, str]) -> SightingOut:
    values = {name: getattr(seen, name) for name in SightingOut.model_fields if name != "configuration"}
    return SightingOut(**values, configuration=names.get(seen.configuration_id))
