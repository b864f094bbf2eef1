"""Lists neither lose nor repeat a card: the feed across its cursors, delta sync across every order of writes
and syncs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from shared.errors import BadRequest
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, Detection, RawAlert, Severity, Status, instant_of
from shared.store.cards import CardSummary
from shared.store.detections import Detections, Source
from shared.store.feed import Feed, FeedQuery
from shared.store.memory import MemoryBlobs, MemoryTables
from shared.store.stores import Blobs, Table, Tables

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONFIGURATION = Configuration(id="c1", vendor="defender_endpoint", display_name="Endpoint", tenant_id="t1")


@dataclass
class Desk:
    """A store, its feed, and a clock to turn. `lag`: how far the writers' clock is behind ours."""

    tables: Tables = field(default_factory=MemoryTables)
    blobs: Blobs = field(default_factory=MemoryBlobs)
    now: datetime = NOW
    lag: timedelta = timedelta()
    batches: int = 0

    def __post_init__(self) -> None:
        self.detections = Detections(tables=self.tables, blobs=self.blobs, clock=lambda: self.now - self.lag)
        self.feed = Feed(tables=self.tables, clock=lambda: self.now)

    def record(self, id: str, *, age: timedelta | None = timedelta(), **more: Any) -> str:
        """One alert, created `age` before now (None: it does not say); gives its card's id."""
        self.batches += 1
        when = instant_of(self.now)
        created = None if age is None else instant_of(self.now - age)
        detection = Detection(native_id=id, title=id, created=created, updated=when, **more)
        source = Source(CONFIGURATION, Channel.poll, f"b{self.batches}")
        self.detections.record(source, [(detection, RawAlert(body={}, received=when))])
        return self.detections.known(CONFIGURATION.scope, [id])[id].card_id

    def walk(self, query: FeedQuery, limit: int) -> list[str]:
        """The titles on all pages."""
        titles, cursor = [], None
        for _ in range(1000):
            page = self.feed.page(query, limit=limit, cursor=cursor)
            titles += [c.title for c in page.cards]
            cursor = page.cursor
            if cursor is None:
                return titles
        raise AssertionError("the feed never ends")


@pytest.fixture
def desk(tables: Tables, blobs: Blobs) -> Desk:
    """A desk on memory and on Azurite."""
    return Desk(tables, blobs)


@pytest.mark.parametrize(
    "query",
    [FeedQuery(), FeedQuery(severities=(Severity.high,)), FeedQuery(text="7"), FeedQuery(vendors=("x",))],
)
def test_every_card_comes_once_over_the_borders_of_weeks(desk: Desk, query: FeedQuery) -> None:
    """Newest first, whatever the filter and however small the pages."""
    for number in range(30):
        severity = Severity.high if number % 5 == 0 else Severity.low
        desk.record(f"{number:02}", age=timedelta(days=number), severity=severity)
    everything = desk.feed.page(FeedQuery(), limit=200).cards
    wanted = [c.title for c in everything if query.keeps(c) and c.severity in (query.severities or Severity)]
    assert len(everything) == 30
    assert desk.walk(query, 4) == wanted


@settings(max_examples=40, deadline=None)
@given(
    ages=some.lists(some.integers(-3, 60), min_size=1, max_size=25),
    reach=some.integers(1, 12),
    limit=some.integers(1, 6),
    rare=some.integers(1, 9),
)
def test_scans_that_are_cut_short_lose_and_repeat_nothing(
    ages: list[int], reach: int, limit: int, rare: int
) -> None:
    """The service may end a page before it has found anything; the cursor goes on from there."""
    desk = Desk(MemoryTables(reach=reach))
    for number, age in enumerate(ages):
        severity = Severity.high if number % rare == 0 else Severity.low
        desk.record(f"n{number}", age=timedelta(days=age), severity=severity)
    high = {f"n{number}" for number in range(len(ages)) if number % rare == 0}
    for query in (FeedQuery(severities=(Severity.high,)), FeedQuery(severities=(Severity.high,), text="N")):
        walked = desk.walk(query, limit)
        assert len(walked) == len(high)
        assert set(walked) == high


def test_rows_that_come_while_a_phone_scrolls_disturb_nothing(desk: Desk) -> None:
    """A cursor names a place, not a number of rows."""
    for number in range(6):
        desk.record(f"old{number}", age=timedelta(hours=number + 1))
    first = desk.feed.page(FeedQuery(), limit=3)
    desk.record("new")
    rest = desk.feed.page(FeedQuery(), limit=10, cursor=first.cursor)
    assert [c.title for c in (*first.cards, *rest.cards)] == [f"old{n}" for n in range(6)]


@pytest.mark.parametrize(
    "cursor", ["W10=", "WzEsMCxudWxsXQ==", "bm90IGpzb24=", "e30=", "ZZZ", "!", "WyJ4IiwwLG51bGxd"]
)
def test_a_cursor_of_somebody_else_is_refused(cursor: str) -> None:
    """With words, not with a fault."""
    with pytest.raises(BadRequest):
        Desk().feed.page(FeedQuery(), cursor=cursor)


