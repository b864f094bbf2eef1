"""After a mapping has changed, stored raw alerts are read once more: reported, stored, never announced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.errors import Unreadable
from shared.nouns.detections import Channel, Detection, Severity
from shared.pipeline.remap import Remapper
from shared.vendors.defender_endpoint import DefenderEndpoint
from simulator import scenarios
from tests.pipeline.house import ENDPOINT, House

SINCE = "2000-01-01T00:00:00.0000000Z"


class Newer(DefenderEndpoint):
    """A later version of the mapping."""

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        """Worse, and with another title."""
        mapped = super().to_detection(raw, channel=channel)
        if mapped.title == "broken":
            raise Unreadable("It does not take this any more.")
        return mapped.model_copy(update={"title": f"Newer {mapped.title}", "severity": Severity.critical})


def newer(house: House) -> Remapper:
    """The product after an update."""
    return replace(house.parts.remapper, vendors={"defender_endpoint": Newer()})


def filled(house: House) -> None:
    """Three alerts, read and pushed."""
    house.configure("defender_endpoint", ENDPOINT)
    scenarios.add_endpoint_alerts(house.world, count=2, fields={"severity": "Low"})
    scenarios.add_endpoint_alerts(house.world, fields={"title": "broken", "severity": "Low"})
    house.poll()


def test_nothing_differs_while_the_mapping_is_the_same(house: House) -> None:
    """The raw alert that was kept gives what was stored."""
    filled(house)
    found = house.parts.remapper.remap(SINCE, apply=True)
    assert (found.sightings, found.without_raw, found.unreadable, found.differences) == (3, 0, 0, [])


def test_a_report_changes_nothing(house: House) -> None:
    """It says which fields of which sighting were and would be what."""
    filled(house)
    before = house.cards()
    found = newer(house).remap(SINCE, apply=False)
    assert (len(found.differences), found.unreadable, found.cursor) == (2, 1, None)
    assert found.differences[0].fields["severity"] == ("low", "critical")
    assert set(found.differences[0].fields) == {"title", "severity"}
    assert house.cards() == before


def test_what_is_applied_is_shown_and_not_announced(house: House) -> None:
    """A raised severity that only the mapping raised is no news."""
    filled(house)
    pushed = len(house.pushes)
    newer(house).remap(SINCE, apply=True)
    house.pump.drain()
    assert sorted(c.title.split()[0] for c in house.cards()) == ["Newer", "Newer", "broken"]
    assert len(house.pushes) == pushed
    assert newer(house).remap(SINCE, apply=True).differences == []


def test_what_was_read_since_is_not_overwritten(house: House) -> None:
    """An alert that changed between report and storing keeps its newer content."""
    filled(house)
    [id] = scenarios.add_endpoint_alerts(house.world, fields={"status": "New"})
    house.poll(after=timedelta(minutes=2))
    old: dict[str, Any] = {c.id: house.parts.detections.get(c.id) for c in house.cards()}
    scenarios.update_endpoint_alert(house.world, id, fields={"status": "Resolved"})
    house.poll(after=timedelta(minutes=2))
    remapper = newer(house)
    stale = replace(remapper, detections=_Stale(remapper.detections, old))  # type: ignore[arg-type]
    stale.remap(SINCE, apply=True)
    shown = {old[c.id].detection.native_id: c.status for c in house.cards()}
    assert shown[id] == "resolved"


class _Stale:
    """Detections that are read as they were, and written as they are."""

    def __init__(self, detections: Any, old: dict[str, Any]) -> None:
        self._detections, self._old = detections, old

    def get(self, id: str) -> Any:
        """As it was."""
        return self._old[id]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detections, name)
