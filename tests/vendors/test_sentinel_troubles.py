"""What a walk over a Sentinel workspace does about incidents that cannot be read, or may not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.errors import BudgetSpent, OperatorMustAct, PermissionMissing, Refused, Throttled, TryLater
from shared.vendors.sentinel_walk import fetch, sweep
from tests.vendors.sentinel_workspace import ROOT, Workspace, alerts, incident, names, reading


@pytest.fixture
def read(connect: Callable[..., Any]) -> Callable[..., list[Any]]:
    """A whole walk."""
    return reading(connect)


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
