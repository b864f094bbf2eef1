"""Several workers at one moment, repeated and late messages, odd ids: one card, one owner, the newest
view."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from shared.errors import RowExists, TryLater, Unreadable
from shared.nouns.cards import Card
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, Detection, RawAlert, Severity, Status, instant_of
from shared.store.deliveries import Deliveries
from shared.store.detections import Detections, Recorded, Source
from shared.store.identities import Identities, Identity
from shared.store.keys import identity_key
from shared.store.limits import check_key
from shared.store.memory import MemoryBlobs, MemoryTables
from shared.store.stores import Blobs, Rows, Table, Tables

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONFIGURATION = Configuration(id="c1", vendor="defender_endpoint", display_name="Endpoint", tenant_id="t1")


def alert(id: str = "a", minutes: int = 0, **more: Any) -> tuple[Detection, RawAlert]:
    """One alert, updated and received `minutes` after noon."""
    when = instant_of(NOW + timedelta(minutes=minutes))
    detection = Detection(
        **{"native_id": id, "title": "Title", "created": instant_of(NOW), "updated": when, **more}
    )
    return detection, RawAlert(body={}, received=when)


def source(batch: str, *, configuration: str = "c1", **more: Any) -> Source:
    """A batch."""
    return Source(CONFIGURATION.model_copy(update={"id": configuration}), Channel.poll, batch, **more)


def at_once(*work: Callable[[], Any]) -> list[Any]:
    """Do all of it at the same moment."""
    start = Barrier(len(work))

    def run(task: Callable[[], Any]) -> Any:
        start.wait()
        return task()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


def owners(recorded: Sequence[Recorded]) -> Counter[tuple[str, int]]:
    """How often each announcement is owned."""
    return Counter((c.id, c.announced.number) for r in recorded for c in r.owned)


@pytest.fixture
def store(tables: Tables, blobs: Blobs) -> Detections:
    """The store under test, on memory and on Azurite."""
    return Detections(tables=tables, blobs=blobs, clock=lambda: NOW)


def in_memory() -> Detections:
    """The store on memory."""
    return Detections(tables=MemoryTables(), blobs=MemoryBlobs(), clock=lambda: NOW)


@pytest.mark.parametrize("hinted", [False, True])
def test_the_same_alerts_at_the_same_moment_have_one_owner(
    store: Detections, tables: Tables, hinted: bool
) -> None:
    """Four workers with overlapping pages announce each alert once."""
    entries = [alert(f"a{n}") for n in range(60)]
    entries = [(d, raw.model_copy(update={"known_new": hinted})) for d, raw in entries]
    pages = [entries, entries[20:], entries[:40], list(reversed(entries))]
    recorded = at_once(*(lambda n=n, p=p: store.record(source(f"b{n}"), p) for n, p in enumerate(pages)))
    assert set(owners(recorded).values()) == {1}
    assert len(owners(recorded)) == len(tables.scan(Table.detections).rows) == 60


def test_changes_at_the_same_moment_have_one_owner_each_and_the_newest_stays(store: Detections) -> None:
    """However they overtake each other."""
    store.record(source("first"), [alert(severity=Severity.low)])
    levels = [Severity.medium, Severity.high, Severity.critical, Severity.critical]
    work = [
        lambda n=n, s=s: store.record(source(f"b{n}"), [alert(minutes=n + 1, severity=s, description=str(n))])
        for n, s in enumerate(levels)
    ]
    recorded = at_once(*work)
    [card_id] = {c.id for r in recorded for c in r.owned}
    card = store.get(card_id)
    assert card is not None
    assert (card.detection.description, card.announced.severity) == ("3", Severity.critical)
    assert owners(recorded) == {(card_id, n): 1 for n in range(2, card.announced.number + 1)}


def test_every_source_keeps_its_sighting(store: Detections) -> None:
    """Nobody's view is overwritten by another's at the same moment."""
    recorded = at_once(
        *(
            lambda n=n: store.record(source(f"b{n}", configuration=f"c{n}"), [alert(minutes=n)])
            for n in range(6)
        )
    )
    [card_id] = [card_id for card_id, _ in owners(recorded)]
    card = store.get(card_id)
    assert card is not None
    assert [s.configuration_id for s in card.sightings] == [f"c{n}" for n in range(6)]
    seen = store.known(CONFIGURATION.scope, ["a"])["a"].seen
    assert sorted(seen) == [f"c{n}:poll" for n in range(6)]


def test_a_batch_that_runs_twice_at_once_says_the_same_thing(store: Detections) -> None:
    """Delivered again while it still runs, it owns the same announcements under the same names."""
    entries = [alert(f"a{n}", status=Status.resolved) for n in range(20)]
    recorded = at_once(
        lambda: store.record(source("b"), entries), lambda: store.record(source("b", resume=True), entries)
    )
    assert len(owners(recorded)) == 20
    assert {number for _, number in owners(recorded)} == {1}


def test_a_card_is_readable_while_its_large_document_is_replaced(store: Detections) -> None:
    """The old document's blob goes when the new one is in place; who read the old row looks again."""
    noise = random.Random(1).randbytes(90_000).hex()
    [card] = store.record(source("first"), [alert(description=noise)]).owned

    def change() -> None:
        for n in range(1, 8):
            store.record(source(f"b{n}"), [alert(minutes=n, description=noise[n:])])

    def read() -> list[Card | None]:
        return [store.get(card.id) for _ in range(15)]

    _, *read_by_all = at_once(change, read, read)
    assert all(cards.count(None) == 0 for cards in read_by_all)


