"""A Sentinel workspace is read without missing, without looping, can be killed anywhere, and asks for nothing
twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import OperatorMustAct, TryLater, Unreadable
from shared.vendors.sentinel_walk import fetch, sweep
from tests.vendors.sentinel_workspace import NOW, ROOT, Workspace, alerts, incident, names, reading


@pytest.fixture
def read(connect: Callable[..., Any]) -> Callable[..., list[Any]]:
    """A whole walk."""
    return reading(connect)


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
