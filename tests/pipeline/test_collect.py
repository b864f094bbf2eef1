"""The collector gets everything at least once, nothing without need twice, and trouble is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import Parts
from shared.errors import BadRequest
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, Detection, RawAlert, instant_of
from shared.nouns.inventory import InventoryKind, Item
from shared.settings import Settings
from shared.store.detections import Source
from shared.store.memory import MemoryBlobs, MemoryQueues, MemorySecrets, MemoryTables
from shared.store.stores import Replace, Row, Table
from tests.collector_peer import Peer, collector

CONFIGURATION = Configuration(
    id="c1", vendor="defender_endpoint", display_name="Endpoint", tenant_id="tenant-a"
)


class House:
    """The product on memory with a collector on loopback."""

    def __init__(self, peer: Peer, **settings: Any) -> None:
        self.peer = peer
        self.time = datetime(2026, 11, 20, 10, tzinfo=UTC)
        self.parts = Parts(
            Settings(collector_url=peer.url, ca_bundle=peer.ca_bundle, **settings),
            tables=MemoryTables(),
            queues=MemoryQueues(clock=self.now),
            blobs=MemoryBlobs(),
            secrets=MemorySecrets(),
            clock=self.now,
        )
        self.parts.configurations.save(CONFIGURATION)

    def now(self) -> datetime:
        return self.time

    def alert(self, native_id: str, **more: Any) -> None:
        """An alert comes in."""
        received = instant_of(self.time)
        usual = {
            "native_id": native_id,
            "title": f"Alert {native_id}",
            "created": received,
            "severity": "high",
        }
        detection = Detection.model_validate(usual | {"updated": received} | more)
        source = Source(CONFIGURATION, Channel.poll, batch="b")
        self.parts.detections.record(source, [(detection, RawAlert(body={}, received=received))])

    def things(self, *items: Item) -> None:
        """A complete reading of the inventory."""
        started = instant_of(self.time)
        state = self.parts.inventory.state("c1", items[0].kind)
        reading = self.parts.inventory.reading(state, started)
        reading.take(items)
        reading.finish()
        after = replace(state, read=started, attempted=started, pages=reading.pages)
        self.parts.inventory.save(after)

    def minutes(self, count: float = 1) -> int:
        """That much later, the collector is served."""
        self.time += timedelta(minutes=count)
        return self.parts.collector.emit()

    @property
    def keys(self) -> list[str]:
        """What the collector has, in order."""
        return [record["key"] for record in self.peer.records]


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    """A collector."""
    with collector(tmp_path) as running:
        yield running


@pytest.fixture
def house(peer: Peer) -> House:
    """A house."""
    return House(peer)


def machine(id: str, **more: Any) -> Item:
    """One machine."""
    return Item(kind=InventoryKind.machine, id=id, name=f"{id}.contoso.example", **more)


def test_an_alert_is_handed_over_once_and_again_when_it_changes(house: House) -> None:
    """As a risk, however often the minute comes."""
    house.alert("a1")
    for _ in range(5):
        house.minutes()
    house.alert("a1", status="resolved")
    for _ in range(5):
        house.minutes()

    assert house.keys == ["a1", "a1"]
    assert [r["status"] for r in house.peer.records] == ["active", "resolved"]
    assert house.peer.records[0]["score"] == 9.0


def test_a_quiet_minute_costs_no_request(house: House) -> None:
    """Nothing new, nothing sent."""
    house.alert("a1")
    house.minutes()

    assert [house.minutes() for _ in range(30)] == [0] * 30
    assert len(house.peer.batches) == 1


@pytest.mark.parametrize("answer", [(503, {}), (400, {}), (401, {}), (413, {})])
def test_what_is_not_taken_is_sent_again_until_it_is(house: House, answer: Any) -> None:
    """With the same key; meanwhile the health says what is wrong, and afterwards that nothing is."""
    house.alert("a1")
    house.peer.answers = [answer] * 3
    for _ in range(3):
        house.minutes(20)
    ill = house.parts.collector.health()
    house.alert("a2")
    house.minutes(20)

    assert (ill.failures, ill.last_error is not None, ill.last_success) == (3, True, None)
    assert house.keys == ["a1", "a2"]
    assert len(set(house.peer.refused)) == 1
    well = house.parts.collector.health()
    assert (well.failures, well.last_error, well.sent) == (0, None, 2)


def test_a_collector_that_asks_to_wait_is_left_alone(house: House) -> None:
    """For as long as it said."""
    house.alert("a1")
    house.peer.answers = [(429, {"Retry-After": "600"})]
    house.minutes()

    assert [house.minutes(2) for _ in range(4)] == [0] * 4
    assert len(house.peer.refused) == 1
    assert house.minutes(3) == 1


def test_a_batch_that_is_too_large_is_halved(house: House) -> None:
    """Down to what the collector takes."""
    for n in range(20):
        house.alert(f"a{n}")
    house.peer.largest = 6

    house.minutes()

    assert sorted(house.keys) == sorted(f"a{n}" for n in range(20))


def test_a_death_before_the_mark_sends_again_and_loses_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once."""
    house.alert("a1")

    def dies(*place: Any) -> str:
        raise ConnectionError

    monkeypatch.setattr(house.parts.exported, "set_mark", dies)
    with pytest.raises(ConnectionError):
        house.minutes()
    monkeypatch.undo()
    house.minutes()

    assert house.keys == ["a1", "a1"]
    assert house.peer.batches[0][0]["idempotency-key"] == house.peer.batches[1][0]["idempotency-key"]


