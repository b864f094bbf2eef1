"""Defender XDR over both ways against the simulated Microsoft cloud, over https and with the real client."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.errors import BadRequest, NotFound, PermissionMissing, Throttled, TryLater
from shared.nouns.detections import Status, instant_of
from shared.nouns.identity import aliases
from shared.nouns.incidents import IncidentChange
from shared.vendors.registry import VENDORS
from simulator import graph_scenarios, scenarios, xdr_scenarios
from simulator.sample import GRAPH_AUDIENCE, TENANT_ID, XDR_AUDIENCE
from simulator.world import App

VENDOR = VENDORS["defender_xdr"]
HOUR = timedelta(hours=1)
pytestmark = pytest.mark.peer
both_ways = pytest.mark.parametrize("way", ["graph", "xdr"])


@pytest.fixture
def over(world, reach):
    """A connection over a way, to a service that does not count calls unless it is told to."""

    def build(way, *, throttle=False, client_id=None):
        for part in ("graph", "xdr"):
            scenarios.switches(world, part).throttle = throttle
        return reach("defender_xdr", client_id, api=way)

    return build


@pytest.fixture
def app(world):
    """Registers an application with these roles; gives its client id."""

    def register(roles: dict[str, set[str]]) -> str:
        client_id = str(uuid4())
        world.add(App(str(uuid4()), TENANT_ID, "another", roles, {}, client_id))
        return client_id

    return register


def _read(connection: Any, cursor: Any = None) -> tuple[list[Any], list[Any], Any]:
    """Incidents, detections and the last cursor of a walk, which must end with `done`."""
    pages = list(VENDOR.fetch(connection, cursor))
    assert pages[-1].done
    incidents = [VENDOR.to_incident(one) for page in pages for one in page.incidents]
    alerts = [VENDOR.to_detection(one) for page in pages for one in page.alerts]
    return incidents, alerts, pages[-1].cursor


@both_ways
@pytest.mark.parametrize("nextlink", ["always", "never"])
@pytest.mark.parametrize("newest_by", ["created", "updated"])
def test_a_backlog_with_ties_is_read_whole(world, over, way, nextlink, newest_by):
    """Every incident with every alert, in pages, whatever the service's order and links."""
    made = xdr_scenarios.add_incidents(world, count=130, alerts=2, within=72 * HOUR, ends=-HOUR)
    made += xdr_scenarios.tie_incidents(world, count=30, age=2 * HOUR)
    for number in made[:40:3]:
        xdr_scenarios.update_incident(world, number, fields={"status": "inProgress"})
    switches = scenarios.switches(world, "xdr")
    switches.nextlink = scenarios.switches(world, "graph").nextlink = nextlink
    switches.newest_by = newest_by
    incidents, alerts, _ = _read(over(way))
    assert {one.number for one in incidents} == set(made)
    assert {one.native_id for one in alerts} == set(graph_scenarios.graph_ids(world))
    known = {one.number: set(one.alert_ids) for one in incidents}
    assert all(one.native_id in known[str(one.incident_id)] for one in alerts)


def test_both_ways_read_the_same(world, over):
    """Of every incident and every alert: id, title, severity, status, times, incident, aliases. Words that
    nobody knows keep the casing of their API."""
    for fixture in (None, "endpoint_powershell", "office_phishing", "entra_risk", "words_nobody_knows"):
        xdr_scenarios.add_incidents(world, count=2, alerts=3, within=HOUR, fixture=fixture)
    graph, xdr = (_read(over(way)) for way in ("graph", "xdr"))
    fields = (
        "number",
        "title",
        "severity",
        "status",
        "created",
        "updated",
        "alert_ids",
        "tags",
        "assigned_to",
    )
    said = [{tuple(str(getattr(i, f)).lower() for f in fields) for i in one[0]} for one in (graph, xdr)]
    assert said[0] == said[1]
    fields = ("native_id", "severity", "status", "created", "updated", "incident_id", "classification")
    said = [{tuple(str(getattr(a, f)).lower() for f in fields) for a in one[1]} for one in (graph, xdr)]
    assert said[0] == said[1]
    by_id = {a.native_id: a for a in graph[1]}
    assert all(set(aliases(a)) & set(aliases(by_id[a.native_id])) for a in xdr[1])


