"""A Sentinel workspace is read without missing, without looping, can be killed anywhere, and asks for nothing
twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import (
    BudgetSpent,
    OperatorMustAct,
    PermissionMissing,
    PocketSOCError,
    Refused,
    Throttled,
    TryLater,
    Unreadable,
)
from shared.nouns.detections import instant
from shared.vendors.sentinel_walk import fetch, sweep

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ROOT = "https://management.azure.com"


def incident(name: str, time: str, alerts: int = 1, **more: Any) -> dict[str, Any]:
    counts = {"alertsCount": alerts, "commentsCount": 0}
    properties = {"lastModifiedTimeUtc": f"2026-03-02T{time}Z", "additionalData": counts, **more}
    return {"name": name, "etag": f'"{time}"', "properties": properties}


@dataclass
class Workspace:
    """The incidents list, ordered and paged by number of rows behind links, and what belongs to each."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    page_size: int = 50
    between: Callable[[int], None] = lambda number: None
    trouble: dict[str, PocketSOCError] = field(default_factory=dict)
    lost: dict[str, PocketSOCError] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    lists: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    calls: int = 0

    def get(self, path: str, params: Any = None) -> dict[str, Any]:
        assert "$skip" not in (params or {}), "Azure Resource Manager does not know it"
        query = dict(params or {}) or {k: v[0] for k, v in parse_qs(urlsplit(path).query).items()}
        assert query["api-version"] == "2025-09-01"
        self._count()
        path = urlsplit(path).path
        if path.endswith("/incidents"):
            return self._list(query)
        name = path.rpartition("/")[2]
        if name in self.lost:
            raise self.lost[name]
        if name == "comments":
            return {"value": [{"properties": {"message": "Seen."}}]}
        found = next((row for row in self.rows if row["name"] == name), None)
        if found is None:
            raise Refused("gone", status=404)
        return found

    def post(self, path: str, body: Any = None, params: Any = None) -> dict[str, Any]:
        assert (body, params) == (None, {"api-version": "2025-09-01"})
        self._count()
        name = path.split("/")[-2]
        self.asked.append(name)
        if name in self.trouble:
            raise self.trouble[name]
        row = next((row for row in self.rows if row["name"] == name), None)
        if row is None:
            raise Refused("gone", status=404)
        count = 0 if name in self.hidden else row["properties"]["additionalData"]["alertsCount"]
        return {"value": [{"properties": {"systemAlertId": f"{name}.{n}"}} for n in range(count)]}

    def _count(self) -> None:
        self.calls += 1
        assert self.calls < 2000, "this never ends"
        self.between(self.calls)

    def _list(self, query: dict[str, str]) -> dict[str, Any]:
        assert query["$orderby"] == "properties/lastModifiedTimeUtc asc"
        self.lists.append(query["$filter"])
        since = instant(query["$filter"].removeprefix("properties/lastModifiedTimeUtc ge ")) or ""
        found = sorted((row for row in self.rows if _time(row) >= since), key=_time)
        skip, size = int(query.get("$skipToken", "0")), min(self.page_size, int(query["$top"]))
        answer: dict[str, Any] = {"value": found[skip : skip + size]}
        if len(found) > skip + size:
            again = "&".join(f"{k}={v}" for k, v in {**query, "$skipToken": skip + size}.items())
            answer["nextLink"] = f"{ROOT}/x/incidents?{again}"
        return answer


def _time(row: dict[str, Any]) -> str:
    return instant(row["properties"]["lastModifiedTimeUtc"]) or ""


@pytest.fixture
def read(connect: Callable[..., Any]) -> Callable[..., list[Any]]:
    """A whole walk."""

    def run(workspace: Workspace, cursor: Any = None, *, now: datetime = NOW) -> list[Any]:
        return list(fetch(connect(workspace, slug="sentinel", now=now), cursor))

    return run


def names(pages: list[Any]) -> list[str]:
    return [row["name"] for page in pages for row in page.incidents]


def alerts(pages: list[Any]) -> list[str]:
    return [row["alert"]["properties"]["systemAlertId"] for page in pages for row in page.alerts]


def test_incidents_come_with_their_alerts(read):
    """Each alert knows its incident, each incident the names of its alerts and its comments."""
    said = incident("b", "08:01:00")
    said["properties"]["additionalData"]["commentsCount"] = 1
    pages = read(Workspace([incident("a", "08:00:00", 2), said]))
    assert (names(pages), alerts(pages)) == (["a", "b"], ["a.0", "a.1", "b.0"])
    assert [row["alerts"] for page in pages for row in page.incidents] == [["a.0", "a.1"], ["b.0"]]
    assert [row["incident"]["name"] for page in pages for row in page.alerts] == ["a", "a", "b"]
    assert pages[0].incidents[1]["comments"]
    assert "comments" not in pages[0].incidents[0]


