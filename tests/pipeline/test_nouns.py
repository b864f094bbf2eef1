"""Incidents and inventory on their way in: what is read is stored, what cannot be is told, nothing stops
anything else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from devhost.pump import Pump
from shared.bootstrap import Parts
from shared.errors import PermissionMissing, Throttled, TryLater
from shared.nouns.configurations import CLOUDS, Configuration
from shared.nouns.inventory import InventoryKind, Item
from shared.settings import Settings
from shared.store.incident_list import IncidentQuery
from shared.store.memory import MemoryBlobs, MemoryQueues, MemorySecrets, MemoryTables
from shared.store.quarantine import Kind
from shared.store.stores import Queue
from shared.vendors.vendor import Connection
from tests.vendor_double import DoubleVendor

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
INCIDENT = {"native_id": "437", "number": "437", "title": "Ransomware", "alert_ids": ["a1"]}


class House:
    """The product on memory with one double vendor and one configuration of it."""

    def __init__(self) -> None:
        self.time = NOW
        self.vendor = DoubleVendor()
        self.parts = Parts(
            Settings(),
            tables=MemoryTables(),
            queues=MemoryQueues(clock=self.now),
            blobs=MemoryBlobs(),
            secrets=MemorySecrets(),
            clock=self.now,
        )
        self.parts.__dict__["vendors"] = {self.vendor.slug: self.vendor}
        self.parts.__dict__["connect"] = lambda c: Connection(c, CLOUDS[c.cloud], None, self.now)  # type: ignore[arg-type]
        self.pump = Pump(self.parts)
        self.parts.configurations.save(
            Configuration(id="c1", vendor=self.vendor.slug, display_name="XDR", tenant_id="tenant-a")
        )

    def now(self) -> datetime:
        return self.time

    def poll(self) -> None:
        """One minute later: the poll and all that follows."""
        self.time += timedelta(minutes=1)
        self.parts.ticker.tick()
        self.pump.drain()

    def read(self, after: timedelta = timedelta()) -> None:
        """Later: what is due of the inventory."""
        self.time += after
        self.parts.inventory_ticker.tick()
        self.pump.drain()

    def state(self, kind: InventoryKind = InventoryKind.machine) -> Any:
        """How a kind is doing."""
        return self.parts.inventory.state("c1", kind)

    @property
    def titles(self) -> list[str]:
        """The list of incidents."""
        return [one.title for one in self.parts.incident_list.page(IncidentQuery()).incidents]


@pytest.fixture
def house() -> House:
    """A house."""
    return House()


def machine(number: int = 1, **more: Any) -> Item:
    """One machine."""
    return Item(kind=InventoryKind.machine, id=f"m{number}", name=f"srv-{number}", **more)


def test_a_page_brings_its_incidents(house: House) -> None:
    """Stored once, however often they are read."""
    house.vendor.incidents = [INCIDENT]

    house.poll()
    house.poll()

    assert house.titles == ["Ransomware"]
    assert house.pump.failures == []


def test_an_incident_that_cannot_be_read_is_kept_and_comes_in_by_a_replay(house: House) -> None:
    """Its page goes on; once it can be read it is stored as if it had been read then."""
    house.vendor.incidents = [{"id": 1}, INCIDENT, ["\ud800"]]
    house.poll()
    assert house.titles == ["Ransomware"]
    kept = house.parts.quarantine.all()
    assert [one.kind for one in kept] == [Kind.incident] * 2
    [id] = [one.id for one in kept if json.loads(house.parts.quarantine.content(one.id)) == {"id": 1}]

    house.vendor.to_incident = lambda raw: DoubleVendor().to_incident(INCIDENT | {"title": "Late"})  # type: ignore[method-assign]
    house.parts.quarantiner.replay(id)

    assert house.parts.quarantine.get(id) is None


def test_a_replay_that_fails_again_stays_in_quarantine(house: House) -> None:
    """It is not lost between the two."""
    house.vendor.incidents = [{"id": 1}]
    house.poll()
    [kept] = house.parts.quarantine.all()

    house.parts.quarantiner.replay(kept.id)

    assert [one.id for one in house.parts.quarantine.all()] == [kept.id]


def test_a_fault_in_the_mapping_costs_one_incident(house: House) -> None:
    """Not the page, and not the poll."""

    def fails(raw: Any) -> Any:
        raise KeyError("x")

    house.vendor.to_incident = fails  # type: ignore[method-assign]
    house.vendor.incidents = [INCIDENT]

    house.poll()

    configured = house.parts.configurations.get("c1")
    assert configured is not None
    assert configured.state.last_error is None
    assert "KeyError" in house.parts.quarantine.all()[0].reason


def test_a_time_that_is_none_stops_nothing(house: House) -> None:
    """The incident is kept, as of when it was read."""
    house.vendor.incidents = [INCIDENT | {"updated": "yesterday", "created": ""}]

    house.poll()

    assert house.titles == ["Ransomware"]
    assert house.pump.failures == []


def test_every_kind_is_read_when_it_is_due(house: House) -> None:
    """At once for a new configuration, then every six hours; scores once a day."""
    house.vendor.items = {InventoryKind.machine: [[machine(1)], [machine(2)]]}
    house.read()
    assert (house.state().count, house.state().error) == (2, None)

    asked = []
    for _ in range(24):
        house.vendor.asked.clear()
        house.read(timedelta(hours=1))
        asked += house.vendor.asked

    assert asked.count(InventoryKind.machine) == 4
    assert asked.count(InventoryKind.score) == 1


def test_a_kind_that_is_refused_says_so_and_the_others_go_on(house: House) -> None:
    """With the vendor's reason, tried again after its period, and alerts are polled all the while."""
    house.vendor.items = {
        InventoryKind.machine: [[machine(1)], PermissionMissing("Grant Machine.Read.All.")],
        InventoryKind.score: [[Item(kind=InventoryKind.score, id="s", name="Secure score")]],
    }

    house.read()
    house.poll()

    assert house.state().error == "Grant Machine.Read.All."
    assert house.state().next_due == "2026-11-20T16:00:00.0000000Z"
    assert house.state(InventoryKind.score).count == 1
    configured = house.parts.configurations.get("c1")
    assert configured is not None
    assert configured.state.last_success is not None


