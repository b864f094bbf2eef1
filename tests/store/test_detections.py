"""What `record` promises, on memory and on Azurite: one card and one owned announcement, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, Detection, RawAlert, Severity, Status, instant_of
from shared.nouns.notifications import Reason
from shared.store.detections import Detections, Source
from shared.store.stores import Blobs, Change, Row, Table, Tables

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CONFIGURATION = Configuration(id="c1", vendor="defender_endpoint", display_name="Endpoint", tenant_id="t1")


class Crash(Exception):
    """The process died."""


class Mortal:
    """Tables that die before or after the n-th write."""

    def __init__(self, tables: Tables, at: int, *, after: bool) -> None:
        self._tables, self._left, self._after = tables, at, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    def write(self, table: str, changes: list[Change]) -> list[str]:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Crash
        etags = self._tables.write(table, changes)
        if self._left == 0:
            raise Crash
        return etags


@pytest.fixture
def make(tables: Tables, blobs: Blobs) -> Callable[..., Detections]:
    """Makes the store under test; `over` replaces its tables."""
    return lambda over=None, now=NOW: Detections(tables=over or tables, blobs=blobs, clock=lambda: now)


def alert(
    number: int = 1,
    *,
    minutes: int = 0,
    severity: Severity = Severity.medium,
    status: Status = Status.active,
    **more: Any,
) -> tuple[Detection, RawAlert]:
    """One alert, updated and received `minutes` after noon."""
    when = instant_of(NOW + timedelta(minutes=minutes))
    created = instant_of(NOW - timedelta(seconds=number))
    detection = Detection(
        native_id=f"da{number:05d}",
        title="Title",
        severity=severity,
        status=status,
        created=created,
        updated=when,
        **more,
    )
    return detection, RawAlert(body={}, received=when)


def source(batch: str, *, channel: Channel = Channel.poll, resume: bool = False) -> Source:
    """A batch of the one configuration."""
    return Source(CONFIGURATION, channel, batch, resume)


def cards(tables: Tables) -> tuple[Row, ...]:
    """Every stored card's row."""
    return tables.scan(Table.detections).rows


def test_a_new_alert_is_stored_once_and_owned_by_its_batch(make: Any, tables: Tables) -> None:
    """First sight is announced by the batch that stored it."""
    recorded = make().record(source("b1"), [alert()])
    assert recorded.new == 1
    assert [c.announced.reason for c in recorded.owned] == [Reason.first_sight]
    assert len(cards(tables)) == 1


def test_the_same_alert_from_another_batch_changes_nothing(make: Any, tables: Tables) -> None:
    """A duplicate is neither stored nor announced."""
    make().record(source("b1"), [alert()])
    recorded = make().record(source("b2"), [alert()])
    assert (recorded.unchanged, recorded.owned) == (1, ())
    assert len(cards(tables)) == 1


def test_an_alert_twice_in_one_batch_is_one_card(make: Any, tables: Tables) -> None:
    """Pages may repeat an alert at their border."""
    recorded = make().record(source("b1"), [alert(), alert(minutes=1, status=Status.resolved)])
    assert recorded.new == 1
    assert [r.values["status"] for r in cards(tables)] == ["resolved"]


def test_a_hint_that_an_alert_is_new_may_be_wrong(make: Any, tables: Tables) -> None:
    """The poller's hint saves a read and never makes a duplicate."""
    make().record(source("b1"), [alert()])
    detection, raw = alert()
    recorded = make().record(source("b2"), [(detection, raw.model_copy(update={"known_new": True}))])
    assert (recorded.unchanged, len(cards(tables))) == (1, 1)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_crash_at_any_write_heals_when_the_batch_comes_again(
    make: Any, tables: Tables, at: int, after: bool
) -> None:
    """One card, one announcement in all, whichever write the process died at."""
    entries = [alert(n, minutes=-60 * n) for n in range(1, 4)]
    owned = []
    try:
        owned = list(make(Mortal(tables, at, after=after)).record(source("b1"), entries).owned)
    except Crash:
        owned = list(make().record(source("b1", resume=True), entries).owned)
    assert sorted(c.detection.native_id for c in owned) == ["da00001", "da00002", "da00003"]
    assert len(cards(tables)) == 3


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_crash_while_a_change_is_stored_heals_too(make: Any, tables: Tables, at: int, after: bool) -> None:
    """A raised severity is announced by the batch that brought it, also after a crash at any write."""
    make().record(source("b1"), [alert()])
    raised = [alert(minutes=5, severity=Severity.high)]
    try:
        recorded = make(Mortal(tables, at, after=after)).record(source("b2"), raised)
    except Crash:
        recorded = make().record(source("b2", resume=True), raised)
    assert [(c.announced.number, c.announced.reason) for c in recorded.owned] == [(2, Reason.severity_raised)]
    assert [r.values["severity"] for r in cards(tables)] == ["high"]