@both_ways
def test_updates_joins_and_late_incidents_are_seen_by_the_next_walk(world, over, way):
    """A status, a new alert in an old incident, and an incident that was ten minutes late."""
    old, other = xdr_scenarios.add_incidents(world, count=2, alerts=2, within=HOUR)
    _, _, cursor = _read(over(way))
    [joined] = xdr_scenarios.add_alerts_to_incident(world, old)
    xdr_scenarios.update_incident(world, other, fields={"status": "resolved"})
    [late] = xdr_scenarios.late_incidents(world, age=timedelta(minutes=10))
    world.advance(60)
    incidents, alerts, _ = _read(over(way), cursor)
    assert {old, other, late} <= {one.number for one in incidents}
    assert joined in {one.native_id for one in alerts}
    assert next(one for one in incidents if one.number == other).status == "resolved"


@both_ways
def test_a_merge_moves_the_alerts(world, over, way):
    """The one that is left names them all; the other says where it went."""
    gone, left = xdr_scenarios.add_incidents(world, count=2, alerts=2)
    _, _, cursor = _read(over(way))
    world.advance(60)
    xdr_scenarios.merge_incidents(world, gone, left)
    incidents, alerts, _ = _read(over(way), cursor)
    found = {one.number: one for one in incidents}
    assert (found[gone].merged_into, found[gone].status) == (left, Status.dismissed)
    assert len(found[left].alert_ids) == 4
    assert {one.incident_id for one in alerts} == {left}


def test_members_that_show_late_are_read_when_they_do(world, over):
    """The incident changed at once, its new alert is visible four minutes later."""
    [number] = xdr_scenarios.add_incidents(world)
    _, _, cursor = _read(over("graph"))
    world.advance(60)
    [late] = xdr_scenarios.add_alerts_to_incident(world, number, member_lag=timedelta(minutes=4))
    seen: set[str] = set()
    for _ in range(14):
        world.advance(60)
        _, alerts, cursor = _read(over("graph"), cursor)
        seen |= {one.native_id for one in alerts}
    assert late in seen


def test_the_alerts_are_never_expanded(world, over):
    """A tenant that answers $expand with 500 is read like any other."""
    xdr_scenarios.add_incidents(world, count=3, alerts=2)
    scenarios.switches(world, "graph").expand_alerts_fails = True
    incidents, alerts, _ = _read(over("graph"))
    assert (len(incidents), len(alerts)) == (3, 6)


def test_a_quiet_minute_costs_one_call(world, over):
    """The list; members are asked for when their incident has changed, and once more when that is old."""
    xdr_scenarios.add_incidents(world, count=8, alerts=2, within=HOUR, ends=-timedelta(minutes=11))
    _, _, cursor = _read(over("graph"))
    world.advance(60)
    before = world.count("/v1.0/security")
    _, _, cursor = _read(over("graph"), cursor)
    assert world.count("/v1.0/security") == before + 1


@both_ways
@pytest.mark.parametrize("resume", ["seconds", "span"])
def test_the_quota_delays_and_loses_nothing(world, over, way, resume):
    """Each refusal says how long to wait, over the XDR API in the body only; then the walk goes on."""
    xdr_scenarios.add_incidents(world, count=120, alerts=1, within=48 * HOUR)
    connection = over(way, throttle=True)
    scenarios.switches(world, "xdr").resume = resume
    scenarios.switches(world, "xdr").page_size = 5
    cursor, seen, waits = None, set(), []
    for _ in range(20):
        try:
            for page in VENDOR.fetch(connection, cursor):
                seen |= {VENDOR.to_detection(one).native_id for one in page.alerts}
                cursor = page.cursor
        except Throttled as error:
            waits.append(error.retry_after)
            world.advance(error.retry_after or 0)
            continue
        break
    assert seen == set(graph_scenarios.graph_ids(world))
    assert waits
    assert set(waits) == {60.0}


@both_ways
def test_paging_that_never_ends_is_an_error(world, over, way):
    """Not a poll that runs until it is killed."""
    xdr_scenarios.add_incidents(world, count=5, within=HOUR)
    scenarios.endless_nextlink(world, way)
    with pytest.raises(TryLater, match="nextLink never ends"):
        list(VENDOR.fetch(over(way), None))