@pytest.mark.parametrize(
    ("error", "minutes"),
    [(Throttled("Wait.", retry_after=300), 5), (TryLater("Away."), 15), (KeyError("defect"), 15)],
)
def test_what_passes_is_tried_again_soon(house: House, error: Exception, minutes: int) -> None:
    """When the vendor said, else after a quarter of an hour."""
    house.vendor.items = {InventoryKind.machine: [error]}
    house.read()
    house.vendor.items = {InventoryKind.machine: [[machine(1)]]}

    house.read(timedelta(minutes=minutes - 1))
    assert house.state().error is not None
    house.read(timedelta(minutes=1))

    assert (house.state().error, house.state().count) == (None, 1)


def test_a_changed_configuration_is_read_at_once(house: House) -> None:
    """Somebody has just granted the permission."""
    house.vendor.items = {InventoryKind.machine: [PermissionMissing("Grant Machine.Read.All.")]}
    house.read()
    house.vendor.items = {InventoryKind.machine: [[machine(1)]]}
    stored = house.parts.configurations.get("c1")
    assert stored is not None
    house.time += timedelta(minutes=1)
    changed = house.parts.configurations.save(
        stored.configuration.model_copy(update={"changed": "2026-11-20T10:01:00.0000000Z"})
    )

    house.read(timedelta(minutes=1))

    assert changed.etag
    assert house.state().count == 1


def test_a_reading_is_not_queued_twice(house: House) -> None:
    """While its ticket is good; after that it is, and the old message is nobody's."""
    first = house.parts.inventory_ticker.tick()
    second = house.parts.inventory_ticker.tick()
    house.time += timedelta(minutes=21)
    third = house.parts.inventory_ticker.tick()

    house.pump.drain()

    assert (first, second, third) == (2, 0, 2)
    assert house.vendor.asked == [InventoryKind.machine, InventoryKind.score]


def test_a_removed_configuration_takes_its_inventory_along(house: House) -> None:
    """Within ten minutes."""
    house.vendor.items = {InventoryKind.machine: [[machine(1)]]}
    house.read()
    house.parts.configurations.remove("c1")

    house.read(timedelta(minutes=10))

    assert house.parts.inventory.states() == []
    assert house.parts.queues.depth(Queue.inventory) == 0