def test_another_batch_leaves_a_crashed_batchs_announcement_to_it(make: Any, tables: Tables) -> None:
    """The owner's message is still in the queue; nobody else speaks for it."""
    with pytest.raises(Crash):
        make(Mortal(tables, 2, after=True)).record(source("b1"), [alert()])
    assert make().record(source("b2"), [alert()]).owned == ()
    assert len(make().record(source("b1", resume=True), [alert()]).owned) == 1


def test_an_identity_whose_card_was_never_written_is_completed_by_a_change(make: Any, tables: Tables) -> None:
    """A newer view between claim and card writes the card and owns announcing it; the first owns nothing."""
    with pytest.raises(Crash):
        make(Mortal(tables, 1, after=True)).record(source("b1"), [alert()])
    newer = make().record(source("b2"), [alert(minutes=3, status=Status.in_progress)])
    older = make().record(source("b1", resume=True), [alert()])
    assert (len(newer.owned), older.owned) == (1, ())
    assert [r.values["status"] for r in cards(tables)] == ["in_progress"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_newest_view_wins_in_every_order(make: Any, tables: Tables, order: tuple[int, ...]) -> None:
    """An older copy never undoes a newer status."""
    views = [
        alert(minutes=0),
        alert(minutes=10, status=Status.in_progress),
        alert(minutes=20, status=Status.resolved),
    ]
    for position in order:
        make().record(source(f"b{position}"), [views[position]])
    assert [r.values["status"] for r in cards(tables)] == ["resolved"]


def test_a_second_channel_adds_a_sighting_and_no_announcement(make: Any) -> None:
    """The webhook's alert, then polled, is one card seen twice."""
    first = make().record(source("b1", channel=Channel.webhook), [alert()])
    second = make().record(source("b2"), [alert(minutes=5)])
    card = make().get(first.owned[0].id)
    assert [s.channel for s in card.sightings] == [Channel.poll, Channel.webhook]
    assert second.owned == ()


def test_reopening_is_announced(make: Any) -> None:
    """A closed detection that becomes active again is worth saying."""
    make().record(source("b1"), [alert(status=Status.resolved)])
    recorded = make().record(source("b2"), [alert(minutes=5)])
    assert [c.announced.reason for c in recorded.owned] == [Reason.reopened]


def test_update_churn_is_not_announced(make: Any) -> None:
    """New evidence or a lower severity is stored in silence."""
    make().record(source("b1"), [alert()])
    recorded = make().record(source("b2"), [alert(minutes=5, severity=Severity.low, description="more")])
    assert (recorded.changed, recorded.owned) == (1, ())


def test_a_document_too_large_for_a_row_comes_back_whole(make: Any) -> None:
    """Large evidence goes to a blob; a change replaces it."""
    import random

    noise = random.Random(1).randbytes(200_000).hex()
    make().record(source("b1"), [alert(description=noise)])
    recorded = make().record(
        source("b2"), [alert(minutes=1, description=noise[::-1], severity=Severity.high)]
    )
    assert make().get(recorded.owned[0].id).detection.description == noise[::-1]


def test_a_thousand_new_alerts_cost_a_few_calls(tables: Tables, blobs: Blobs) -> None:
    """Identities and cards are written a hundred a call."""
    calls = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(tables, name)

    hinted = [(d, raw.model_copy(update={"known_new": True})) for d, raw in (alert(n) for n in range(1000))]
    Detections(tables=Counting(), blobs=blobs, clock=lambda: NOW).record(source("b1"), hinted)
    assert len(calls) <= 10 + 11 + 11


def test_a_page_that_is_read_again_costs_one_read(make: Any, tables: Tables) -> None:
    """A thousand known neighbours are compared by one or two range scans."""
    entries = [alert(n) for n in range(300)]
    make().record(source("b1"), entries)
    known = make().known(CONFIGURATION.scope, [d.native_id for d, _ in entries])
    assert len(known) == 300
    assert all(known[d.native_id].seen["c1:poll"] == d.fingerprint for d, _ in entries)
