"""Microsoft Graph's alerts_v2: what a list understands, how it pages, and what may be changed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import requests

from simulator import graph_scenarios, scenarios
from simulator.graph_access import FUTURE
from simulator.sample import GRAPH_AUDIENCE, TENANT_ID
from simulator.world import World

Api = Any
ALERTS = "/security/alerts_v2"
HOUR = timedelta(hours=1)


def test_the_newest_comes_first_unless_order_is_asked_for(graph: Api, world: World) -> None:
    """Default by creation, descending; `$orderby` turns it round."""
    made = graph_scenarios.add_graph_alerts(world, count=5, within=5 * HOUR, fixture="entra_risk")

    plain = [row["id"] for row in graph(ALERTS).json()["value"]]
    ordered = [row["id"] for row in graph(ALERTS, orderby="lastUpdateDateTime asc").json()["value"]]

    assert (plain, ordered) == (made[::-1], made)


def test_filters_are_the_documented_ones(graph: Api, world: World) -> None:
    """Quoted enums, bare times, and/or/parentheses."""
    low, high = graph_scenarios.add_graph_alerts(world, count=2, within=2 * HOUR, fixture="identity_domain")
    graph_scenarios.update_graph_alert(world, low, fields={"severity": "low"})
    since = graph(f"{ALERTS}/{high}").json()["lastUpdateDateTime"]

    found = graph(
        ALERTS, filter=f"lastUpdateDateTime ge {since} and (severity eq 'high' or status eq 'resolved')"
    )

    assert [row["id"] for row in found.json()["value"]] == [high]


@pytest.mark.parametrize(
    "options",
    [
        {"filter": "investigationState eq 'running'"},
        {"filter": "title eq 'x'"},
        {"filter": "lastUpdateDateTime ge '2026-11-01T00:00:00Z'"},
        {"filter": "severity eq high"},
        {"orderby": "title asc"},
        {"skip": "501"},
        {"top": "-1"},
        {"expand": "evidence"},
        {"skiptoken": "bm9uc2Vuc2U="},
    ],
)
def test_what_the_list_does_not_know_is_400(options: dict[str, str], graph: Api) -> None:
    """With Graph's body."""
    refused = graph(ALERTS, **options)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "BadRequest")


def test_a_page_is_cut_to_1000_and_links_to_the_next_by_an_opaque_token(graph: Api, world: World) -> None:
    """A larger $top is no error; the link is followed verbatim to the end."""
    graph_scenarios.add_graph_alerts(world, count=1003, within=HOUR, fixture="nearly_empty")

    first = graph(ALERTS, top=5000, count="true").json()
    rest = graph(first["@odata.nextLink"]).json()

    assert (len(first["value"]), len(rest["value"]), first["@odata.count"]) == (1000, 3, 1003)
    assert "$skiptoken=" in first["@odata.nextLink"]
    assert "@odata.nextLink" not in rest


def test_select_leaves_the_rest_out(graph: Api, world: World) -> None:
    """The id comes along."""
    graph_scenarios.add_graph_alerts(world)

    assert set(graph(ALERTS, select="title,severity").json()["value"][0]) == {"id", "title", "severity"}


def test_later_members_are_masked_for_who_does_not_prefer_them(
    graph: Api, world: World, sign_in: Any, simulator: Any
) -> None:
    """A Sentinel alert's source."""
    graph_scenarios.add_graph_alerts(world, fixture="sentinel_github_ai")
    plain = sign_in(GRAPH_AUDIENCE).get(f"{simulator.url}/v1.0{ALERTS}", timeout=30).json()["value"][0]

    assert (plain["serviceSource"], plain["detectionSource"]) == (FUTURE, FUTURE)
    assert graph(ALERTS).json()["value"][0]["serviceSource"] == "microsoftSentinel"


def test_ids_are_new_and_keep_their_style(graph: Api, world: World) -> None:
    """Both Endpoint styles, a provider's id inside, and Cloud's counted-down time."""
    made = {
        name: graph_scenarios.add_graph_alerts(world, count=2, fixture=name)
        for name in ("endpoint_powershell", "endpoint_old_id", "cloud_kubernetes", "entra_risk")
    }

    rows = {row["id"]: row for row in graph(ALERTS, top=50).json()["value"]}

    assert len(rows) == 8
    styles = {
        "endpoint_powershell": r"da[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_1",
        "endpoint_old_id": r"da\d{18}_-?\d{1,10}",
        "cloud_kubernetes": r"dc25\d{17}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "entra_risk": r"ad[0-9a-f]{40}",
    }
    assert all(re.fullmatch(styles[name], one) for name, ids in made.items() for one in ids)
    for name in ("endpoint_powershell", "cloud_kubernetes"):
        assert all(one[2:] == rows[one]["providerAlertId"] for one in made[name])
    assert all(one == rows[one]["providerAlertId"] for one in made["endpoint_old_id"])
    assert not any(one[2:] == rows[one]["providerAlertId"] for one in made["entra_risk"])
    assert all(
        f"/alerts/{one}?tid={TENANT_ID}" in row["alertWebUrl"]
        for one, row in rows.items()
        if "alertWebUrl" in row
    )


