"""The ledger finds what polling missed, brings it in once, and counts it exactly, whatever dies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import BudgetSpent, TryLater
from shared.nouns.configurations import Filters
from shared.nouns.detections import Severity, instant_of
from shared.nouns.ledger import Book, Span, Sweep
from shared.pipeline.messages import SweepDue
from shared.store.feed import FeedQuery
from shared.store.ledger import Ledger
from shared.store.stores import Queue
from shared.vendors.vendor import SweepPage
from tests.pipeline.mortal import NOW, Fault, Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    """One configuration, read once."""
    made = Rig()
    yield begun(made)
    made.close()


def made_ago(rig: Rig, **passed: float) -> str:
    """A time before now."""
    return instant_of(rig.now - timedelta(**passed))


def begun(rig: Rig) -> Rig:
    """With three alerts stored by a poll, over a day of reading behind it."""
    armed, rig.fate.armed = rig.fate.armed, False
    found = rig.parts.configurations.get("c1")
    assert found is not None
    rig.configuration = rig.parts.configurations.save(
        found.configuration.model_copy(update={"created": instant_of(NOW - timedelta(days=30))})
    )
    for name, hours in {"a": 30, "b": 5, "c": 2}.items():
        rig.vendor.put(name, severity="low", created=made_ago(rig, hours=hours))
    rig.poll()
    rig.fate.armed = armed
    return rig


def book(rig: Rig) -> Book:
    """The configuration's, read past all faults."""
    return Ledger(tables=rig.real_tables).book("c1")


def swept(rig: Rig) -> Sweep:
    """Let an hour's sweep come to its end, whatever dies; the newest in the ledger."""
    before = book(rig).newest
    for _ in range(20):
        rig.now += timedelta(hours=1)
        rig.survive(rig.parts.sweeper.queue)
        for _ in range(25):  # a sweep waits for its place in the hour, and for ingest
            rig.drain()
            rig.now += timedelta(minutes=1)
        newest = book(rig).newest
        if newest is not None and (before is None or newest.id != before.id):
            return newest
    raise AssertionError("no sweep comes to its end")


def numbers(sweep: Sweep) -> tuple[int, int, int, int, int]:
    """Expected, stored, recovered, filtered, quarantined."""
    counts = sweep.counts
    return counts.expected, sweep.stored, sweep.recovered, counts.filtered, counts.quarantined


def stored(rig: Rig) -> set[str]:
    """What is stored."""
    return {c.title for c in rig.parts.feed.page(FeedQuery()).cards}


def test_all_is_there_and_the_first_sweep_looks_back_a_week(rig: Rig) -> None:
    """Then a day each hour, until the week is due again."""
    assert (numbers(first := swept(rig)), first.span) == ((3, 3, 0, 0, 0), Span.week)
    assert (numbers(second := swept(rig)), second.span) == ((2, 2, 0, 0, 0), Span.day)
    rig.now += timedelta(hours=23)
    assert swept(rig).span is Span.week
    assert rig.phones.shown.total() == 3


def test_what_is_missing_is_brought_in_as_late_and_counted(rig: Rig) -> None:
    """With the oldest gap; the next sweep finds it stored."""
    old = made_ago(rig, hours=9)
    rig.vendor.hide("lost", severity="high", created=old)
    rig.vendor.hide("lost too", severity="high", created=made_ago(rig, hours=3))
    sweep = swept(rig)
    assert (numbers(sweep), sweep.counts.oldest_gap, sweep.missing) == ((5, 3, 2, 0, 0), old, 0)
    assert {key for key in rig.phones.shown if key[1] == "late"} == {("lost", "late"), ("lost too", "late")}
    assert numbers(swept(rig)) == (4, 4, 0, 0, 0)
    assert set(rig.phones.pushed.values()) == {1}


