"""The incidents of one tenant over both APIs: they are the same, and each API has its own manners."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from simulator import scenarios, xdr_scenarios
from simulator.sample import ENDPOINT_AUDIENCE, GRAPH_AUDIENCE, XDR_AUDIENCE
from simulator.serve import Simulator
from simulator.world import World

Session = Callable[..., requests.Session]


class Incidents:
    """A client of one of the two APIs, with a fresh token for each call."""

    def __init__(self, session: requests.Session, root: str, token: Callable[[], str]) -> None:
        self._session, self._root, self._token = session, root, token

    def __call__(self, path: str = "", method: str = "GET", json: Any = None, **more: Any) -> Any:
        whole = path.startswith("https://")
        headers = {"Authorization": f"Bearer {self._token()}", **more.pop("headers", {})}
        params = {f"${key}": str(value) for key, value in more.items()} or None
        address = path if whole else self._root + path
        return self._session.request(method, address, params=params, json=json, headers=headers, timeout=30)


@pytest.fixture
def xdr(simulator: Simulator, sign_in: Session) -> Incidents:
    """The Defender XDR API."""
    token = lambda: simulator.world.token(XDR_AUDIENCE)  # noqa: E731 - one use
    return Incidents(sign_in(XDR_AUDIENCE), f"{simulator.url}/api/incidents", token)


@pytest.fixture
def graph(simulator: Simulator, sign_in: Session) -> Incidents:
    """Graph."""
    token = lambda: simulator.world.token(GRAPH_AUDIENCE)  # noqa: E731 - one use
    return Incidents(sign_in(GRAPH_AUDIENCE), f"{simulator.url}/v1.0/security/incidents", token)


@pytest.fixture
def switches(world: World) -> Any:
    """The XDR API's switches."""
    return scenarios.switches(world, "xdr")


def test_both_apis_show_the_same_incidents_with_the_same_alerts(world, graph, xdr):
    """Number, name, times, status, severity, members; each in its own words."""
    xdr_scenarios.add_incidents(world, count=4, alerts=3, within=timedelta(hours=1))
    over_graph = graph().json()["value"]
    over_xdr = xdr().json()["value"]
    assert [one["id"] for one in over_graph] == [str(one["incidentId"]) for one in over_xdr]
    for theirs, ours in zip(over_xdr, over_graph, strict=True):
        assert theirs["incidentName"] == ours["displayName"]
        assert (theirs["createdTime"], theirs["lastUpdateTime"]) == (
            ours["createdDateTime"],
            ours["lastUpdateDateTime"],
        )
        assert (theirs["status"].lower(), theirs["severity"].lower()) == (ours["status"], ours["severity"])
        members = graph(f"/{ours['id']}/alerts").json()["value"]
        assert [a["alertId"] for a in theirs["alerts"]] == [a["id"] for a in members]
        assert {a["incidentId"] for a in members} == {ours["id"]}
        assert {a["incidentId"] for a in theirs["alerts"]} == {theirs["incidentId"]}


def test_members_are_those_of_alerts_v2(world, graph, simulator):
    """The alert that the incident shows is the alert of the alerts' list."""
    [incident] = xdr_scenarios.add_incidents(world, alerts=2)
    members = graph(f"/{incident}/alerts").json()["value"]
    listed = graph(f"{simulator.url}/v1.0/security/alerts_v2/{members[0]['id']}").json()
    listed.pop("@odata.context")
    assert listed == members[0]


def test_a_page_of_graph_is_50_and_of_the_xdr_api_100(graph, xdr):
    """One more is refused, with OData's words."""
    assert (graph(top=50).status_code, xdr(top=100).status_code) == (200, 200)
    for refused, limit in ((graph(top=51), 50), (xdr(top=101), 100)):
        assert refused.status_code == 400
        assert f"The limit of '{limit}' for Top query has been exceeded" in refused.json()["error"]["message"]


@pytest.mark.parametrize("name", ["severity", "incidentId", "classification", "incidentName"])
def test_the_xdr_api_filters_on_four_properties_only(xdr, name):
    """Severity is not among them."""
    assert xdr(filter=f"{name} eq 'x'").status_code == 400


def test_the_xdr_api_filters_on_times_status_and_owner(world, xdr):
    """All four, joined with `and`."""
    old, new = xdr_scenarios.add_incidents(world, count=2, within=timedelta(hours=4))
    xdr_scenarios.update_incident(world, old, fields={"status": "inProgress", "assignedTo": "ada@x.example"})
    now = world.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    found = xdr(
        filter=f"status eq 'InProgress' and assignedTo eq 'ada@x.example' and lastUpdateTime ge {now}"
    )
    assert [one["incidentId"] for one in found.json()["value"]] == [int(old)]
    assert [
        str(one["incidentId"]) for one in xdr(filter=f"createdTime gt {now[:11]}11:00:00Z").json()["value"]
    ] == [new]


@pytest.mark.parametrize("option", ["orderby", "expand", "select"])
def test_the_xdr_api_knows_no_other_option(xdr, option):
    """$filter, $top and $skip are all."""
    assert xdr(**{option: "createdTime"}).status_code == 400


