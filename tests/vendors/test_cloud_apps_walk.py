"""Defender for Cloud Apps is read without missing, without looping, within its calls, and can be killed
anywhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import Throttled, TryLater, Unreadable
from shared.nouns.detections import instant_of
from shared.vendors.cloud_apps_walk import fetch

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def milliseconds(when: datetime) -> int:
    return round(when.timestamp() * 1000)


def alert(name: str, age: timedelta, **more: Any) -> dict[str, Any]:
    return {"_id": name, "timestamp": milliseconds(NOW - age), "resolutionStatusValue": 0, **more}


def close(row: dict[str, Any], when: datetime = NOW) -> None:
    row.update(resolutionStatusValue=5, resolveTime=instant_of(when))


@dataclass
class Service:
    """The alerts list: filters, pages by number of rows, says whether there is more."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 100
    bodies: list[dict[str, Any]] = field(default_factory=list)
    between: Callable[[int], None] = lambda number: None
    quota: int = 10_000

    def post(self, path: str, body: Any = None, params: Any = None) -> dict[str, Any]:
        assert path == "/api/v1/alerts/"
        assert (body["sortField"], body["sortDirection"]) == ("date", "asc")
        self.bodies.append(body)
        if len(self.bodies) > self.quota:
            raise Throttled("It asks to wait.", retry_after=60)
        self.between(len(self.bodies))
        found = sorted(filter(lambda row: self._wanted(row, body["filters"]), self.rows), key=self._date)
        size = min(self.page_size, body["limit"])
        page = found[body["skip"] : body["skip"] + size]
        return {"data": page, "hasNext": len(found) > body["skip"] + size}

    @staticmethod
    def _date(row: dict[str, Any]) -> int:
        return int(row["timestamp"])

    @staticmethod
    def _wanted(row: dict[str, Any], filters: dict[str, Any]) -> bool:
        still_open = row["resolutionStatusValue"] == 0
        if row["timestamp"] < filters["date"]["gte"] or ("alertOpen" in filters and not still_open):
            return False
        closed = datetime.fromisoformat(row["resolveTime"][:26] + "+00:00") if "resolveTime" in row else None
        since = filters.get("resolutionDate", {}).get("gte")
        return since is None or (closed is not None and milliseconds(closed) >= since)


def read(
    connect: Any, service: Service, cursor: Any = None, *, now: datetime = NOW, **more: Any
) -> list[Any]:
    return list(fetch(connect(service, slug="defender_cloud_apps", now=now, **more), cursor))


def ids(pages: list[Any]) -> list[str]:
    return [row["_id"] for page in pages for row in page.alerts]


def test_the_first_read_goes_back_as_far_as_configured(connect):
    """Older alerts were not wanted, not even the open ones."""
    service = Service([alert("old", timedelta(days=4)), alert("new", timedelta(days=2))])
    assert set(ids(read(connect, service, first_read_days=3))) == {"new"}
    earliest = milliseconds(NOW - timedelta(days=3, minutes=15))
    assert {body["filters"]["date"]["gte"] for body in service.bodies} >= {earliest}


def test_a_quiet_poll_takes_three_calls(connect):
    """Thirty a minute are all that the whole tenant has."""
    service = Service([alert(f"a{n}", n * MINUTE) for n in range(50)])
    pages = read(connect, service)
    service.bodies.clear()
    read(connect, service, pages[-1].cursor, now=NOW + MINUTE)
    assert len(service.bodies) == 3


def test_new_alerts_are_asked_for_from_a_little_before_the_newest(connect):
    """One that became visible ten minutes late is found, and only the last page says done."""
    service = Service([alert("a", 5 * MINUTE)])
    first = read(connect, service)
    service.rows += [alert("late", 15 * MINUTE), alert("new", timedelta())]
    second = read(connect, service, first[-1].cursor, now=NOW + MINUTE)
    assert {"late", "new"} <= set(ids(second))
    assert [page.done for page in second] == [False] * (len(second) - 1) + [True]


@pytest.mark.parametrize("count", [99, 100, 101, 250])
def test_pages_are_asked_for_by_time_and_come_whole(connect, count):
    """At the limits of a page nothing is lost or comes twice in the list of new ones."""
    service = Service([alert(f"a{n:03}", (count - n) * MINUTE) for n in range(count)])
    pages = read(connect, service)
    assert sorted(set(ids(pages))) == [row["_id"] for row in service.rows]
    assert not any(body["skip"] for body in service.bodies)