def test_machines_are_handed_over_after_each_reading(house: House) -> None:
    """All of them the first time, then what is new or different."""
    house.things(machine("m1", addresses=("10.0.0.1",)), machine("m2"))
    house.minutes()
    house.minutes()
    house.things(machine("m1", addresses=("10.0.0.2",)), machine("m2"))
    house.minutes()

    assert house.keys == ["m1", "m2", "m1"]
    assert [r["value"] for r in house.peer.records] == ["10.0.0.1", "", "10.0.0.2"]


def test_vulnerabilities_are_risks_once(house: House) -> None:
    """Machine by machine where they are listed so; the list by CVE would only repeat them."""
    kind = InventoryKind.machine_vulnerability
    house.things(machine("m1"))
    house.things(Item(kind=InventoryKind.vulnerability, id="CVE-1", name="CVE-1"))
    house.things(Item(kind=kind, id="m1-CVE-1", name="CVE-1", machine_id="m1", severity="critical"))  # type: ignore[arg-type]

    house.minutes()

    risks = {r["key"]: r for r in house.peer.records if r["kind"] == "risk"}
    assert list(risks) == ["m1-CVE-1"]
    assert (risks["m1-CVE-1"]["dns"], risks["m1-CVE-1"]["score"]) == ("m1.contoso.example", 10.0)


def test_what_is_not_wanted_is_not_sent(peer: Peer) -> None:
    """By the settings; it is not sent later either."""
    house = House(peer, collector_minimum_severity="medium", collector_names=("*.contoso.example",))
    asset = {"kind": "machine", "name": "srv-1.contoso.example"}
    house.alert("wanted", assets=[asset])
    house.alert("low", severity="low", assets=[asset])
    house.alert("elsewhere", assets=[{"kind": "machine", "name": "srv-1.fabrikam.example"}])
    house.things(machine("m1"), Item(kind=InventoryKind.machine, id="m2", name="other"))

    house.minutes()
    house.minutes()

    assert house.keys == ["wanted", "m1"]


def test_without_a_collector_nothing_is_stored(peer: Peer) -> None:
    """The minute costs one read."""
    house = House(peer)
    house.parts.__dict__["collector_link"] = None

    assert house.minutes() == 0
    assert house.parts.exported.mark("health") == ("", "")


