"""The stores of the other nouns, on memory and on Azurite: nothing is lost, and nothing is taken twice."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import Conflict, NotFound
from shared.nouns.configurations import Configuration, PollState
from shared.nouns.notifications import Installation, Outcome, Transport
from shared.store.configurations import Configurations
from shared.store.deliveries import Deliveries
from shared.store.installations import Installations
from shared.store.memory import MemorySecrets, MemoryTables
from shared.store.posture import Posture
from shared.store.quarantine import Kind, Quarantine
from shared.store.stores import Blobs, Replace, Row, Rows, Span, Table, Tables

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def configuration(id: str = "c1", **more: Any) -> Configuration:
    """A configuration."""
    return Configuration(**{"id": id, "vendor": "v", "display_name": "Name", **more})


def installation(id: str = "phone", token: str = "t1") -> Installation:
    """An installation."""
    return Installation(
        id=id,
        owner="analyst",
        name="Phone",
        transport=Transport.apns,
        registration={"token": token},
        registered="2026-01-01T00:00:00.0000000Z",
    )


@pytest.fixture
def quarantine(tables: Tables, blobs: Blobs) -> Quarantine:
    """An empty quarantine."""
    return Quarantine(tables=tables, blobs=blobs, clock=lambda: NOW)


def test_a_configuration_comes_back_with_its_state(tables: Tables) -> None:
    """Whatever its id and its cursor hold."""
    store = Configurations(tables=tables)
    saved = store.save(configuration("c/ä#1", options={"a": ["b"]}))
    store.save_state(PollState(configuration_id=saved.id, cursor={"at": "2026-11-20T10:15:30.1234567Z"}))
    found = store.get(saved.id)
    assert found is not None
    assert (found.configuration, found.state.cursor) == (saved, {"at": "2026-11-20T10:15:30.1234567Z"})
    assert store.all() == [found]


def test_who_saves_second_must_read_again(tables: Tables) -> None:
    """Configurations, and poll states, are written by whoever has read them last."""
    store = Configurations(tables=tables)
    read = store.save(configuration())
    store.save(read.model_copy(update={"display_name": "One"}))
    with pytest.raises(Conflict):
        store.save(read.model_copy(update={"display_name": "Other"}))
    store.save_state(PollState(configuration_id="c1"))
    with pytest.raises(Conflict):
        store.save_state(PollState(configuration_id="c1"))


def test_removing_a_configuration_removes_its_state(tables: Tables) -> None:
    """One of the same id begins anew."""
    store = Configurations(tables=tables)
    store.save(configuration())
    store.save_state(PollState(configuration_id="c1", failures=3))
    store.remove("c1")
    store.remove("c1")
    assert store.get("c1") is None
    store.save(configuration())
    assert [c.state.failures for c in store.all()] == [0]


class Halting(MemoryTables):
    """Tables that give one row a page."""

    def scan(self, table: str, span: Span = Span(), **options: Any) -> Rows:  # noqa: B008 - frozen
        return super().scan(table, span, **{**options, "limit": 1})


def test_a_service_that_stops_in_the_middle_hides_no_state() -> None:
    """A page may end anywhere, also between a configuration and its state."""
    store = Configurations(tables=Halting())
    for number in range(3):
        store.save(configuration(f"c{number}"))
        store.save_state(PollState(configuration_id=f"c{number}", failures=number))
    found = store.get("c2")
    assert found is not None
    assert found.state.failures == 2
    assert [c.state.failures for c in store.all()] == [0, 1, 2]


def test_one_that_cannot_be_read_does_not_hide_the_others(tables: Tables) -> None:
    """Another version may have written it."""
    configurations = Configurations(tables=tables)
    installations = Installations(tables=tables, secrets=MemorySecrets())
    for number in range(3):
        configurations.save(configuration(f"c{number}"))
        installations.register(installation(f"phone-{number}"))
    for table, place in ((Table.configurations, "c1"), (Table.installations, "installations")):
        row = tables.scan(table, Span.within(place)).rows[-1]
        tables.write(table, [Replace(Row(row.partition, row.key, {**row.values, "document": '{"a": 1}'}))])
    assert [c.configuration.id for c in configurations.all()] == ["c0", "c2"]
    assert [i.id for i in installations.all()] == ["phone-0", "phone-1"]


def test_registrations_are_sealed_and_come_back(tables: Tables) -> None:
    """The table alone cannot push."""
    store = Installations(tables=tables, secrets=MemorySecrets())
    store.register(installation(token="very-private"))
    assert store.get("phone") == installation(token="very-private")
    row = tables.get(Table.installations, "installations", "phone")
    assert row is not None
    assert "very-private" not in repr(row.values)


def test_two_instances_that_start_together_read_each_others_installations(tables: Tables) -> None:
    """Also when both make the seal at the same moment."""
    secrets = MemorySecrets()
    stores = [Installations(tables=tables, secrets=secrets) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: stores[n].register(installation(f"phone-{n}")), range(4)))
    assert [len(store.all()) for store in stores] == [4] * 4


def test_forgetting_spares_who_has_registered_anew(tables: Tables) -> None:
    """What was refused is the registration that was read."""
    store = Installations(tables=tables, secrets=MemorySecrets())
    store.register(installation(token="new"))
    assert not store.forget(installation(token="old"))
    assert store.all() == [installation(token="new")]
    assert store.forget(installation(token="new"))
    assert store.forget(installation(token="new"))
    assert store.recent() == []


def test_a_delivery_is_claimed_once_and_again_by_its_owner_until_it_is_noted(tables: Tables) -> None:
    """A redelivered message sends what it had claimed and not noted."""
    deliveries = Deliveries(tables=tables)
    names = [f"0{n:03}.1" for n in range(120)]
    assert deliveries.claim("ph/one", names, by="m1") == set(names)
    assert deliveries.claim("ph/one", names, by="m2") == set()
    deliveries.note("ph/one", names[0], Outcome.delivered, by="m1", reason="ä" * 5000)
    assert deliveries.claim("ph/one", names, by="m1") == set(names[1:])
    assert deliveries.claim("other", names[:1], by="m2") == {names[0]}


def test_the_same_content_is_kept_once_and_byte_for_byte(quarantine: Quarantine) -> None:
    """Another source's, or another kind, is another thing."""
    content = b"\xff\x00" * 100_000
    ids = {quarantine.put(Kind.alert, content, reason="r" * 5000, source="c1") for _ in range(3)}
    ids.add(quarantine.put(Kind.alert, content, reason="r", source="c2"))
    ids.add(quarantine.put(Kind.event, content, reason="r", source="c1"))
    assert (len(ids), quarantine.count()) == (3, 3)
    assert all(quarantine.content(id) == content for id in ids)