@pytest.mark.parametrize("count", [3, 100, 101, 350])
def test_ties_on_one_millisecond_all_come(connect, count):
    """Skipping is needed where they fill more than a page, and nowhere else."""
    rows = [alert("before", 9 * MINUTE), *(alert(f"t{n:03}", 5 * MINUTE) for n in range(count))]
    service = Service([*rows, alert("after", MINUTE)])
    assert {row["_id"] for row in service.rows} == set(ids(read(connect, service)))


@pytest.mark.parametrize("moment", range(2, 7))
def test_ties_that_move_up_while_they_are_skipped_are_not_lost(connect, moment):
    """One is deleted on the way, the others move past the page's edge; a second reading finds them."""
    rows = [alert(f"t{n}", 5 * MINUTE) for n in range(7)]

    def delete(call: int) -> None:
        if call == moment:
            del rows[0]

    service = Service(rows, page_size=2, between=delete)
    assert set(ids(read(connect, service))) >= {f"t{n}" for n in range(1, 7)}


def test_a_closing_is_seen_by_the_next_poll(connect):
    """However old the alert is: nothing else says that it changed."""
    service = Service([alert(f"a{n}", timedelta(days=1) + n * MINUTE) for n in range(300)])
    cursor = read(connect, service)[-1].cursor
    close(service.rows[150])
    pages = read(connect, service, cursor, now=NOW + MINUTE)
    found = [row for page in pages for row in page.alerts if row["_id"] == "a150"]
    assert [row["resolutionStatusValue"] for row in found] == [5]


def test_a_closing_that_is_shown_late_is_seen(connect):
    """It is asked for from a little before the newest one."""
    service = Service([alert("a", timedelta(days=1)), alert("b", timedelta(days=1))])
    cursor = read(connect, service)[-1].cursor
    close(service.rows[0], NOW + 5 * MINUTE)
    cursor = read(connect, service, cursor, now=NOW + 6 * MINUTE)[-1].cursor
    close(service.rows[1], NOW - 2 * MINUTE)
    assert "b" in ids(read(connect, service, cursor, now=NOW + 7 * MINUTE))


def test_a_closing_from_the_future_hides_none_of_today(connect):
    """One wrong clock must not carry the place past everything that is still to come."""
    service = Service([alert("odd", timedelta(days=1)), alert("a", timedelta(days=1))])
    cursor = read(connect, service)[-1].cursor
    close(service.rows[0], NOW + timedelta(days=900))
    cursor = read(connect, service, cursor, now=NOW + MINUTE)[-1].cursor
    close(service.rows[1], NOW + 30 * MINUTE)
    assert "a" in ids(read(connect, service, cursor, now=NOW + 31 * MINUTE))


def test_open_alerts_are_read_again_a_page_in_each_poll(connect):
    """So another change is seen within as many polls as there are hundreds, and then the turn begins anew."""
    service = Service([alert(f"a{n:03}", timedelta(days=1) - n * MINUTE) for n in range(250)])
    cursor, turns = None, []
    for poll in range(8):
        pages = read(connect, service, cursor, now=NOW + poll * MINUTE)
        turns.append({row["_id"] for row in pages[-1].alerts})
        cursor = pages[-1].cursor
    assert set().union(*turns[2:5]) == {row["_id"] for row in service.rows}
    assert max(map(len, turns)) == 100


def test_open_alerts_of_one_millisecond_do_not_stop_the_turn(connect):
    """They are counted past."""
    service = Service([alert(f"t{n:03}", timedelta(days=1)) for n in range(250)] + [alert("z", MINUTE)])
    cursor, seen = None, set()
    for poll in range(5):
        pages = read(connect, service, cursor, now=NOW + poll * MINUTE)
        cursor, seen = pages[-1].cursor, seen | {row["_id"] for row in pages[-1].alerts}
    assert "z" in seen


def test_after_a_storm_polls_become_cheap_again(connect):
    """The overlap over a thousand alerts is not read in every poll for ever, and neither are closings."""
    service = Service([alert(f"a{n:04}", 90 * MINUTE + timedelta(seconds=n % 60)) for n in range(1000)])
    cursor = read(connect, service)[-1].cursor
    for row in service.rows:
        close(row, NOW)
    cursor = read(connect, service, cursor, now=NOW + MINUTE)[-1].cursor
    cursor = read(connect, service, cursor, now=NOW + timedelta(hours=2))[-1].cursor
    service.bodies.clear()
    read(connect, service, cursor, now=NOW + timedelta(hours=2, minutes=1))
    assert len(service.bodies) == 3