def test_what_is_unchanged_costs_one_call(read):
    """In the overlap, incidents with a known ETag are left out; a changed one is read again."""
    workspace = Workspace([incident(f"a{n}", f"11:5{n}:00") for n in range(9)])
    cursor = read(workspace)[-1].cursor
    workspace.calls, workspace.asked = 0, []
    quiet = read(workspace, cursor, now=NOW + timedelta(minutes=1))
    assert (names(quiet), workspace.calls) == ([], 1)
    workspace.rows[3] = incident("a3", "12:00:30")
    assert names(read(workspace, quiet[-1].cursor, now=NOW + timedelta(minutes=1))) == ["a3"]
    assert workspace.asked == ["a3"]


def test_alerts_that_become_visible_after_their_incident_are_waited_for(read):
    """It is read again while fewer have come than it counts."""
    workspace = Workspace([incident("a", "11:59:00", 2)], hidden={"a"})
    first = read(workspace)
    workspace.hidden.clear()
    second = read(workspace, first[-1].cursor, now=NOW + timedelta(minutes=1))
    assert (alerts(first), alerts(second)) == ([], ["a.0", "a.1"])


@pytest.mark.parametrize("count", [49, 50, 51, 130])
def test_pages_are_asked_for_by_time_and_come_once(read, count):
    """At the limits of a page nothing is lost or comes twice."""
    workspace = Workspace(
        [incident(f"a{n:03}", f"08:{n // 60:02}:{n % 60:02}.1234567") for n in range(count)]
    )
    assert names(read(workspace)) == [row["name"] for row in workspace.rows]


def test_ties_all_come(read):
    """More of one time than a page holds, and more after them."""
    rows = [incident(f"t{n:03}", "08:01:00") for n in range(120)] + [incident("z", "08:02:00")]
    assert sorted(names(read(Workspace(rows)))) == [row["name"] for row in rows]


def test_a_change_during_the_walk_hides_no_other_incident(read):
    """It moves to the end, and the others move up."""
    rows = [incident(f"a{n}", f"08:0{n}:00") for n in range(9)]

    def change(call: int) -> None:
        if call == 4:
            rows[0] |= incident("a0", "11:00:00")

    assert set(names(read(Workspace(rows, page_size=3, between=change)))) == {f"a{n}" for n in range(9)}


def test_one_incident_that_cannot_be_read_stops_nothing(read):
    """It comes without its alerts, is owed, and is asked for by name until it can be read."""
    workspace = Workspace([incident("a", "08:00:00"), incident("b", "11:00:00")])
    workspace.trouble["a"] = TryLater("out of order")
    first = read(workspace)
    again = read(workspace, first[-1].cursor)
    workspace.trouble.clear()
    mended = read(workspace, again[-1].cursor)
    assert (names(first), alerts(first)) == (["a", "b"], ["b.0"])
    assert (alerts(again), alerts(mended)) == ([], ["a.0"])
    assert [pages[-1].cursor["owed"] for pages in (first, again, mended)] == [["a"], ["a"], []]
    assert first[-1].done


def test_an_owed_incident_that_is_gone_is_forgotten(read):
    """Somebody deleted it."""
    workspace = Workspace([incident("a", "08:00:00")], trouble={"a": TryLater("out of order")})
    cursor = read(workspace)[-1].cursor
    workspace.rows.clear()
    assert read(workspace, cursor)[-1].cursor["owed"] == []


def test_an_incident_that_is_deleted_while_it_is_read_has_no_alerts(read):
    """And no error."""
    workspace = Workspace([incident("a", "08:00:00")], trouble={"a": Refused("gone", status=404)})
    pages = read(workspace)
    assert (names(pages), alerts(pages), pages[-1].cursor["owed"]) == (["a"], [], [])


@pytest.mark.parametrize("trouble", [TryLater("out of order"), Refused("400", status=400)])
def test_an_owed_incident_that_itself_cannot_be_read_stops_nothing(read, trouble):
    """The service gives neither its alerts nor, by its name, itself."""
    workspace = Workspace([incident("a", "08:00:00"), incident("b", "11:00:00")])
    workspace.trouble["a"] = trouble
    cursor = read(workspace)[-1].cursor
    workspace.lost["a"] = trouble
    workspace.rows.append(incident("c", "11:30:00"))
    again = read(workspace, cursor)
    assert (names(again), again[-1].cursor["owed"], again[-1].done) == (["c"], ["a"], True)
    workspace.trouble.clear()
    workspace.lost.clear()
    assert alerts(read(workspace, again[-1].cursor)) == ["a.0"]