def test_an_update_changes_what_it_names_and_stamps(graph: Api, world: World) -> None:
    """200 with the alert; members in any casing; the time of resolution; older names of determinations."""
    [made] = graph_scenarios.add_graph_alerts(world, fixture="endpoint_powershell", ends=-HOUR)
    body = {"status": "Resolved", "classification": "TruePositive", "determination": "compromisedUser"}

    changed = graph(f"{ALERTS}/{made}", "PATCH", body).json()

    assert (changed["status"], changed["determination"]) == ("resolved", "compromisedAccount")
    assert changed["resolvedDateTime"] == changed["lastUpdateDateTime"] == "2026-11-20T12:00:00Z"


@pytest.mark.parametrize("body", [{}, {"title": "x"}, {"status": "done"}, {"severity": "low"}, "text"])
def test_an_update_of_anything_else_is_400(body: Any, graph: Api, world: World) -> None:
    """Nothing is changed."""
    [made] = graph_scenarios.add_graph_alerts(world)

    assert graph(f"{ALERTS}/{made}", "PATCH", body).status_code == 400


def test_a_comment_is_added_at_the_end(graph: Api, world: World) -> None:
    """All comments come back, the oldest first; an application is "API Action"."""
    [made] = graph_scenarios.add_graph_alerts(world, fixture="resolved_with_comments")
    body = {"@odata.type": "microsoft.graph.security.alertComment", "comment": "Seen."}

    comments = graph(f"{ALERTS}/{made}/comments", "POST", body).json()["value"]

    assert [one["comment"] for one in comments][-1] == "Seen."
    assert (len(comments), comments[-1]["createdByDisplayName"]) == (3, "API Action")
    assert graph(f"{ALERTS}/{made}").json()["comments"][-1]["comment"] == "Seen."


def test_reading_rights_do_not_write(simulator: Any, world: World, sign_in: Any, new_app: Any) -> None:
    """PATCH needs SecurityAlert.ReadWrite.All."""
    [made] = graph_scenarios.add_graph_alerts(world)
    session: requests.Session = sign_in(GRAPH_AUDIENCE, new_app({GRAPH_AUDIENCE: {"SecurityAlert.Read.All"}}))
    address = f"{simulator.url}/v1.0{ALERTS}/{made}"

    refused = session.patch(address, json={"status": "resolved"}, timeout=30)

    assert (refused.status_code, session.get(address, timeout=30).status_code) == (403, 200)


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/security/alerts", 410, "alerts_v2"),
        ("/security/vulnerabilities", 400, "vulnerabilities"),
        ("/security/securityRecommendations", 400, "securityRecommendations"),
        (f"{ALERTS}/none", 404, "none"),
    ],
)
def test_what_is_gone_or_never_was_says_so(path: str, status: int, says: str, graph: Api) -> None:
    """The legacy feed, and two names that only one document knows."""
    refused = graph(path)

    assert refused.status_code == status
    assert says in refused.json()["error"]["message"]


def test_alerts_may_come_late_and_share_a_time(graph: Api, world: World) -> None:
    """They appear behind what a client has read."""
    tied = graph_scenarios.tie_graph_alerts(world, count=4, age=HOUR)
    graph_scenarios.add_graph_alerts(world, lag=HOUR, ends=-HOUR / 2)
    before = len(graph_scenarios.graph_ids(world))
    world.advance(3600)

    times = {row["lastUpdateDateTime"] for row in graph(ALERTS).json()["value"] if row["id"] in tied}

    assert (before, len(graph_scenarios.graph_ids(world)), len(times)) == (4, 5, 1)


def test_the_same_alert_as_endpoint_has_it(graph: Api, world: World) -> None:
    """Same id, title and times in both products."""
    [made] = scenarios.add_endpoint_alerts(world, fixture="credential_dump")
    graph_scenarios.graph_view_of_endpoint(world, made)

    seen = graph(f"{ALERTS}/{made}").json()

    assert (seen["id"], seen["providerAlertId"]) == (made, made)
    assert seen["severity"] == "high"
