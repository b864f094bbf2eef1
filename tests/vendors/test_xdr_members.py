"""Reading incidents over Graph and, for each that has changed, its alerts: few calls, nothing twice for
nothing, and progress however few calls the service grants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.errors import (
    BudgetSpent,
    PermissionMissing,
    PocketSOCError,
    Refused,
    Throttled,
    TryLater,
    Unreadable,
)
from shared.nouns.detections import instant
from shared.vendors.registry import VENDORS
from shared.vendors.xdr_members import SETTLED

VENDOR = VENDORS["defender_xdr"]
SOME = st.sets(st.integers(0, 24), max_size=8)
DAY = "2026-03-02T"


@dataclass
class GraphService:
    """`/security/incidents` in order of the last update, and their alerts."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    members: dict[str, list[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    trouble: PocketSOCError = field(default_factory=lambda: TryLater("It is out of order."))
    gone: set[str] = field(default_factory=set)
    quota: int = 10_000
    members_a_page: int = 100
    lists: int = 0
    asked: list[str] = field(default_factory=list)

    def get(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        if (self.lists + len(self.asked)) % (self.quota + 1) == self.quota:
            self.asked.append("refused")
            raise Throttled("Wait.", retry_after=60)
        if path == "/security/incidents":
            self.lists += 1
            assert params is not None
            assert "$expand" not in params
            assert int(params["$top"]) <= 50
            found = [row for row in self.rows if _lets_through(params["$filter"], row["lastUpdateDateTime"])]
            found.sort(key=lambda row: instant(row["lastUpdateDateTime"]) or "")
            return {"value": found[:50], **({"@odata.nextLink": "https://more"} if len(found) > 50 else {})}
        return self._one(path)

    def _one(self, path: str) -> dict[str, Any]:
        _, _, rest = path.partition("/security/incidents/")
        number, _, what = rest.partition("/")
        skip = int(what.partition("=")[2] or 0)
        if not what:
            return next(dict(row) for row in self.rows if row["id"] == number)
        self.asked.append(number)
        if number in self.gone:
            raise Refused("It is not there.", status=404)
        if number in self.broken:
            raise self.trouble
        ids = self.members.get(number, [])
        page = {"value": [{"id": one} for one in ids[skip : skip + self.members_a_page]]}
        if len(ids) > skip + self.members_a_page:
            page["@odata.nextLink"] = f"/security/incidents/{number}/alerts={skip + self.members_a_page}"
        return page


def _lets_through(text: str, time: str) -> bool:
    bounds = dict(part.split(" ")[1:] for part in text.split(" and "))
    low, high = instant(bounds["ge"]), instant(bounds.get("le", "9999-12-31T23:59:59.9999999Z"))
    return (low or "") <= (instant(time) or "") <= (high or "")


@pytest.fixture
def over(connect):
    """A connection over Graph."""

    def build(api, **more):
        return connect(api, slug="defender_xdr", options={"api": "graph"}, **more)

    return build


def graph_incident(number: int, time: str, **more: Any) -> dict[str, Any]:
    """The same over Graph, where the alerts are asked for."""
    return {"id": str(number), "lastUpdateDateTime": f"{DAY}{time}Z", **more}


def numbers(pages: list[Any]) -> list[int]:
    """The incidents on pages."""
    return [int(one["id"]) for page in pages for one in page.incidents]


def until_it_fails(walk: Iterator[Any]) -> tuple[list[Any], Exception | None]:
    """The pages of a walk, and what ended it."""
    pages: list[Any] = []
    try:
        for page in walk:
            pages.append(page)
    except PocketSOCError as error:
        return pages, error
    return pages, None


def test_members_come_with_each_incident_that_has_changed(over):
    """Every page of them, and their ids with the incident."""
    api = GraphService([graph_incident(1, "08:00:00"), graph_incident(2, "08:01:00")], members_a_page=2)
    api.members = {"1": ["a", "b", "c", "d", "e"], "2": []}
    (page,) = VENDOR.fetch(over(api), {"watermark": f"{DAY}08:00:00Z"})
    assert [alert["id"] for alert in page.alerts] == ["a", "b", "c", "d", "e"]
    assert [VENDOR.to_incident(one).alert_ids for one in page.incidents] == [("a", "b", "c", "d", "e"), ()]
    assert page.done


def test_what_has_not_changed_is_not_asked_again(over):
    """A poll a minute later costs one call: the list."""
    api = GraphService([graph_incident(n, f"11:5{n}:00") for n in range(5)])
    cursor = list(VENDOR.fetch(over(api), None))[-1].cursor
    asked, lists = len(api.asked), api.lists
    (page,) = VENDOR.fetch(over(api), cursor)
    assert (len(api.asked), api.lists) == (asked, lists + 1)
    assert page.incidents == page.alerts == ()
    assert page.done


def test_members_that_show_late_are_found_once_the_change_has_settled(over, connect):
    """The incident says at once that it has changed; its new alert is visible minutes later."""
    api = GraphService([graph_incident(1, "11:59:00")], {"1": ["a"]})
    connection = over(api)
    cursor = list(VENDOR.fetch(connection, None))[-1].cursor
    api.members["1"].append("late")
    found = []
    for minutes in range(1, 16):
        later = over(api, now=connection.now() + timedelta(minutes=minutes))
        for page in VENDOR.fetch(later, cursor):
            found, cursor = found + [one["id"] for one in page.alerts], page.cursor
    assert found == ["a", "late"]
    assert timedelta(minutes=15) > SETTLED


def test_a_new_version_is_read_at_once(over):
    """The same incident with a later update."""
    api = GraphService([graph_incident(1, "11:59:00")], {"1": ["a"]})
    cursor = list(VENDOR.fetch(over(api), None))[-1].cursor
    api.rows[0]["lastUpdateDateTime"] = f"{DAY}11:59:30Z"
    api.members["1"].append("b")
    (page,) = VENDOR.fetch(over(api), cursor)
    assert [one["id"] for one in page.alerts] == ["a", "b"]


def test_a_merged_incident_costs_no_call(over):
    """Its alerts are the other incident's."""
    api = GraphService([graph_incident(1, "11:59:00", redirectIncidentId="2", status="redirected")])
    (page,) = VENDOR.fetch(over(api), None)
    assert api.asked == []
    assert numbers([page]) == [1]


@pytest.mark.parametrize("quota", [2, 7, 49])
def test_few_calls_a_minute_still_get_through_the_members_of_a_page(over, quota):
    """A page of fifty incidents needs more calls than a minute grants; none is made twice for nothing."""
    api = GraphService([graph_incident(n, f"11:{n // 60:02}:{n % 60:02}") for n in range(120)], quota=quota)
    api.members = {str(n): [f"a{n}"] for n in range(120)}
    cursor, found, done = None, [], False
    for _ in range(400):
        try:
            for page in VENDOR.fetch(over(api), cursor):
                found += [one["id"] for one in page.alerts]
                cursor, done = page.cursor, page.done
        except Throttled:
            continue
        break
    assert done
    assert sorted(found) == sorted(f"a{n}" for n in range(120))


def test_an_incident_that_is_gone_stops_nothing(over):
    """Between the list and the question for its members."""
    api = GraphService(
        [graph_incident(1, "11:58:00"), graph_incident(2, "11:59:00")], {"2": ["b"]}, gone={"1"}
    )
    (page,) = VENDOR.fetch(over(api), None)
    assert numbers([page]) == [1, 2]
    assert [one["id"] for one in page.alerts] == ["b"]


def test_an_incident_whose_members_the_service_does_not_give_is_owed(over):
    """The others are read, the walk says what is wrong instead of `done`, and reads it when it can."""
    rows = [graph_incident(n, f"11:0{n}:00") for n in range(6)]
    api = GraphService(rows, {str(n): [f"a{n}"] for n in range(6)}, broken={"2"})
    pages, error = until_it_fails(VENDOR.fetch(over(api), None))
    assert "out of order" in str(error)
    assert numbers(pages) == [0, 1, 3, 4, 5]
    assert not any(page.done for page in pages)
    api.broken.clear()
    healed = list(VENDOR.fetch(over(api), pages[-1].cursor))
    assert [one["id"] for page in healed for one in page.alerts] == ["a2"]
    assert healed[-1].done


def test_an_outage_ends_the_walk_and_keeps_what_was_read(over):
    """Three failures in a row are not an incident's trouble."""
    rows = [graph_incident(n, f"11:0{n}:00") for n in range(8)]
    api = GraphService(rows, {str(n): [f"a{n}"] for n in range(8)}, broken={"2", "3", "4", "5", "6", "7"})
    pages, error = until_it_fails(VENDOR.fetch(over(api), None))
    assert error is not None
    assert numbers(pages) == [0, 1]
    assert api.asked[-1] == "4"
    api.broken.clear()
    healed = list(VENDOR.fetch(over(api), pages[-1].cursor))
    assert sorted(numbers(healed)) == [2, 3, 4, 5, 6, 7]
    assert healed[-1].done


def test_however_many_incidents_are_in_trouble_the_others_are_read(over):
    """Each walk passes those that it knows of, and tries them when all others are read."""
    rows = [graph_incident(n, f"11:{n:02}:00") for n in range(20)]
    api = GraphService(rows, {str(n): [f"a{n}"] for n in range(20)}, broken={str(n) for n in range(3, 12)})
    cursor, found, errors = None, [], 0
    for _ in range(6):
        pages, error = until_it_fails(VENDOR.fetch(over(api), cursor))
        found, errors, cursor = found + numbers(pages), errors + (error is not None), pages[-1].cursor
    assert sorted(found) == [0, 1, 2, *range(12, 20)]
    assert errors == 6
    assert len(cursor["members"]["owed"].split()) == 9
    api.broken.clear()
    api.gone = {"5"}
    healed = list(VENDOR.fetch(over(api), cursor))
    assert sorted(numbers(healed)) == list(range(3, 12))
    assert healed[-1].done


def test_our_own_budget_is_no_incidents_trouble(over):
    """The walk stops where it is, and goes on from there."""

    class Frugal(GraphService):
        def _one(self, path):
            if len(self.asked) >= 3:
                raise BudgetSpent("The rest is the analysts'.", retry_after=30)
            return super()._one(path)

    rows = [graph_incident(n, f"11:0{n}:00") for n in range(6)]
    api = Frugal(rows, {str(n): [f"a{n}"] for n in range(6)})
    pages, error = until_it_fails(VENDOR.fetch(over(api), None))
    assert isinstance(error, BudgetSpent)
    assert numbers(pages) == [0, 1, 2]
    assert pages[-1].cursor["members"]["owed"] == ""
    rest = list(VENDOR.fetch(over(GraphService(rows, api.members)), pages[-1].cursor))
    assert numbers(rest) == [3, 4, 5]


@pytest.mark.parametrize("count", [1, 2, 3, 120])
def test_incidents_come_although_their_alerts_may_not_be_read(over, count):
    """The walk ends with what is missing: incidents without their alerts would look like a quiet tenant. It
    asks for no more than it must to know that, and reads all of them once it is granted."""
    missing = PermissionMissing("It lacks SecurityAlert.Read.All.")
    rows = [graph_incident(n, f"10:{n // 60:02}:{n % 60:02}") for n in range(count)]
    api = GraphService(rows, {str(n): [f"a{n}"] for n in range(count)}, broken={str(n) for n in range(count)})
    api.trouble = missing
    cursor: Any = None
    for _ in range(3):
        pages, error = until_it_fails(VENDOR.fetch(over(api), cursor))
        assert error is missing
        assert set(numbers(pages)) == set(range(count))
        assert not any(page.done for page in pages)
        cursor = pages[-1].cursor
    assert len(api.asked) <= 9
    api.broken.clear()
    healed = list(VENDOR.fetch(over(api), cursor))
    assert {one["id"] for page in healed for one in page.alerts} == {f"a{n}" for n in range(count)}
    assert healed[-1].done


@pytest.mark.parametrize(
    "trouble", [PermissionMissing("Not this one."), Refused("Bad.", status=400), Unreadable("No list.")]
)
def test_one_incident_that_is_refused_does_not_hold_up_the_others(over, trouble):
    """For good; the walk says so each time."""
    rows = [graph_incident(n, f"11:0{n}:00") for n in range(6)]
    api = GraphService(rows, {str(n): [f"a{n}"] for n in range(6)}, broken={"2"}, trouble=trouble)
    cursor, found = None, []
    for _ in range(2):
        pages, error = until_it_fails(VENDOR.fetch(over(api), cursor))
        found += [one["id"] for page in pages for one in page.alerts]
        cursor = pages[-1].cursor
        assert error is trouble
    assert found == ["a0", "a1", "a3", "a4", "a5"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 6), min_size=1, max_size=25),
    updates=st.dictionaries(st.integers(1, 80), st.integers(0, 24), max_size=10),
    troubles=st.lists(st.tuples(SOME | st.just(set(range(25))), st.booleans()), max_size=4),
    kills=st.lists(st.integers(1, 4), max_size=8),
    quota=st.integers(5, 60),
)
@example(times=[0, 1, 2, 3, 4], updates={}, troubles=[({0, 1, 2, 3, 4}, True)], kills=[], quota=60)
def test_the_members_of_every_last_state_are_read_whatever_happens(
    over, times, updates, troubles, kills, quota
):
    """Updates between calls, incidents that fail or may not be read, throttling, runs killed after any page;
    then quiet walks."""
    rows = [graph_incident(n, f"0{time + 2}:00:00.5") for n, time in enumerate(times)]
    clock, found, cursor = iter(range(100)), set(), None

    class Changing(GraphService):
        def get(self, path, params=None):
            number = updates.pop(self.lists + len(self.asked), None)
            if number is not None:
                at = f"{DAY}09:{next(clock):02}:00.0000001Z"
                rows[number % len(rows)]["lastUpdateDateTime"] = at
                self.members[str(number % len(rows))].append(at)
            return super().get(path, params)

    api = Changing(rows, {str(n): [f"a{n}"] for n in range(len(rows))}, quota=quota)
    for broken, forbidden in [*troubles, (set(), False)]:
        api.broken = {str(number) for number in broken}
        api.trouble = PermissionMissing("No.") if forbidden else TryLater("Later.")
        for pages in [*kills, 1000]:
            for page in until_it_fails(islice(VENDOR.fetch(over(api), cursor), pages))[0]:
                found |= {one["id"] for one in page.alerts}
                cursor = page.cursor
    updates.clear()
    api.quota = 10_000
    for page in VENDOR.fetch(over(api), cursor):
        found |= {one["id"] for one in page.alerts}
    assert {one for ids in api.members.values() for one in ids} <= found