def test_incidents_come_although_their_alerts_may_not_be_listed(connect, read):
    """The walk ends with what is missing, asks for no more alerts than it must to know that, and reads them
    all once it is granted."""
    rows = [incident(f"a{n}", f"08:0{n}:00") for n in range(9)]
    workspace = Workspace(rows, page_size=4)
    missing = PermissionMissing("The app lacks incidents/alerts/action.")
    workspace.trouble = {row["name"]: missing for row in rows[2:]}
    walked: list[Any] = []
    with pytest.raises(PermissionMissing, match=r"alerts/action"):
        walked.extend(fetch(connect(workspace, slug="sentinel"), None))
    assert set(names(walked)) == {f"a{n}" for n in range(9)}
    assert not any(page.done for page in walked)
    assert workspace.asked == ["a0", "a1", "a2"]
    workspace.trouble.clear()
    assert alerts(walked) + alerts(read(workspace, walked[-1].cursor)) == [f"a{n}.0" for n in range(9)]


def test_a_sweep_that_may_not_list_alerts_says_so(connect):
    """Nothing found would mean that nothing is missing."""
    workspace = Workspace([incident("a", "08:00:00")], trouble={"a": PermissionMissing("403")})
    with pytest.raises(PermissionMissing):
        list(sweep(connect(workspace, slug="sentinel"), "2026-03-02T07:00:00.0000000Z"))


def test_comments_that_may_not_be_read_cost_only_comments(read):
    """A role of the customer's own may leave them out."""
    workspace = Workspace([incident("a", "08:00:00")], lost={"comments": PermissionMissing("403")})
    workspace.rows[0]["properties"]["additionalData"]["commentsCount"] = 1
    pages = read(workspace)
    assert (alerts(pages), pages[-1].done) == (["a.0"], True)
    assert "comments" not in pages[0].incidents[0]


def test_comments_are_read_to_the_last_page(read):
    """Azure Resource Manager may link a further one."""

    class Talkative(Workspace):
        def get(self, path: str, params: Any = None) -> dict[str, Any]:
            answer = super().get(path, params)
            if path.endswith("/comments"):
                answer["nextLink"] = f"{ROOT}/a/comments?api-version=2025-09-01"
            return answer

    workspace = Talkative([incident("a", "08:00:00")])
    workspace.rows[0]["properties"]["additionalData"]["commentsCount"] = 2
    assert len(read(workspace)[0].incidents[0]["comments"]) == 2


@pytest.mark.parametrize(
    "trouble", [Throttled("wait", retry_after=17), BudgetSpent("ours"), OperatorMustAct("no sign-in")]
)
def test_what_is_not_one_incidents_fault_ends_the_poll(connect, trouble):
    """What was read until then is kept, and is not read again."""
    rows = [incident(f"a{n}", f"11:5{n}:00") for n in range(5)]
    workspace = Workspace(rows, trouble={"a3": trouble})
    cursor, found = None, []

    def poll() -> None:
        nonlocal cursor
        for page in fetch(connect(workspace, slug="sentinel"), cursor):
            cursor = page.cursor
            found.extend(alerts([page]))

    with pytest.raises(type(trouble)):
        poll()
    workspace.trouble.clear()
    workspace.asked.clear()
    poll()
    assert found == [f"a{n}.0" for n in range(5)]
    assert workspace.asked == ["a3", "a4"]


def test_one_failure_after_the_other_is_an_outage(connect):
    """Not a thousand owed incidents."""
    rows = [incident(f"a{n}", f"08:0{n}:00") for n in range(9)]
    workspace = Workspace(rows, trouble={row["name"]: TryLater("out of order") for row in rows})
    with pytest.raises(TryLater):
        list(fetch(connect(workspace, slug="sentinel"), None))
    assert len(workspace.asked) == 3


@pytest.mark.parametrize("killed_after", range(1, 7))
def test_a_walk_that_is_killed_goes_on_where_it_stopped(connect, killed_after):
    """Nothing is skipped, and little is read twice."""
    workspace = Workspace([incident(f"a{n:02}", f"08:{n:02}:00") for n in range(20)], page_size=4)
    connection = connect(workspace, slug="sentinel")
    pages = list(islice(fetch(connection, None), killed_after))
    if not pages[-1].done:
        pages += list(fetch(connection, pages[-1].cursor))
    assert sorted(set(alerts(pages))) == [f"a{n:02}.0" for n in range(20)]
    assert len(workspace.asked) <= 21