@pytest.mark.parametrize("age", [timedelta(days=-400), timedelta(days=-1), None])
def test_no_clock_but_ours_puts_a_card_at_the_top(desk: Desk, age: timedelta | None) -> None:
    """An alert from the future, or without a time, stands where it was received."""
    desk.record("odd", age=age)
    desk.now += timedelta(minutes=1)
    desk.record("next")
    assert desk.walk(FeedQuery(), 10) == ["next", "odd"]


@pytest.mark.parametrize("created", ["0001-01-01T00:00:00.0000000Z", "1969-12-31T23:59:59.9999999Z"])
def test_an_alert_from_before_time_began_is_at_the_end(desk: Desk, created: str) -> None:
    """And is found and read like any other."""
    source, received = Source(CONFIGURATION, Channel.poll, "b"), instant_of(NOW)
    old = Detection(native_id="old", title="old", created=created)
    [card] = desk.detections.record(source, [(old, RawAlert(body={}, received=received))]).owned
    desk.record("new")
    assert desk.walk(FeedQuery(), 1) == ["new", "old"]
    assert desk.detections.get(card.id) is not None


@dataclass
class Phone:
    """Follows delta sync; knows the newest it was told of each card."""

    desk: Desk
    since: str
    known: dict[str, CardSummary] = field(default_factory=dict)

    def sync(self, limit: int) -> None:
        """Ask until there is no more."""
        for _ in range(300):
            page = self.desk.feed.changed(self.since, limit=limit)
            self.known.update({c.id: c for c in page.cards})
            self.since = page.next_since
            if not page.more:
                return
        raise AssertionError("delta sync never ends")


Step = Callable[[Desk, Phone], None]
ages = some.sampled_from([0, 10, 14.99, 15, 15.01, 20, 60, 60 * 24 * 20, -30, None])
seconds = some.sampled_from([0, 0.0001, 1, 20, 59, 61, 300, 899.9995, 4000])


def writing(id: int, age: float | None, status: Status, lag: int) -> Step:
    def step(desk: Desk, phone: Phone) -> None:
        desk.lag = timedelta(seconds=lag)
        desk.record(f"n{id}", age=None if age is None else timedelta(minutes=age), status=status)
        desk.lag = timedelta()

    return step


def waiting(time: float) -> Step:
    def step(desk: Desk, phone: Phone) -> None:
        desk.now += timedelta(seconds=time)

    return step


def syncing(limit: int) -> Step:
    return lambda desk, phone: phone.sync(limit)


steps = some.one_of(
    some.builds(
        writing, some.integers(0, 9), ages, some.sampled_from(Status), some.sampled_from([0, 0, 5, 29])
    ),
    some.builds(waiting, seconds),
    some.builds(syncing, some.integers(1, 4)),
)


@settings(max_examples=250, deadline=None)
@given(story=some.lists(steps, max_size=30))
def test_a_phone_that_follows_delta_sync_misses_nothing(story: list[Step]) -> None:
    """Whatever is written, by whomever's clock, and whenever it asks: in the end it knows what we know."""
    desk = Desk()
    phone = Phone(desk, instant_of(NOW - timedelta(days=1)))
    for step in story:
        step(desk, phone)
    desk.now += timedelta(minutes=2)
    phone.sync(3)
    stored = {c.id: c for c in desk.feed.page(FeedQuery(), limit=200).cards}
    assert phone.known == stored


def test_what_changed_at_one_moment_is_never_cut_apart(desk: Desk) -> None:
    """A bulk of one time, larger than the page, is told once and left behind."""
    entries = [
        (
            Detection(native_id=f"n{n}", title=f"n{n}", created=instant_of(NOW)),
            RawAlert(body={}, received=instant_of(NOW)),
        )
        for n in range(250)
    ]
    desk.detections.record(Source(CONFIGURATION, Channel.poll, "bulk"), entries)
    desk.now += timedelta(seconds=1)
    desk.record("after")
    desk.now += timedelta(minutes=5)
    phone = Phone(desk, instant_of(NOW - timedelta(hours=1)))
    phone.sync(20)
    assert len(phone.known) == 251


def test_a_time_from_the_future_misses_nothing(desk: Desk) -> None:
    """A phone whose clock is ahead is told of what comes before its time."""
    phone = Phone(desk, instant_of(NOW + timedelta(hours=1)))
    phone.sync(5)
    desk.now += timedelta(minutes=3)
    card = desk.record("new")
    phone.sync(5)
    assert set(phone.known) == {card}


@pytest.mark.parametrize("table", [Table.detections, Table.changes])
@pytest.mark.parametrize("age", [timedelta(), timedelta(hours=2)])
def test_a_change_that_storage_was_slow_to_take_is_told(table: str, age: timedelta) -> None:
    """It becomes visible long after the time it bears; meanwhile the phone has gone on."""
    desk = Desk()
    phone = Phone(desk, instant_of(NOW - timedelta(days=1)))
    really = desk.tables.write

    def slow(name: str, changes: Any) -> list[str]:
        if name == table:
            desk.tables.write = really  # type: ignore[method-assign]
            desk.now += timedelta(seconds=100)
            phone.sync(5)
        return really(name, changes)

    desk.tables.write = slow  # type: ignore[method-assign]
    card = desk.record("slow", age=age)
    desk.now += timedelta(seconds=61)
    phone.sync(5)
    if (table, age) != (Table.changes, timedelta()):  # a new alert leaves no row there
        assert set(phone.known) == {card}
