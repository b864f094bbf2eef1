"""A card: one detection as it is stored and shown, made of every source's view of it. Pure values.

What a card shows follows from its sightings alone, so that it does not matter in which order they came, and
a sighting can be taken out again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from shared.nouns.detections import Channel, Detection, Instant, Severity, Status, unique


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Sighting(_Value):
    """One source's view of a detection, whole, with the raw alert that it was read from. `observed` orders
    a vendor's views: its `updated`, else when we received it. `stands_since` compares vendors: since when its
    status stands, as far as that is known; a vendor that tells no times is not newer because it was read
    later."""

    configuration_id: str
    vendor: str
    channel: Channel
    detection: Detection
    raw: Any = None
    first_seen: Instant
    observed: Instant
    stands_since: Instant
    received: Instant
    fingerprint: str

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, data: Any) -> Any:
        """As stored before there was `stands_since`: cards are not migrated, they are read as they are."""
        if isinstance(data, dict) and "stands_since" not in data and "observed" in data:
            return {**data, "stands_since": data["observed"]}
        return data

    @classmethod
    def of(
        cls, detection: Detection, raw: Any, received: Instant, *, by: str, vendor: str, channel: Channel
    ) -> Sighting:
        """What a configuration (`by` is its id) says of an alert, as received at that time."""
        return cls(
            configuration_id=by,
            vendor=vendor,
            channel=channel,
            detection=detection,
            raw=raw,
            first_seen=received,
            observed=detection.updated or received,
            stands_since=detection.updated or detection.created or received,
            received=received,
            fingerprint=detection.fingerprint,
        )

    @property
    def native_id(self) -> str:
        """The alert's id at this source."""
        return self.detection.native_id

    @property
    def severity(self) -> Severity:
        """What this source says."""
        return self.detection.severity

    @property
    def status(self) -> Status:
        """What this source says."""
        return self.detection.status

    @property
    def source_link(self) -> str | None:
        """Where this source shows it."""
        return self.detection.source_link

    @property
    def key(self) -> str:
        """Which source this is; a detection has at most one sighting for each."""
        return f"{self.configuration_id}:{self.channel}:{self.native_id}"

    @property
    def age(self) -> tuple[Instant, Instant, str, str]:
        """What decides which of a vendor's views is newer: (observed, received). Of two views of one moment
        it is always the same one, so that a repetition changes nothing."""
        return (self.observed, self.received, self.key, self.fingerprint)


class Announced(_Value):
    """What has been said about a detection so far. `number` counts the announcements; `by` is the batch
    that owns making the newest one: only that batch, when it is delivered again after a crash, repeats it."""

    number: int
    reason: str
    severity: Severity
    by: str


class Card(_Value):
    """What is stored and shown: one detection with its sightings (at least one). `id` is the key of its row
    and never changes; `scope` is the tenant."""

    id: str
    scope: str
    sightings: tuple[Sighting, ...]
    announced: Announced
    changed: Instant

    @property
    def detection(self) -> Detection:
        """What all views together say."""
        return together(self.sightings)

    @property
    def vendor(self) -> str:
        """The vendor whose view is shown."""
        return richest(self.sightings).vendor

    @property
    def first_seen(self) -> Instant:
        """When the first view was received."""
        return min(s.first_seen for s in self.sightings)

    def with_sighting(self, seen: Sighting, now: Instant, *, anew: bool = False) -> Card:
        """This card after one more view of it; returns self when that view is older than or equal to what
        is known of its source. `anew`: it is the known view, read once more from its raw alert."""
        known = {s.key: s for s in self.sightings}
        before = known.get(seen.key)
        if before is not None:
            again = anew and before.received == seen.received
            if before.fingerprint == seen.fingerprint or (before.age > seen.age and not again):
                return self
            seen = seen.model_copy(update={"first_seen": min(before.first_seen, seen.first_seen)})
        known[seen.key] = self._dated(seen)
        return self.model_copy(update={"sightings": _sorted(known.values()), "changed": now})

    def _dated(self, seen: Sighting) -> Sighting:
        """With the time since which its status stands, where its vendor does not say: since the vendor's view
        before if that said the same, else since we read it."""
        before = max(
            (s for s in self.sightings if s.vendor == seen.vendor), key=lambda s: s.age, default=None
        )
        if seen.detection.updated is not None or before is None or before.age > seen.age:
            return seen
        same = (before.status, before.severity) == (seen.status, seen.severity)
        return seen.model_copy(update={"stands_since": before.stands_since if same else seen.received})

    def joined(self, other: Card, now: Instant) -> Card:
        """This card after it has turned out that another one is of the same alert. What either has announced
        counts as announced."""
        card = self
        for seen in other.sightings:
            card = card.with_sighting(seen, now)
        most = max((self.announced, other.announced), key=lambda a: a.severity.rank)
        announced = self.announced.model_copy(update={"severity": most.severity})
        return card.model_copy(update={"announced": announced, "changed": now})

    def with_only(self, kept: Iterable[Sighting], now: Instant) -> Card:
        """This card with some of its sightings."""
        return self.model_copy(update={"sightings": _sorted(kept), "changed": now})


def _sorted(sightings: Iterable[Sighting]) -> tuple[Sighting, ...]:
    return tuple(sorted(sightings, key=lambda s: s.key))


def _newest_of_each_vendor(sightings: Iterable[Sighting]) -> list[Sighting]:
    newest: dict[str, Sighting] = {}
    for seen in sorted(sightings, key=lambda s: s.age):
        newest[seen.vendor] = seen
    return list(newest.values())


def richest(sightings: Iterable[Sighting]) -> Sighting:
    """Of each vendor's newest view, the one that tells most."""
    return max(
        _newest_of_each_vendor(sightings),
        key=lambda s: (len(s.detection.evidence), len(s.detection.assets), *s.age),
    )


def together(sightings: tuple[Sighting, ...]) -> Detection:
    """One detection out of all views: told by the richest; how the work stands is told by the vendor whose
    status stands for the shortest time, so that an older copy never undoes a newer status."""
    if len(sightings) == 1:
        return sightings[0].detection
    newest_first = sorted(
        _newest_of_each_vendor(sightings), key=lambda s: (s.stands_since, *s.age), reverse=True
    )
    by_age = [s.detection for s in newest_first]
    newest, shown = by_age[0], richest(sightings).detection
    severe = next((d for d in by_age if d.severity is not Severity.unknown), newest)
    in_order = [shown, *by_age]
    return shown.model_copy(
        update={
            "status": newest.status,
            "vendor_status": newest.vendor_status,
            "severity": severe.severity,
            "vendor_severity": severe.vendor_severity,
            "updated": newest.updated,
            "resolved": newest.resolved,
            **{
                name: next((v for d in by_age if (v := getattr(d, name)) is not None), None)
                for name in ("assigned_to", "classification", "determination", "incident_id")
            },
            "categories": unique(c for d in in_order for c in d.categories),
            "techniques": unique(t for d in in_order for t in d.techniques),
            "other_ids": unique(i for s in sightings for i in (*s.detection.other_ids, s.native_id)),
        }
    )