def test_a_collector_that_takes_nothing_is_a_trouble_until_it_does(house: House) -> None:
    """After half an hour; the admins are told by the watch."""
    house.alert("a1")
    house.peer.answers = [(400, {})] * 4
    house.minutes(20)
    found = [list(lookout.find()) for lookout in house.parts.lookouts if lookout.name == "the collector"]
    assert found == [[]]

    house.minutes(31)

    [lookout] = [one for one in house.parts.lookouts if one.name == "the collector"]
    [trouble] = lookout.find()
    assert "HTTP 400" in trouble.text
    house.peer.answers = []
    house.minutes(20)
    assert list(lookout.find()) == []


def test_more_changes_than_delta_sync_tells_of_are_caught_up_with(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a walk through the feed that goes on where it stopped; then delta sync takes over."""
    for n in range(7):
        house.alert(f"a{n}")
        house.time += timedelta(minutes=1)
    house.minutes(5)
    for n in range(7, 12):
        house.alert(f"a{n}")
    house.alert("a3", status="resolved")

    def too_much(since: str) -> Any:
        raise BadRequest("Too much has changed since then.")

    monkeypatch.setattr(house.parts.feed, "changed", too_much)
    monkeypatch.setattr("shared.pipeline.collect._LINES", 2)
    house.peer.answers = [(202, {}), (500, {})]
    house.minutes()
    house.minutes(20)
    monkeypatch.undo()
    house.alert("last")
    house.minutes()

    taken = [record for _, records in house.peer.batches[1:] for record in records]
    keys = [record["key"] for record in taken]
    assert set(keys) == {"a3", *(f"a{n}" for n in range(7, 12)), "last"}
    assert next(r for r in taken if r["key"] == "a3")["status"] == "resolved"
    assert house.parts.collector.health().last_error is None


def test_a_damaged_detection_does_not_keep_the_others_from_the_collector(house: House) -> None:
    """It is logged and left out."""
    house.alert("a1")
    house.alert("a2")
    [row, *_] = house.parts.tables.scan(Table.detections).rows
    damaged = Row(row.partition, row.key, {**row.values, "document": b"?"}, row.etag)
    house.parts.tables.write(Table.detections, [Replace(damaged)])

    house.minutes()

    assert len(house.keys) == 1
    assert house.parts.collector.health().last_error is None


def test_more_alerts_in_a_minute_than_a_mark_holds_are_handed_over(house: House) -> None:
    """Delta sync never cuts a minute apart, however much it is."""
    for number in range(1000):
        house.alert(f"a{number}")
    for _ in range(4):
        house.minutes(2)

    assert set(house.keys) == {f"a{number}" for number in range(1000)}
    assert house.minutes(2) == 0
    assert house.parts.collector.health().last_error is None


def test_an_inventory_that_takes_longer_than_a_run_goes_on_where_it_stopped(house: House) -> None:
    """Not from its beginning: it would never come to its end."""
    house.things(*(machine(f"m{number}") for number in range(1800)))
    house.minutes(1)
    house.peer.batches.clear()
    house.time += timedelta(minutes=1)
    house.things(*(machine(f"m{number}", status="Inactive") for number in range(1800)))

    def late() -> datetime:
        house.time += timedelta(seconds=50)
        return house.time

    slow = replace(house.parts.collector, clock=late)
    sent = [slow.emit() for _ in range(6)]

    assert 0 < sent[0] < 1800
    assert sum(sent) == len(house.keys) == len(set(house.keys)) == 1800


@pytest.mark.parametrize("mark", ["2026-11-20T10:00:00.0000000Z", "{", "?"])
def test_a_mark_of_an_earlier_version_or_a_damaged_one_stops_nothing(house: House, mark: str) -> None:
    """What has changed since is handed over; at worst, everything is once more."""
    house.minutes()
    house.things(machine("m1"))
    house.parts.exported.set_mark("c1|machine", mark, "")

    house.minutes()

    assert house.keys == ["m1"]