@pytest.mark.parametrize("killed_after", range(1, 9))
def test_a_walk_that_is_killed_goes_on_where_it_stopped(connect, killed_after):
    """In every stage: each alert is read, each closing is seen, and no page is asked for from the start."""
    service = Service([alert(f"a{n:02}", (30 - n) * MINUTE) for n in range(20)], page_size=4)
    cursor = read(connect, service)[-1].cursor
    service.rows += [alert(f"b{n:02}", timedelta(seconds=-n)) for n in range(20)]
    for row in service.rows[:20:2]:
        close(row)
    connection = connect(service, slug="defender_cloud_apps", now=NOW + MINUTE)
    pages = list(islice(fetch(connection, cursor), killed_after))
    pages += list(fetch(connection, pages[-1].cursor if not pages[-1].done else cursor))
    closed = {row["_id"] for page in pages for row in page.alerts if row["resolutionStatusValue"]}
    assert {f"b{n:02}" for n in range(20)} <= set(ids(pages))
    assert closed == {f"a{n:02}" for n in range(0, 20, 2)}


def test_a_backlog_is_finished_though_the_service_asks_to_wait(connect):
    """Each run is let do thirty calls; what it had read is not read again."""
    service = Service([alert(f"a{n:04}", (9000 - n) * MINUTE) for n in range(4500)])
    cursor, found, runs = None, [], 0
    for runs in range(1, 9):
        service.bodies.clear()
        service.quota = 30
        try:
            for page in fetch(connect(service, slug="defender_cloud_apps", now=NOW + runs * MINUTE), cursor):
                cursor = page.cursor
                found += [row["_id"] for row in page.alerts]
        except Throttled:
            continue
        break
    assert {row["_id"] for row in service.rows} == set(found)
    assert runs == 2


def test_paging_that_never_ends_is_an_error_and_not_a_loop(connect, scripted):
    """The same page with the promise of more, again and again."""
    api = scripted({"data": [alert("a", MINUTE)], "hasNext": True})
    with pytest.raises(TryLater, match="keeps sending the same page"):
        list(fetch(connect(api), None))


def test_an_answer_without_a_list_is_not_taken_for_empty(connect, scripted):
    """A proxy's JSON must not count as a successful poll."""
    with pytest.raises(Unreadable, match="without a list"):
        list(fetch(connect(scripted({"value": []})), None))


def test_rows_that_cannot_be_read_are_kept_and_decide_nothing(connect, scripted):
    """They go to quarantine, later."""
    rows = ["text", {"_id": "a", "timestamp": "soon"}, alert("b", MINUTE), None]
    pages = list(fetch(connect(scripted({"data": rows, "hasNext": False})), None))
    assert len(pages[0].alerts) == 4


@pytest.mark.parametrize(
    "cursor",
    [{}, {"new": 7, "closed": "x", "open": [], "stage": 3}, {"stage": "closed"}, {"started": "2026"}],
)
def test_a_cursor_that_cannot_be_understood_is_a_first_read(connect, cursor):
    """Whatever stands in storage, reading begins somewhere safe."""
    service = Service([alert("a", timedelta(days=2))])
    assert "a" in ids(read(connect, service, cursor))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 5), min_size=1, max_size=20),
    size=st.integers(1, 4),
    closings=st.dictionaries(st.integers(1, 30), st.integers(0, 19), max_size=10),
    kills=st.lists(st.integers(1, 3), max_size=8),
)
def test_every_alert_and_every_closing_is_seen_whatever_happens(connect, times, size, closings, kills):
    """Ties, closings between calls, runs killed after any page, pages of any size; then quiet walks.

    A whole page of rows that appear before the one just read looks like a page that is sent again: such a
    poll gives up, and the next one goes on.
    """
    rows = [alert(str(n), timedelta(minutes=20 + t)) for n, t in enumerate(times)]

    def act(call: int) -> None:
        if call in closings:
            close(rows[closings[call] % len(rows)])

    service, cursor, seen = Service(rows, page_size=size, between=act), None, {}
    for stop in [*kills, None, None]:
        now = NOW if stop else NOW + MINUTE
        if stop is None:
            closings.clear()
        with suppress(TryLater) if stop else nullcontext():
            for page in islice(fetch(connect(service, now=now), cursor), stop):
                seen |= {row["_id"]: row["resolutionStatusValue"] for row in page.alerts}
                cursor = page.cursor
    assert seen == {row["_id"]: row["resolutionStatusValue"] for row in rows}