@pytest.mark.parametrize("nextlink", ["always", "never"])
def test_the_xdr_api_pages_by_skip_and_perhaps_links(world, xdr, switches, nextlink):
    """Newest first; whether a link comes is not verified."""
    made = xdr_scenarios.add_incidents(world, count=5, within=timedelta(hours=1))
    switches.nextlink = nextlink
    first = xdr(top=3).json()
    rest = xdr(top=3, skip=3).json()
    assert [str(one["incidentId"]) for one in first["value"] + rest["value"]] == made[::-1]
    assert ("@odata.nextLink" in first) is (nextlink == "always")
    assert "@odata.nextLink" not in rest


@pytest.mark.parametrize(
    ("resume", "says"),
    [("seconds", "in 60 seconds"), ("span", "in 00:01:00"), ("moment", "12:01:00Z"), ("", "00:01:00")],
)
def test_the_51st_call_in_a_minute_is_429_with_the_time_in_the_body(world, xdr, switches, resume, says):
    """No Retry-After; a minute later it answers again."""
    switches.resume = resume
    statuses = [xdr(top=1).status_code for _ in range(50)]
    refused = xdr(top=1)
    assert set(statuses) == {200}
    assert refused.status_code == 429
    assert "Retry-After" not in refused.headers
    assert refused.json()["error"]["message"].rstrip(".").endswith(says)
    world.advance(60)
    assert xdr(top=1).status_code == 200


def test_1500_calls_an_hour_are_the_other_limit(world, xdr):
    """Who asks 50 times a minute has half an hour's worth."""
    for _ in range(31):
        world.advance(60)
        for _ in range(49):
            last = xdr(top=1, filter="status eq 'none'")
    assert last.status_code == 429
    assert "maximum allowed 1500 per 01:00:00" in last.json()["error"]["message"]


@pytest.mark.parametrize(("style", "padded"), [("2020", True), ("2023", False)])
def test_entities_come_in_two_styles(world, xdr, switches, style, padded):
    """With every field, or only with what is filled, and then with the provider's id."""
    xdr_scenarios.add_incidents(world, alerts=1, fixture="endpoint_powershell")
    switches.entity_style = style
    [alert] = xdr().json()["value"][0]["alerts"]
    assert ("providerAlertId" in alert) is not padded
    assert {len(entity) == 31 for entity in alert["entities"]} == {padded}
    assert any(value is None for entity in alert["entities"] for value in entity.values()) is padded
    assert alert["devices"][0]["mdatpDeviceId"]


def test_an_unknown_incident_is_404(graph, xdr):
    """Over both."""
    assert xdr("/1").status_code == xdr("/1", "PATCH", json={"status": "Active"}).status_code == 404
    assert graph("/1").status_code == graph("/1/alerts").status_code == 404


def test_a_change_over_one_api_is_seen_over_the_other(world, graph, xdr):
    """Words are translated; a comment is added; tags are replaced."""
    [incident] = xdr_scenarios.add_incidents(world)
    change = {
        "status": "Resolved",
        "assignedTo": "ada@x.example",
        "classification": "FalsePositive",
        "determination": "Clean",
        "tags": ["a", "b"],
        "comment": "Ours.",
    }
    world.advance(5)
    changed = xdr(f"/{incident}", "PATCH", json=change).json()
    seen = graph(f"/{incident}").json()
    assert (changed["status"], changed["determination"]) == ("Resolved", "Clean")
    assert changed["comments"][0]["comment"] == "Ours."
    assert (seen["status"], seen["classification"], seen["determination"]) == (
        "resolved",
        "falsePositive",
        "notMalicious",
    )
    assert (seen["customTags"], seen["assignedTo"]) == (["a", "b"], "ada@x.example")
    assert seen["lastUpdateDateTime"] > seen["createdDateTime"]
    again = graph(f"/{incident}/comments", "POST", json={"comment": "Mine."}).json()
    assert [one["comment"] for one in again["value"]] == ["Ours.", "Mine."]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"classification": "TruePositive", "determination": "Malware"}, 200),
        ({"classification": "TruePositive", "determination": "SecurityTesting"}, 400),
        ({"classification": "InformationalExpectedActivity", "determination": "SecurityTesting"}, 200),
        ({"classification": "FalsePositive", "determination": "Apt"}, 400),
        ({"classification": "Sure"}, 400),
        ({"status": "Dismissed"}, 400),
        ({"severity": "High"}, 400),
        ({"tags": "a"}, 400),
        ({}, 400),
    ],
)
def test_what_the_xdr_api_takes_and_refuses(world, xdr, body, status):
    """The table of determinations, names and values."""
    [incident] = xdr_scenarios.add_incidents(world)
    assert xdr(f"/{incident}", "PATCH", json=body).status_code == status