def test_what_is_younger_than_the_polls_reach_is_left_to_them(rig: Rig) -> None:
    """Also an old alert that has just been changed."""
    rig.now += timedelta(hours=1)
    rig.poll()
    rig.vendor.put("young", severity="high", created=made_ago(rig, minutes=1))
    sweep = swept(rig)
    assert (numbers(sweep), stored(rig)) == ((3, 3, 0, 0, 0), {"a", "b", "c"})
    rig.poll()
    assert rig.phones.shown["young", "first_sight"] == 1


def test_what_was_never_asked_for_is_not_missing(rig: Rig) -> None:
    """The first poll was to look back a day only."""
    found = rig.parts.configurations.get("c1")
    assert found is not None
    read_from = made_ago(rig, days=1)
    rig.parts.configurations.save_state(found.state.model_copy(update={"read_from": read_from}))
    rig.vendor.hide("before", severity="high", created=made_ago(rig, days=3))
    rig.vendor.sweep = since_only(rig.vendor.sweep)  # type: ignore[method-assign]
    sweep = swept(rig)
    assert (sweep.since, numbers(sweep)) == (read_from, (2, 2, 0, 0, 0))
    assert "before" not in stored(rig)


def since_only(listing: Any) -> Any:
    """A listing that keeps to the time it is asked for."""

    def sweep(connection: Any, since: str) -> Iterator[tuple[Any, ...]]:
        for page in listing(connection, since):
            yield tuple(one for one in page if one["created"] >= since)

    return sweep


def test_filtered_and_unreadable_alerts_are_counted_as_what_they_are(rig: Rig) -> None:
    """And not brought in."""
    wanted = rig.configuration.model_copy(update={"filters": Filters(minimum_severity=Severity.medium)})
    rig.parts.configurations.save(wanted)
    rig.vendor.hide("unwanted", severity="low", created=made_ago(rig, hours=2))
    rig.vendor.hide("unreadable", created=made_ago(rig, hours=2))
    rig.vendor.hide("lost", severity="high", created=made_ago(rig, hours=2))
    sweep = swept(rig)
    assert numbers(sweep) == (6, 3, 1, 1, 1)
    assert (stored(rig), rig.parts.quarantine.count()) == ({"a", "b", "c", "lost"}, 1)


def test_one_sweep_of_a_configuration_at_a_time(rig: Rig) -> None:
    """The next hour's is queued only when it is done; an old ticket does nothing."""
    rig.now += timedelta(hours=1)
    assert [rig.parts.sweeper.queue(), rig.parts.sweeper.queue()] == [1, 0]
    rig.parts.sweeper.make(SweepDue(configuration_id="c1", ticket="an old one"))
    assert book(rig).sweeps == ()
    rig.now += timedelta(minutes=101)
    assert rig.parts.sweeper.queue() == 1


def test_a_sweep_waits_for_ingest_but_not_for_ever(rig: Rig) -> None:
    """What is on its way is not missing."""
    rig.vendor.put("on its way", severity="high", created=made_ago(rig, hours=2))
    rig.now += timedelta(minutes=2)
    rig.parts.ticker.tick()
    rig.pump.step(Queue.polls)
    rig.now += timedelta(minutes=40)
    rig.parts.sweeper.queue()
    for _ in range(25):
        rig.now += timedelta(minutes=1)
        rig.pump.step(Queue.sweeps)
    assert book(rig).sweeps == ()
    for _ in range(25):
        rig.now += timedelta(minutes=1)
        rig.pump.step(Queue.sweeps)
    assert book(rig).newest is not None


def test_a_vendor_that_fails_is_said_and_tried_again(rig: Rig) -> None:
    """The trouble is the ledger's; polls have their own."""
    fails, rig.vendor.sweep = rig.vendor.sweep, failing(TryLater("The vendor is away."))  # type: ignore[method-assign]
    sweep = swept(rig)
    assert (sweep.trouble, sweep.complete) == ("The vendor is away.", False)
    rig.vendor.sweep = failing(ZeroDivisionError())  # type: ignore[method-assign]
    assert "ZeroDivisionError" in (swept(rig).trouble or "")
    rig.vendor.sweep = fails  # type: ignore[method-assign]
    assert swept(rig).complete