def test_a_card_whose_document_is_lost_is_written_anew_in_silence() -> None:
    """One lost blob must not keep a whole batch in quarantine; later changes are announced as ever."""
    blobs = MemoryBlobs()
    store = Detections(tables=MemoryTables(), blobs=blobs, clock=lambda: NOW)
    [card] = store.record(source("b1"), [alert(description=random.Random(1).randbytes(90_000).hex())]).owned
    for container, name in list(blobs._contents):
        blobs.delete(container, name)
    with pytest.raises(Unreadable):
        store.get(card.id)
    assert (
        store.record(source("b2"), [alert(minutes=1), alert("other")]).owned[0].detection.native_id == "other"
    )
    recorded = store.record(source("b3"), [alert(minutes=2, severity=Severity.critical)])
    assert [c.id for c in recorded.owned] == [card.id]


def test_deliveries_at_the_same_moment_are_claimed_once(tables: Tables) -> None:
    """Each by one message."""
    deliveries = Deliveries(tables=tables)
    names = [f"n{n}" for n in range(150)]
    parts = [names, names[50:], list(reversed(names)), names[:70]]
    claimed = at_once(
        *(lambda n=n, p=p: deliveries.claim("phone", p, by=f"m{n}") for n, p in enumerate(parts))
    )
    assert Counter(name for mine in claimed for name in mine) == dict.fromkeys(names, 1)


def test_two_that_note_different_things_at_once_leave_it_open(tables: Tables) -> None:
    """Nobody knows which of them the card holds, so that the next reading must look at the card."""
    identities = Identities(tables)
    identities.insert("s", [Identity("a", "card", "b", {"c:poll": "0", "d:poll": "9"})])
    read = identities.known("s", ["a"])["a"]
    identities.note_seen("s", read, "c:poll", "1")
    identities.note_seen("s", read, "c:poll", "2")
    assert identities.known("s", ["a"])["a"].seen == {"c:poll": "", "d:poll": "9"}


ODD = [
    "a/b", "a\\b", "a#b", "a?b", "a%b", "a~b", "a~2fb", "a\tb", "a\x7fb", "a b",
    "a'b", "a''b", "ä", "a\u0308", "日本語", "\U0001f600", "\uffee", "\U0001f600\uffee",
    ".", "..", "~-", "é" * 600, "x" * 400, "x" * 401, "x" * 3000, "x" * 2999 + "y", "\U0001f600" * 300,
    "/" * 200, "/" * 133 + "x", "|", "-",
]  # fmt: skip


