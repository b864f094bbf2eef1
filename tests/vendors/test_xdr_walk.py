"""Walking incidents over the Defender XDR API, which does not order them: nothing is missed, nothing loops,
few calls, and progress however few of them the service grants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.errors import Throttled
from shared.nouns.detections import instant
from shared.vendors.registry import VENDORS

VENDOR = VENDORS["defender_xdr"]
DAY = "2026-03-02T"


@dataclass
class XdrService:
    """`/api/incidents`: filters by a window of lastUpdateTime, never orders by it, pages by $skip."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 100
    links: bool = True
    order: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda rows: rows
    between: Callable[[int], None] = lambda number: None
    quota: int = 10_000
    calls: list[dict[str, str]] = field(default_factory=list)

    def get(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        assert path == "/api/incidents", "no link is needed"
        asked = dict(params or {})
        self.calls.append(asked)
        assert len(self.calls) < 3000, "this never ends"
        if len(self.calls) % (self.quota + 1) == self.quota:
            raise Throttled("Wait.", retry_after=60)
        self.between(len(self.calls))
        found = [row for row in self.rows if _lets_through(asked["$filter"], row["lastUpdateTime"])]
        found = self.order(found)
        skip, size = int(asked.get("$skip", "0")), min(self.page_size, int(asked["$top"]))
        answer: dict[str, Any] = {"value": [dict(row) for row in found[skip : skip + size]]}
        if self.links and len(found) > skip + size:
            answer["@odata.nextLink"] = "https://api.security.microsoft.com/api/incidents?more"
        return answer


def _lets_through(text: str, time: str) -> bool:
    bounds = dict(part.split(" ")[1:] for part in text.split(" and "))
    low, high = instant(bounds["ge"]), instant(bounds.get("le", "9999-12-31T23:59:59.9999999Z"))
    return (low or "") <= (instant(time) or "") <= (high or "")


@pytest.fixture
def over(connect):
    """A connection over the XDR API."""

    def build(api):
        return connect(api, slug="defender_xdr", options={"api": "xdr"})

    return build


def incident(number: int, time: str, **more: Any) -> dict[str, Any]:
    """An incident of the XDR API with one alert; the time is of the tests' day, or a full text."""
    return {
        "incidentId": number,
        "lastUpdateTime": time if "T" in time else f"{DAY}{time}Z",
        "alerts": [{"alertId": f"a{number}", "creationTime": f"{DAY}00:00:00Z"}],
        **more,
    }


def numbers(pages: list[Any]) -> list[int]:
    """The incidents on pages."""
    return [one["incidentId"] for page in pages for one in page.incidents]


def _seconds(count: int, step: int = 1) -> list[dict[str, Any]]:
    start = datetime(2026, 3, 1, 8, tzinfo=UTC)
    times = [start + timedelta(seconds=n * step) for n in range(count)]
    return [incident(n, f"{time:%Y-%m-%dT%H:%M:%S}.5Z") for n, time in enumerate(times)]


newest_first = lambda rows: rows[::-1]  # noqa: E731 - a parameter
oldest_first = lambda rows: rows  # noqa: E731 - a parameter
by_number = lambda rows: sorted(rows, key=lambda row: row["incidentId"] * 7919 % 101)  # noqa: E731
in_any_order = pytest.mark.parametrize("order", [newest_first, oldest_first, by_number])


def test_what_is_new_costs_one_call(over):
    """However the service orders it."""
    api = XdrService(_seconds(60), order=newest_first)
    (page,) = VENDOR.fetch(over(api), {"watermark": "2026-03-01T08:00:00Z"})
    assert api.calls == [{"$filter": "lastUpdateTime ge 2026-03-01T07:45:00.0000000Z", "$top": "100"}]
    assert page.done
    assert len(page.incidents) == len(page.alerts) == 60


@in_any_order
@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("step", [1, 37])
def test_a_backlog_is_read_whole_and_in_order_with_few_calls(over, order, links, step):
    """A thousand incidents in pages of a hundred; each page is committed."""
    api = XdrService(_seconds(1000, step), order=order, links=links)
    pages = list(VENDOR.fetch(over(api), {"watermark": "2026-03-01T08:00:00Z"}))
    assert numbers(pages) == list(range(1000))
    assert len(api.calls) <= 45
    marks = [page.cursor["at"] for page in pages[:-1]]
    assert marks == sorted(set(marks))
    assert pages[-1].cursor["watermark"] is not None


@in_any_order
def test_few_calls_a_minute_still_get_through_any_backlog(over, order):
    """Each run ends after a few calls; the next goes on from what was committed."""
    api = XdrService(_seconds(2000), order=order, quota=20)
    cursor: dict[str, Any] | None = {"watermark": "2026-03-01T08:00:00Z"}
    found, done = [], False
    for _ in range(12):
        try:
            for page in VENDOR.fetch(over(api), cursor):
                found, cursor, done = found + numbers([page]), page.cursor, page.done
        except Throttled:
            continue
        break
    assert done
    assert sorted(set(found)) == list(range(2000))


@in_any_order
@pytest.mark.parametrize("count", [99, 100, 101, 250])
def test_incidents_of_one_time_may_fill_pages(over, order, count):
    """Windows cannot part them; they are paged by number until two readings agree."""
    rows = [incident(n, "09:00:00") for n in range(count)]
    rows += [incident(1000, "09:00:00.0000001"), incident(1001, "08:30:00")]
    pages = list(VENDOR.fetch(over(XdrService(rows, order=order)), {"watermark": f"{DAY}08:00:00Z"}))
    assert sorted(set(numbers(pages))) == [*range(count), 1000, 1001]
    assert pages[-1].done


@in_any_order
def test_full_pages_of_one_time_far_apart_are_found_with_few_calls(over, order):
    """Coming nearer to them by halves of a window took more calls between two commits than the API grants
    in a minute, so that no run ever got to them."""
    rows = [incident(n, f"0{1 + n // 150}:00:00.5") for n in range(1200)]
    api = XdrService(rows, order=order)
    found, commits = [], [0]
    for page in VENDOR.fetch(over(api), {"watermark": "2026-02-25T08:00:00Z"}):
        found += numbers([page])
        commits.append(len(api.calls))
    assert sorted(set(found)) == list(range(1200))
    assert max(later - before for before, later in pairwise(commits)) < 30


@in_any_order
@pytest.mark.parametrize("digit", [3, 6])
def test_a_burst_after_a_long_silence_is_found_with_few_calls(over, order, digit):
    """A thousand incidents updated at once, each a thousandth (or a millionth) of a second after the other,
    a week after the last."""
    rows = [incident(n, f"08:00:00.{n * 10 ** (6 - digit):06}") for n in range(1000)]
    api = XdrService(rows, order=order)
    walk = VENDOR.fetch(over(api), {"watermark": "2026-02-23T08:00:00Z"})
    first = next(walk)
    assert len(api.calls) < 30
    assert numbers([first, *walk]) == list(range(1000))


@pytest.mark.parametrize("time", [None, "", "yesterday", 7])
def test_an_incident_without_a_readable_time_is_kept(over, time):
    """It decides nothing."""

    class Odd(XdrService):
        def get(self, path, params=None):
            answer = super().get(path, params)
            return {**answer, "value": [{"incidentId": 9, "lastUpdateTime": time}, *answer["value"]]}

    (page,) = VENDOR.fetch(over(Odd(_seconds(3))), {"watermark": "2026-03-01T08:00:00Z"})
    assert sorted(numbers([page])) == [0, 1, 2, 9]
    assert page.cursor["watermark"] == "2026-03-01T08:00:02.5Z"


def test_a_time_at_the_end_of_time_ends(over):
    """The largest that .NET writes."""
    rows = [incident(n, "9999-12-31T23:59:59.9999999Z") for n in range(150)]
    pages = list(VENDOR.fetch(over(XdrService(rows)), {"watermark": f"{DAY}08:00:00Z"}))
    assert sorted(set(numbers(pages))) == list(range(150))
    assert pages[-1].cursor["watermark"] == f"{DAY}08:00:00Z"


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    size=st.integers(1, 5),
    order=st.sampled_from([newest_first, oldest_first, by_number]),
    updates=st.dictionaries(st.integers(1, 60), st.integers(0, 29), max_size=10),
    kills=st.lists(st.integers(1, 3), max_size=8),
)
@example(times=[0, 0, 0, 1, 1], size=1, order=newest_first, updates={3: 0, 4: 3}, kills=[1, 1])
@example(times=[n // 4 for n in range(28)], size=2, order=newest_first, updates={}, kills=[3] * 8)
def test_every_last_state_is_seen_whatever_happens(over, times, size, order, updates, kills):
    """Ties, updates between calls, runs killed after any page, pages of any size; then a quiet walk."""
    rows = [incident(n, f"08:0{time}:00.5") for n, time in enumerate(times)]
    clock, seen, cursor, coming = iter(range(100)), set(), None, dict(updates)

    def update(call):
        if call in coming:
            rows[coming[call] % len(rows)]["lastUpdateTime"] = f"{DAY}09:{next(clock):02}:00.0000001Z"

    api = XdrService(rows, page_size=size, order=order, between=update)
    for pages in [*kills, None]:
        for page in islice(VENDOR.fetch(over(api), cursor), pages):
            seen |= {(one["incidentId"], one["lastUpdateTime"]) for one in page.incidents}
            cursor = page.cursor
    coming.clear()
    for page in VENDOR.fetch(over(api), cursor):
        seen |= {(one["incidentId"], one["lastUpdateTime"]) for one in page.incidents}
    assert {(row["incidentId"], row["lastUpdateTime"]) for row in rows} <= seen


def test_a_sweep_finds_alerts_of_old_incidents_by_the_alerts_own_creation(over):
    """An alert that joined today an incident of last week; older alerts of it are left out."""
    joined = [
        {"alertId": "old", "creationTime": "2026-02-20T08:00:00Z"},
        {"alertId": "new", "creationTime": f"{DAY}08:00:00Z"},
        {"alertId": "odd", "creationTime": "sometime"},
    ]
    rows = [incident(1, "08:00:01", createdTime="2026-02-20T08:00:00Z", alerts=joined)]
    rows += _seconds(300)[2:]
    swept = [
        one["alertId"]
        for page in VENDOR.sweep(over(XdrService(rows)), f"{DAY}07:59:00.0000000Z")
        for one in page
    ]
    assert {"new", "odd"} <= set(swept)
    assert "old" not in swept