def test_a_sweep_lists_the_alerts_of_what_was_modified_since(connect):
    """An old incident that got a new alert is among them; nothing is remembered."""
    workspace = Workspace([incident(f"a{n}", f"08:0{n}:00") for n in range(9)])
    pages = list(sweep(connect(workspace, slug="sentinel"), "2026-03-02T08:04:00.0000000Z"))
    found = [row["alert"]["properties"]["systemAlertId"] for page in pages for row in page]
    assert found == [f"a{n}.0" for n in range(4, 9)]
    assert workspace.lists[0] == "properties/lastModifiedTimeUtc ge 2026-03-02T08:04:00.0000000Z"


def test_paging_that_never_ends_is_an_error_and_not_a_loop(connect, scripted):
    """The same page with ever new links."""
    page = {"value": [{"name": "a", "properties": {"lastModifiedTimeUtc": "2026-03-02T08:00:00Z"}}]}
    listing = [{**page, "nextLink": f"{ROOT}/{n}"} for n in range(2)]
    # The incident's alerts are asked for between the pages.
    api = scripted(listing[0], {"value": []}, listing[1])
    with pytest.raises(TryLater, match="never ends"):
        list(fetch(connect(api, slug="sentinel"), None))


@pytest.mark.parametrize("answers", [[{}], [{"value": [incident("a", "08:00:00")]}, {"error": 1}]])
def test_an_answer_without_a_list_is_not_taken_for_empty(connect, scripted, answers):
    """Neither of incidents nor of alerts: the first ends the poll, the second leaves the incident owed."""
    try:
        pages = list(fetch(connect(scripted(*answers), slug="sentinel"), None))
    except Unreadable:
        assert len(answers) == 1
    else:
        assert pages[-1].cursor["owed"] == ["a"]


def test_incidents_without_a_name_are_kept_for_quarantine(read):
    """Nothing can be asked about them."""

    class Odd(Workspace):
        def get(self, path: str, params: Any = None) -> dict[str, Any]:
            return {"value": ["text", {"properties": {}}, None]}

    assert read(Odd())[-1].incidents == ("text", {"properties": {}}, None)


def test_a_configuration_without_workspace_says_so(connect):
    """There is no place to ask."""
    with pytest.raises(OperatorMustAct, match="name a workspace"):
        list(fetch(connect(Workspace(), slug="sentinel", options={"subscription_id": "s"}), None))


def test_the_cursor_stays_small(read):
    """It is kept in a table's row, which has a limit."""
    rows = [incident(f"5b0e9c55-1d1f-4a6f-9a53-{n:012}", "08:00:00") for n in range(1700)]
    pages = read(Workspace(rows))
    assert len(str(pages[-1].cursor)) < 8_000
    assert max(len(str(page.cursor)) for page in pages) < 32_000
    assert len(set(names(pages))) == 1700


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 6), min_size=1, max_size=20),
    size=st.integers(1, 4),
    updates=st.dictionaries(st.integers(1, 60), st.integers(0, 19), max_size=10),
    failures=st.sets(st.integers(0, 19), max_size=3),
    kills=st.lists(st.integers(1, 3), max_size=8),
)
def test_every_last_state_is_seen_whatever_happens(connect, times, size, updates, failures, kills):
    """Ties, changes between calls, incidents that cannot be read, runs killed anywhere; then a quiet walk."""
    rows = [incident(str(n), f"08:0{t}:00.5") for n, t in enumerate(times)]
    clock, seen, cursor = iter(range(100)), {}, None

    def update(call: int) -> None:
        if call in updates:
            at = updates[call] % len(rows)
            rows[at] |= incident(str(at), f"09:{next(clock):02}:00.0000001", 2)

    workspace = Workspace(rows, page_size=size, between=update)
    workspace.trouble = {str(n): TryLater("out of order") for n in failures}
    for pages in [*kills, None]:
        if pages is None:
            updates.clear()
            workspace.trouble.clear()
        try:
            for page in islice(fetch(connect(workspace, slug="sentinel"), cursor), pages):
                cursor = page.cursor
                for row in page.alerts:
                    seen.setdefault(row["incident"]["etag"] + row["incident"]["name"], set()).add(
                        row["alert"]["properties"]["systemAlertId"]
                    )
        except TryLater:
            assert pages is not None
    wanted = {row["etag"] + row["name"]: row["properties"]["additionalData"]["alertsCount"] for row in rows}
    assert {key: len(seen.get(key, ())) for key in wanted} == wanted