@pytest.mark.parametrize("paired", [True, False])
def test_graph_may_ask_for_the_pairing(world, graph, paired):
    """Whether it does is not verified."""
    scenarios.switches(world, "graph").paired_determinations = paired
    [incident] = xdr_scenarios.add_incidents(world)
    body = {"classification": "truePositive", "determination": "securityTesting"}
    assert graph(f"/{incident}", "PATCH", json=body).status_code == (400 if paired else 200)


def test_a_merged_incident_stays_and_its_alerts_move(world, graph, xdr):
    """Redirected, with the number of the one that survives."""
    gone, left = xdr_scenarios.add_incidents(world, count=2, alerts=2)
    xdr_scenarios.merge_incidents(world, gone, left)
    over_graph, over_xdr = graph(f"/{gone}").json(), xdr(f"/{gone}").json()
    assert (over_graph["status"], over_graph["redirectIncidentId"]) == ("redirected", left)
    assert (over_xdr["status"], over_xdr["redirectIncidentId"]) == ("Redirected", int(left))
    assert over_xdr["alerts"] == []
    assert len(graph(f"/{left}/alerts").json()["value"]) == 4
    assert {a["incidentId"] for a in graph(f"/{left}/alerts").json()["value"]} == {left}


def test_a_later_status_is_seen_by_who_prefers_it(world, graph):
    """Without the header it is unknownFutureValue."""
    [incident] = xdr_scenarios.add_incidents(world, fields={"status": "awaitingAction"})
    prefer = {"Prefer": "include-unknown-enum-members"}
    assert graph(f"/{incident}").json()["status"] == "unknownFutureValue"
    assert graph(f"/{incident}", headers=prefer).json()["status"] == "awaitingAction"


def test_expanding_alerts_may_be_more_than_a_large_tenant_bears(world, graph):
    """A persistent 500, as seen in the field."""
    xdr_scenarios.add_incidents(world, alerts=2)
    assert len(graph(expand="alerts").json()["value"][0]["alerts"]) == 2
    scenarios.switches(world, "graph").expand_alerts_fails = True
    assert graph(expand="alerts").status_code == 500
    assert graph().status_code == 200


def test_late_incidents_are_dated_before_they_are_seen(world, graph):
    """With their alerts."""
    [late] = xdr_scenarios.late_incidents(world, age=timedelta(hours=3))
    [seen] = graph().json()["value"]
    assert seen["id"] == late
    assert seen["lastUpdateDateTime"].startswith("2026-11-20T09:00")
    assert len(graph(f"/{late}/alerts").json()["value"]) == 1


def test_each_api_has_its_own_audience_and_roles(simulator, world, sign_in, new_app):
    """A token for Endpoint does not do, on the same host; nor does one without the role."""
    url = f"{simulator.url}/api/incidents"
    reader = new_app({XDR_AUDIENCE: {"Incident.Read.All"}})
    hunter = new_app({XDR_AUDIENCE: {"AdvancedHunting.Read.All"}})
    [incident] = xdr_scenarios.add_incidents(world)
    change = {"url": f"{url}/{incident}", "json": {"status": "Active"}, "timeout": 30}
    assert sign_in(ENDPOINT_AUDIENCE).get(url, timeout=30).status_code == 401
    assert sign_in(XDR_AUDIENCE, reader).get(url, timeout=30).status_code == 200
    assert sign_in(XDR_AUDIENCE, reader).patch(**change).status_code == 403
    refused = sign_in(XDR_AUDIENCE, hunter).get(url, timeout=30)
    assert refused.status_code == 403
    assert "Incident.Read.All,Incident.ReadWrite.All" in refused.json()["error"]["message"]


def test_hunting_answers_a_table(world, simulator, sign_in):
    """With the XDR API's capitals; what it cannot resolve is refused in words."""
    ids = [
        one
        for number in xdr_scenarios.add_incidents(world, count=3)
        for one in xdr_scenarios.alerts_of_incident(world, number)
    ]
    session, url = sign_in(XDR_AUDIENCE), f"{simulator.url}/api/advancedhunting/run"
    query = {"Query": "AlertInfo | where Timestamp > ago(1d) | project Timestamp, AlertId | take 10"}
    table = session.post(url, json=query, timeout=30).json()
    assert table["Schema"] == [
        {"Name": "Timestamp", "Type": "DateTime"},
        {"Name": "AlertId", "Type": "String"},
    ]
    assert sorted(row["AlertId"] for row in table["Results"]) == sorted(ids)
    refused = session.post(url, json={"Query": "Nothing | take 1"}, timeout=30)
    assert refused.status_code == 400
    assert "'Nothing' could not be resolved" in refused.json()["error"]["message"]


def test_the_command_line_makes_incidents(control):
    """Over the control API."""
    [made] = control("/scenarios/xdr/incidents", "POST", json={"alerts": 2}).json()["result"]
    [joined] = control("/scenarios/xdr/join", "POST", json={"incident_id": made}).json()["result"]
    assert control("/alerts/xdr").json()["ids"] == [made]
    assert joined in control("/alerts/graph").json()["ids"]
    assert control("/scenarios/xdr/merge", "POST", json={"incident_id": "9", "into": made}).status_code == 404