@both_ways
def test_a_sweep_finds_what_came_too_late_for_polls(world, over, way):
    """Hours late, in an incident of its own and in an old one."""
    [old] = xdr_scenarios.add_incidents(world, ends=-30 * HOUR)
    late = xdr_scenarios.alerts_of_incident(world, *xdr_scenarios.late_incidents(world, age=6 * HOUR))
    late += xdr_scenarios.add_alerts_to_incident(world, old, fixture="office_phishing")
    swept = VENDOR.sweep(over(way), instant_of(world.now() - 24 * HOUR))
    assert set(late) <= {VENDOR.to_detection(one).native_id for rows in swept for one in rows}


@both_ways
def test_one_endpoint_alert_is_one_alert_over_both(world, over, way):
    """Its aliases meet those of Endpoint's own view."""
    [own] = scenarios.add_endpoint_alerts(world)
    mirrored = graph_scenarios.graph_view_of_endpoint(world, own)
    xdr_scenarios.add_incidents(world, of=[mirrored])
    _, [seen], _ = _read(over(way))
    assert own.removeprefix("da") in aliases(seen)


@both_ways
def test_a_change_arrives_and_the_answer_is_the_incident_as_it_is_then(world, over, way):
    """As a poll would bring it, with its alerts named and the comment added."""
    [number] = xdr_scenarios.add_incidents(world, alerts=2)
    connection = over(way)
    world.advance(30)
    change = IncidentChange(
        status=Status.resolved,
        assigned_to="ada@fabrikam-soc.example",
        classification="TruePositive",
        determination="malware",
        tags=("one", "two"),
        comment="Cleaned.",
    )
    after = VENDOR.change_incident(connection, number, change)
    [polled], _, _ = _read(connection)
    assert after == polled
    assert (after.status, after.classification, after.determination) == (
        "resolved",
        "truePositive",
        "malware",
    )
    assert (after.tags, after.comments[-1].text, len(after.alert_ids)) == (("one", "two"), "Cleaned.", 2)
    cleared = VENDOR.change_incident(
        connection, number, IncidentChange(assigned_to="", comment="Mine no more.")
    )
    assert cleared.assigned_to is None
    assert cleared.status == "resolved"
    assert len(cleared.comments) == 2


@both_ways
def test_what_cannot_be_changed_says_why(world, over, app, way):
    """An incident that is not there, a pairing that the vendor refuses, a role that is missing."""
    [number] = xdr_scenarios.add_incidents(world)
    connection = over(way)
    scenarios.switches(world, "graph").paired_determinations = True
    with pytest.raises(NotFound):
        VENDOR.change_incident(connection, "99999", IncidentChange(status=Status.active))
    # Without its classification only the vendor knows whether it belongs.
    with pytest.raises(BadRequest, match="determination"):
        VENDOR.change_incident(connection, number, IncidentChange(determination="malware"))
    roles = {GRAPH_AUDIENCE: {"SecurityIncident.Read.All"}, XDR_AUDIENCE: {"Incident.Read.All"}}
    reader = over(way, client_id=app(roles))
    with pytest.raises(PermissionMissing, match="ReadWrite"):
        VENDOR.change_incident(reader, number, IncidentChange(status=Status.active))


@both_ways
def test_hunting_gives_a_table(world, over, way):
    """Columns with their types, rows by column name; a query that is none is the caller's to mend."""
    xdr_scenarios.add_incidents(world, count=2, alerts=2)
    result = VENDOR.hunt(over(way), "AlertInfo | project Timestamp, AlertId", None)
    assert next((column.name, column.type) for column in result.columns) == ("Timestamp", "DateTime")
    assert {row["AlertId"] for row in result.rows} == set(graph_scenarios.graph_ids(world))
    with pytest.raises(BadRequest, match="Nowhere"):
        VENDOR.hunt(over(way), "Nowhere | take 1", None)


@both_ways
def test_the_check_names_what_the_token_lacks(world, over, app, way):
    """A token with the other API's roles only."""
    other = {
        "graph": {XDR_AUDIENCE: {"Incident.Read.All"}},
        "xdr": {GRAPH_AUDIENCE: {"SecurityIncident.Read.All"}},
    }
    good, bad = VENDOR.check(over(way)), VENDOR.check(over(way, client_id=app(other[way])))
    assert good.ok
    assert all(one.works for one in good.features)
    assert not bad.ok
    needed = "SecurityIncident.Read.All" if way == "graph" else "Incident.Read.All"
    missing = next(one.missing for one in bad.features if one.feature == "read_incidents")
    assert (missing or "").startswith(needed)
    assert "Missing application roles" in bad.summary