def test_what_is_put_again_while_it_is_handed_out_stays(quarantine: Quarantine) -> None:
    """The removal is refused; afterwards it can be taken out as before."""
    id = quarantine.put(Kind.alert, b"x", reason="r", source="c1")
    version = quarantine.hand_out(id)
    quarantine.put(Kind.alert, b"x", reason="r", source="c1")
    with pytest.raises(Conflict):
        quarantine.remove(id, version=version)
    assert quarantine.content(id) == b"x"
    quarantine.remove(id, version=quarantine.hand_out(id))
    assert quarantine.all() == []
    with pytest.raises(NotFound):
        quarantine.content(id)
    with pytest.raises(NotFound):
        quarantine.hand_out(id)


def test_putting_and_removing_at_once_leaves_nothing_without_content(quarantine: Quarantine) -> None:
    """Whoever wins, what is there can be read."""

    def put(_: int) -> str:
        return quarantine.put(Kind.alert, b"x", reason="r", source="c1")

    def take(_: int) -> None:
        for found in quarantine.all():
            try:
                quarantine.remove(found.id)
            except Conflict:
                continue

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(job, n) for n in range(12) for job in (put, take)]
    assert [job.exception() for job in work] == [None] * len(work)
    id = put(0)
    assert quarantine.content(id) == b"x"


def test_the_newest_in_quarantine_comes_first(tables: Tables, blobs: Blobs) -> None:
    """With its reason and where it came from."""
    now = [NOW]
    quarantine = Quarantine(tables=tables, blobs=blobs, clock=lambda: now[0])
    quarantine.put(Kind.message, b"1", reason="first", source="polls")
    now[0] += timedelta(seconds=1)
    quarantine.put(Kind.message, b"2", reason="second", source="polls")
    assert [(q.reason, q.source, q.size) for q in quarantine.all()] == [
        ("second", "polls", 1),
        ("first", "polls", 1),
    ]


def test_a_posture_event_of_any_size_is_kept_once(tables: Tables, blobs: Blobs) -> None:
    """Received again under the same time it is the same."""
    posture = Posture(tables=tables, blobs=blobs)
    for body in ({"a": "ä"}, {"noise": random.Random(1).randbytes(90_000).hex()}) * 2:
        posture.keep(
            "c/1",
            kind="assessment",
            id="i" * 3000,
            name="n",
            action=None,
            body=body,
            received="2026-11-20T12:00:00.0000000Z",
        )
    rows = tables.scan(Table.posture).rows
    assert len(rows) == 2
    assert sorted("document_blob" in row.values for row in rows) == [False, True]