def test_ids_that_look_alike_are_different_alerts(store: Detections) -> None:
    """Forbidden characters, other alphabets, any length: each is one card, found again."""
    entries = [alert(id) for id in ODD]
    recorded = store.record(source("b1"), entries)
    assert (recorded.new, len({c.id for c in recorded.owned})) == (len(ODD), len(ODD))
    assert set(store.known(CONFIGURATION.scope, ODD)) == set(ODD)
    assert store.record(source("b2"), entries).unchanged == len(ODD)


@settings(max_examples=300, deadline=None)
@given(some.text(min_size=1, max_size=500), some.text(min_size=1, max_size=500))
def test_different_ids_have_different_keys(one: str, other: str) -> None:
    """Also an id that looks like another's key, and every key is one that the service takes."""
    keys = {identity_key(id) for id in {one, other, identity_key(one), identity_key(other)}}
    assert len(keys) == len({one, other, identity_key(one), identity_key(other)})
    for key in keys:
        check_key(key)


views = some.tuples(
    some.sampled_from(["a", "b"]),
    some.integers(0, 4),
    some.sampled_from([Status.active, Status.resolved]),
    some.sampled_from([Severity.low, Severity.high]),
)


@settings(max_examples=100, deadline=None)
@given(pages=some.lists(some.lists(views, max_size=5), max_size=5), order=some.randoms())
def test_the_order_in_which_pages_arrive_does_not_matter(pages: list[list[Any]], order: Any) -> None:
    """Also twice, and also within one moment: the same content in the end, and no announcement has two
    owners."""
    one, other = in_memory(), in_memory()
    entries = [[alert(id, minutes, status=s, severity=v) for id, minutes, s, v in page] for page in pages]
    for number, page in enumerate(entries):
        one.record(source(f"b{number}"), page)
    late = [*enumerate(entries), *enumerate(entries)]
    order.shuffle(late)
    recorded = [other.record(source(f"b{number}", resume=True), page) for number, page in late]
    for id in {d.native_id for page in entries for d, _ in page}:
        cards = [s.get(s.known(CONFIGURATION.scope, [id])[id].card_id) for s in (one, other)]
        assert cards[0] is not None
        assert cards[1] is not None
        assert cards[0].detection == cards[1].detection
    by = {(c.id, c.announced.number, c.announced.by) for r in recorded for c in r.owned}
    assert len(by) == len({(id, number) for id, number, _ in by})


def test_an_alert_a_thousand_times_in_one_body_is_one_card() -> None:
    """Repetitions cost nothing, and its versions are one announcement: the newest."""
    same = [alert(severity=Severity.low)] * 3000
    versions = [alert(minutes=1, severity=Severity.medium), alert(minutes=2, severity=Severity.high)]
    recorded = in_memory().record(source("b"), [*same, *versions])
    assert [(c.announced.number, c.announced.severity) for c in recorded.owned] == [(3, Severity.high)]


class Blind(MemoryTables):
    """Tables that refuse an insert for a row that they then do not show."""

    def write(self, table: str, changes: Any) -> list[str]:
        if table == Table.identities:
            raise RowExists("there is one")
        return super().write(table, changes)


def test_an_alert_that_cannot_be_claimed_is_not_dropped() -> None:
    """The batch fails and comes again."""
    store = Detections(tables=Blind(), blobs=MemoryBlobs(), clock=lambda: NOW)
    with pytest.raises(TryLater):
        store.record(source("b"), [alert()])


class Hasty(MemoryTables):
    """Tables whose first scan gives up before it has found anything, as the service may."""

    hasty = True

    def scan(self, table: str, *rest: Any, **options: Any) -> Rows:
        if self.hasty and table == Table.identities:
            self.hasty = False
            return Rows((), "token")
        return super().scan(table, *rest, **options)


def test_a_scan_that_gives_up_early_hides_no_identity() -> None:
    """What it has not reached is not unknown."""
    tables = Hasty()
    store = Detections(tables=tables, blobs=MemoryBlobs(), clock=lambda: NOW)
    ids = [f"a{n}" for n in range(10)]
    tables.hasty = False
    store.record(source("b"), [alert(id) for id in ids])
    tables.hasty = True
    assert sorted(store.known(CONFIGURATION.scope, ids)) == ids
