"""After a mapping has changed: read stored raw alerts once more, say what comes out differently, and, if
wanted, put it in the place of what was stored.

Nothing is announced, and nothing that has been read since is overwritten. Walks the feed page by page; each
call is bounded and gives a cursor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.errors import Unreadable
from shared.nouns.cards import Card, Sighting
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Detection, Instant, RawAlert
from shared.pipeline.known_configurations import KnownConfigurations
from shared.pipeline.messages import new_batch
from shared.pipeline.reading import read_alert
from shared.store.detections import Detections, Source
from shared.store.feed import Feed, FeedQuery
from shared.vendors.vendor import Vendor

_CARDS_A_CALL = 100


@dataclass(frozen=True)
class Difference:
    """One sighting that reads differently now: what each changed field was, and is."""

    detection_id: str
    sighting: str
    fields: Mapping[str, tuple[Any, Any]]


@dataclass
class Remapped:
    """What a call found. `without_raw`: sightings whose raw alert was not kept; `unreadable`: those that
    the mapping does not take any more, which stay as they are."""

    sightings: int = 0
    without_raw: int = 0
    unreadable: int = 0
    differences: list[Difference] = field(default_factory=list)
    cursor: str | None = None


@dataclass(frozen=True)
class Remapper:
    """Maps stored raw alerts once more."""

    detections: Detections
    feed: Feed
    configurations: KnownConfigurations
    vendors: Mapping[str, Vendor]
    clock: Callable[[], datetime]

    def remap(self, since: Instant, *, apply: bool, cursor: str | None = None) -> Remapped:
        """Look at a page of detections created since then. Raises BadRequest for a wrong cursor."""
        page = self.feed.page(FeedQuery(created_from=since), limit=_CARDS_A_CALL, cursor=cursor)
        found = Remapped(cursor=page.cursor)
        for summary in page.cards:
            card = self.detections.get(summary.id)
            for seen in card.sightings if card else ():
                self._look(found, card, seen, apply=apply)
        return found

    def _look(self, found: Remapped, card: Card | None, seen: Sighting, *, apply: bool) -> None:
        found.sightings += 1
        vendor = self.vendors.get(seen.vendor)
        if card is None or seen.raw is None or vendor is None:
            found.without_raw += 1
            return
        configuration = self._configuration(card, seen)
        try:
            detection = read_alert(vendor, seen.raw, seen.channel, configuration.cloud)
        except Unreadable:
            found.unreadable += 1
            return
        if detection.fingerprint == seen.fingerprint:
            return
        found.differences.append(Difference(card.id, seen.key, _changed(seen.detection, detection)))
        if apply:
            source = Source(configuration, seen.channel, new_batch(), read_in=card.scope, anew=True)
            self.detections.record(source, [(detection, RawAlert(body=seen.raw, received=seen.received))])

    def _configuration(self, card: Card, seen: Sighting) -> Configuration:
        known = self.configurations.get(seen.configuration_id)
        # What a configuration brought stays when it is removed.
        return known or Configuration(
            id=seen.configuration_id, vendor=seen.vendor, display_name="removed", tenant_id=card.scope
        )


def _changed(before: Detection, after: Detection) -> dict[str, tuple[Any, Any]]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    return {name: (old[name], new[name]) for name in new if old[name] != new[name]}