def test_rows_that_are_no_incidents_are_handed_on(over):
    """To quarantine; they cost no call and stop nothing."""

    class Odd(GraphService):
        def get(self, path, params=None):
            answer = super().get(path, params)
            rows = [None, 7, "x", [], {"id": {}}] if path == "/security/incidents" else [None, {"id": []}]
            return {**answer, "value": [*answer["value"], *rows]}

    api = Odd([graph_incident(1, "11:00:00")], {"1": ["a"]})
    (page,) = VENDOR.fetch(over(api), None)
    assert page.incidents[1:] == (None, 7, "x", [], {"id": {}})
    assert page.alerts == ({"id": "a"}, None, {"id": []})
    assert VENDOR.to_incident(page.incidents[0]).alert_ids == ("a",)
    assert api.asked == ["1"]


@pytest.mark.parametrize("members", [None, 7, "x", {"once": 7}, {"once": ["a"], "owed": None}])
def test_a_memory_that_cannot_be_understood_is_forgotten(over, members):
    """Then everything is read once more."""
    api = GraphService([graph_incident(1, "11:59:00")], {"1": ["a"]})
    (page,) = VENDOR.fetch(over(api), {"watermark": f"{DAY}11:59:00Z", "members": members})
    assert [one["id"] for one in page.alerts] == ["a"]


def test_the_cursor_stays_small(over):
    """It is kept in a table's row, which has a limit."""
    rows = [graph_incident(n, f"{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}") for n in range(3000)]
    pages = list(VENDOR.fetch(over(GraphService(rows)), None))
    assert len(numbers(pages)) == 3000
    assert max(len(str(page.cursor)) for page in pages) < 9000