def failing(error: Exception) -> Any:
    """A listing that breaks after its first page."""

    def sweep(*_: Any) -> Iterator[tuple[Any, ...]]:
        yield ()
        raise error

    return sweep


def test_a_sweep_that_takes_too_long_or_has_no_calls_left_goes_on_where_it_was(rig: Rig) -> None:
    """Nothing is counted twice."""
    for number in range(20):
        rig.vendor.hide(f"lost {number}", severity="high", created=made_ago(rig, hours=20 - number * 0.5))
    asked: list[str] = []
    listing = rig.vendor.sweep

    def slow(connection: Any, since: str) -> Iterator[tuple[Any, ...]]:
        asked.append(since)
        for number, page in enumerate(listing(connection, since)):
            if all(str(one["created"]) < since for one in page):
                continue
            rig.now += timedelta(minutes=2)
            if number == 3 and len(asked) == 1:
                raise BudgetSpent("none left", retry_after=60)
            yield SweepPage.of(reversed(page), page[-1]["created"])

    rig.vendor.sweep = slow  # type: ignore[method-assign]
    sweep = swept(rig)
    assert (numbers(sweep), sweep.trouble) == ((23, 3, 20, 0, 0), None)
    assert len(asked) > 2
    assert asked == sorted(asked)
    assert sweep.since == asked[0]


def story(rig: Rig) -> tuple[Sweep, Sweep]:
    """Two alerts are lost; a sweep finds them, another one finds all."""
    for name in ("lost", "lost too"):
        rig.vendor.hide(name, severity="high", created=made_ago(rig, hours=3))
    return swept(rig), swept(rig)


@pytest.mark.parametrize("fault", list(Fault))
def test_no_failed_call_loses_repeats_or_miscounts_anything(fault: Fault) -> None:
    """Every call of the story fails in turn."""
    calm = begun(Rig())
    story(calm)
    calm.close()
    expected = dict(calm.phones.shown)
    reads = (".get", ".scan", ".receive", ".depth")
    everywhere = fault in (Fault.dies_before, Fault.refused)
    wrong = []
    for at, name in enumerate(calm.fate.calls, start=1):
        if not everywhere and name.split()[0].endswith(reads):
            continue
        rig = begun(Rig(at, fault))
        first, second = story(rig)
        rig.fate.armed = False
        again = sum(times > 1 for times in rig.phones.pushed.values())
        recovered = sum(one.recovered for one in book(rig).sweeps)
        sound = all(numbers(s)[0] == sum(numbers(s)[1:]) for s in (first, second) if s.complete)
        gap = name in ("push.send", "tables.write deliveries")
        if dict(rig.phones.shown) != expected or again > gap or recovered != 2 or not sound:
            wrong.append((at, name, rig.phones.shown, recovered, again, numbers(first), numbers(second)))
        rig.close()
    assert wrong == []


def test_a_book_keeps_what_its_batches_said_while_the_sweep_went_on() -> None:
    """And only so many sweeps."""
    when = instant_of(NOW)
    sweep = Sweep(id="s", span=Span.day, since=when, until=when, begun=when)
    kept = Book(configuration_id="c1").with_sweep(sweep.model_copy(update={"recovered_by": {"b1": 2}}))
    kept = kept.with_sweep(sweep.model_copy(update={"queued": {"b1": 2, "b2": 1}, "ended": when}))
    assert (kept.sweeps[0].recovered, kept.sweeps[0].missing, kept.complete) == (2, 1, when)
    for number in range(250):
        kept = kept.with_sweep(sweep.model_copy(update={"id": str(number)}))
    assert (len(kept.sweeps), kept.sweeps[0].id) == (200, "249")
