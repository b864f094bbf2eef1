"""Microsoft Sentinel against the simulated Microsoft cloud, over https and with the real client."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.errors import BadRequest, Conflict, NotFound, PermissionMissing, TryLater
from shared.nouns.detections import Status
from shared.nouns.identity import aliases
from shared.nouns.incidents import IncidentChange
from shared.vendors.abilities import IncidentVendor
from shared.vendors.registry import VENDORS
from simulator import scenarios as common
from simulator import sentinel_scenarios as scenarios
from simulator.faults import Fault
from simulator.sample import SUBSCRIPTION_ID, TENANT_ID, WORKSPACE_ID
from simulator.world import App, World

SLUG = "sentinel"
VENDOR = VENDORS[SLUG]
HOUR = timedelta(hours=1)
assert isinstance(VENDOR, IncidentVendor)


def _poll(connection: Any, cursor: Any = None) -> tuple[list[Any], list[Any], Any]:
    """A whole walk: detections, incidents and the cursor."""
    pages = list(VENDOR.fetch(connection, cursor))
    found = [VENDOR.to_detection(row) for page in pages for row in page.alerts]
    return found, [VENDOR.to_incident(row) for page in pages for row in page.incidents], pages[-1].cursor


def _read(connection: Any, name: str) -> Any:
    """One incident as it is at the vendor."""
    path = f"{WORKSPACE_ID}/providers/Microsoft.SecurityInsights/incidents/{name}"
    return connection.api.get(path, {"api-version": "2025-09-01"})


def _user(world: World, *roles: str, scope: str = WORKSPACE_ID.lower()) -> str:
    """Another app with these roles; its client id."""
    client_id = str(uuid4())
    world.add(App(str(uuid4()), TENANT_ID, "another", {}, {scope: set(roles)}, client_id))
    return client_id


@pytest.mark.parametrize("page_size", [3, 1000])
def test_a_backlog_with_ties_is_read_whole(world, reach, page_size):
    """Every incident with every alert, whatever the service cuts pages to."""
    common.switches(world, "sentinel").largest_page = page_size
    names = scenarios.add_incidents(world, count=40, within=6 * HOUR) + scenarios.tie_incidents(
        world, count=9
    )
    found, incidents, _ = _poll(reach(SLUG))
    assert {one.native_id for one in incidents} == set(names)
    assert {one.native_id for one in found} == set(scenarios.alert_ids(world))
    assert {id for one in incidents for id in one.alert_ids} == {one.native_id for one in found}


def test_a_change_a_joined_alert_and_a_late_incident_are_seen_by_the_next_poll(world, reach):
    """And nothing else is read again."""
    first, second, _ = scenarios.add_incidents(world, count=3, fixture="scheduled_rule", within=HOUR)
    _, _, cursor = _poll(reach(SLUG))
    scenarios.update_incident(world, first, fields={"status": "Closed", "classification": "TruePositive"})
    joined = scenarios.add_alert(world, second)
    late = scenarios.late_incidents(world, age=timedelta(minutes=10))
    world.advance(60)
    found, incidents, cursor = _poll(reach(SLUG), cursor)
    assert {one.native_id for one in incidents} == {first, second, *late}
    assert joined in {one.native_id for one in found}
    closed = [one for one in found if one.incident_id == first]
    assert {one.status for one in closed} == {Status.resolved}
    before = world.count(WORKSPACE_ID)
    assert _poll(reach(SLUG), cursor)[:2] == ([], [])
    assert world.count(WORKSPACE_ID) - before == 1


def test_what_endpoint_and_defender_for_cloud_report_themselves_is_the_same_detection(world, reach):
    """Read from them, and from the workspace that copied it."""
    [machine] = common.add_endpoint_alerts(world)
    [database] = common.add_cloud_alerts(world)
    scenarios.add_incidents(world, fixture="xdr_incident", provider_alert_ids=[machine])
    scenarios.add_incidents(world, fixture="defender_for_cloud", provider_alert_ids=[database])
    copied, incidents, _ = _poll(reach(SLUG))
    for slug in ("defender_endpoint", "defender_for_cloud"):
        vendor = VENDORS[slug]
        [own] = [vendor.to_detection(row) for page in vendor.fetch(reach(slug), None) for row in page.alerts]
        same = [one for one in copied if set(aliases(one)) & set(aliases(own))]
        assert len(same) == 1, slug
    numbered = [one for one in incidents if one.number]
    assert [one.number for one in numbered] == [d.incident_id for d in copied if d.incident_id.isdigit()]


def test_a_redirected_incident_is_done_with(world, reach):
    """The label stays for who looks for it."""
    [name] = scenarios.add_incidents(world, fixture="xdr_incident")
    scenarios.redirect_incident(world, name)
    [incident] = _poll(reach(SLUG))[1]
    assert (incident.status, incident.tags) == (Status.dismissed, ("redirected",))


def test_a_list_that_never_ends_is_an_error(world, reach):
    """Not a poll that runs until it is killed."""
    scenarios.add_incidents(world, count=3, within=HOUR)
    common.endless_nextlink(world, "sentinel")
    with pytest.raises(TryLater, match="never ends"):
        _poll(reach(SLUG))


def test_an_outage_of_one_call_stops_nothing(world, reach):
    """What could not be read is read by the next poll."""
    names = scenarios.add_incidents(world, count=4, fixture="scheduled_rule", ends=-HOUR)
    path = f"{WORKSPACE_ID}/providers/Microsoft.SecurityInsights/incidents/{names[1]}/alerts"
    world.faults.append(Fault(path, "500", times=1))
    first, incidents, cursor = _poll(reach(SLUG))
    second, _, _ = _poll(reach(SLUG), cursor)
    assert len(incidents) == 4
    assert {one.incident_id for one in first} == {*names} - {names[1]}
    assert {one.incident_id for one in second} == {names[1]}


def test_a_sweep_lists_the_alerts_of_what_was_modified_since(world, reach):
    """For the ledger."""
    old, new = scenarios.add_incidents(world, count=2, within=4 * HOUR, fixture="scheduled_rule")
    since = (world.now() - HOUR).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
    found = [VENDOR.to_detection(row) for page in VENDOR.sweep(reach(SLUG), since) for row in page]
    assert {one.incident_id for one in found} == {new}
    assert old != new


def test_a_change_sends_everything_again_and_changes_what_was_asked(world, reach):
    """A PUT that left something out would have deleted it."""
    owner = {"objectId": None, "email": "a@b.example", "assignedTo": "A", "userPrincipalName": "a@b.example"}
    labels = [{"labelName": "Tier 1", "labelType": "AutoAssigned"}, {"labelName": "old", "labelType": "User"}]
    fields = {"owner": owner, "labels": labels}
    [name] = scenarios.add_incidents(world, fixture="scheduled_rule", fields=fields)
    before = _read(reach(SLUG), name)["properties"]

    changed = VENDOR.change_incident(
        reach(SLUG), name, IncidentChange(status=Status.in_progress, tags=("new",))
    )

    after = _read(reach(SLUG), name)["properties"]
    assert (changed.status, changed.tags) == (Status.in_progress, ("Tier 1", "new"))
    assert len(changed.alert_ids) == 2
    moved = {"status", "labels", "lastModifiedTimeUtc"}
    assert {k: v for k, v in after.items() if k not in moved} == {
        k: v for k, v in before.items() if k not in moved
    }


@pytest.mark.parametrize(
    ("change", "status", "classification", "reason"),
    [
        (IncidentChange(status=Status.resolved), "Closed", "Undetermined", None),
        (
            IncidentChange(
                status=Status.resolved, classification="false positive", determination="inaccuratedata"
            ),
            *("Closed", "FalsePositive", "InaccurateData"),
        ),
        (
            IncidentChange(status=Status.resolved, classification="informationalExpectedActivity"),
            *("Closed", "BenignPositive", None),
        ),
    ],
)
def test_closing(world, reach, change, status, classification, reason):
    """With a verdict in Sentinel's words or in Graph's, or none at all."""
    [name] = scenarios.add_incidents(world, fixture="scheduled_rule")
    changed = VENDOR.change_incident(reach(SLUG), name, change)
    assert (changed.status, changed.vendor_status) == (Status.resolved, status)
    assert (changed.classification, changed.determination) == (classification, reason)


def test_opening_again_takes_the_verdict_back(world, reach):
    """And another verdict does not keep the reason of the first."""
    verdict = {"classification": "FalsePositive", "classificationReason": "InaccurateData"}
    fields = {"status": "Closed", **verdict, "classificationComment": "A proxy."}
    [name] = scenarios.add_incidents(world, fixture="scheduled_rule", fields=fields)
    other = VENDOR.change_incident(reach(SLUG), name, IncidentChange(classification="TruePositive"))
    again = VENDOR.change_incident(reach(SLUG), name, IncidentChange(status=Status.active))
    assert (other.classification, other.determination) == ("TruePositive", None)
    assert (again.status, again.classification, again.determination) == (Status.active, None, None)
    assert "classificationComment" not in _read(reach(SLUG), name)["properties"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ("rosa@fabrikam.example", "userPrincipalName"),
        ("4a1c0000-1111-4222-8333-444455556666", "objectId"),
    ],
)
def test_assigning_and_taking_the_assignment_away(world, reach, wanted, field):
    """By sign-in name or object id; empty is nobody."""
    [name] = scenarios.add_incidents(world, fixture="odd_words", fields={"severity": "Low", "status": "New"})
    assigned = VENDOR.change_incident(reach(SLUG), name, IncidentChange(assigned_to=wanted))
    assert assigned.assigned_to == wanted
    assert _read(reach(SLUG), name)["properties"]["owner"][field] == wanted
    assert VENDOR.change_incident(reach(SLUG), name, IncidentChange(assigned_to="")).assigned_to is None


def test_a_comment_is_added_without_touching_the_rest(world, reach):
    """It comes back with the incident, and so does the next one."""
    [name] = scenarios.add_incidents(world, fixture="scheduled_rule")
    before = _read(reach(SLUG), name)["properties"]
    VENDOR.change_incident(reach(SLUG), name, IncidentChange(comment="Looking."))
    changed = VENDOR.change_incident(
        reach(SLUG), name, IncidentChange(comment="Done.", status=Status.resolved)
    )
    assert {one.text for one in changed.comments} == {"Looking.", "Done."}
    assert all(one.author for one in changed.comments)
    assert changed.version == _read(reach(SLUG), name)["etag"]
    assert _read(reach(SLUG), name)["properties"]["description"] == before["description"]


def test_somebody_else_was_faster(world, reach):
    """Their change is not undone: it is told, and the next try works."""
    [name] = scenarios.add_incidents(world, fixture="scheduled_rule")
    connection = reach(SLUG)
    get = connection.api.get

    def slow(path: str, params: Any = None) -> Any:
        found = get(path, params)
        scenarios.update_incident(world, name, fields={"title": "Theirs"})
        return found

    connection.api.get = slow
    with pytest.raises(Conflict):
        VENDOR.change_incident(connection, name, IncidentChange(status=Status.resolved, comment="Mine."))
    kept = _read(reach(SLUG), name)["properties"]
    assert (kept["title"], kept["status"], kept["additionalData"]["commentsCount"]) == ("Theirs", "New", 0)
    changed = VENDOR.change_incident(reach(SLUG), name, IncidentChange(status=Status.resolved))
    assert (changed.title, changed.status) == ("Theirs", Status.resolved)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (IncidentChange(status=Status.dismissed), "no status 'dismissed'.*FalsePositive"),
        (IncidentChange(classification="maybe"), "no classification 'maybe'. Use one of: TruePositive"),
        (IncidentChange(determination="apt"), "no reason of a classification 'apt'"),
    ],
)
def test_what_sentinel_does_not_have_is_refused_with_what_it_has(world, reach, change, words):
    """Before anything is called."""
    with pytest.raises(BadRequest, match=words):
        VENDOR.change_incident(reach(SLUG), "any", change)
    assert world.count(WORKSPACE_ID) == 0


def test_an_incident_that_is_gone_and_a_change_that_is_refused(world, reach):
    """Each is told to who asked."""
    with pytest.raises(NotFound):
        VENDOR.change_incident(reach(SLUG), "none", IncidentChange(status=Status.resolved))
    [name] = scenarios.add_incidents(world, fixture="odd_words")
    with pytest.raises(BadRequest, match="Catastrophic"):
        VENDOR.change_incident(reach(SLUG), name, IncidentChange(status=Status.resolved))


def test_a_reader_reads_and_does_not_change(world, reach):
    """The check knows before; the words name the role and where it is assigned."""
    [name] = scenarios.add_incidents(world, fixture="scheduled_rule")
    reader = reach(SLUG, _user(world, "Microsoft Sentinel Reader"))
    check = VENDOR.check(reader)
    assert check.ok
    assert [one.works for one in check.features] == [True, True, False]
    assert "Microsoft Sentinel Responder" in (check.features[2].missing or "")
    assert [one.works for one in VENDOR.check(reach(SLUG)).features] == [True, True, True]
    assert len(_poll(reader)[0]) == 2
    with pytest.raises(PermissionMissing, match="Microsoft Sentinel Responder on the workspace"):
        VENDOR.change_incident(reader, name, IncidentChange(status=Status.resolved))


@pytest.mark.parametrize(
    ("scope", "role", "words"),
    [
        (WORKSPACE_ID.lower(), "Other", "Microsoft Sentinel Reader on the workspace"),
        (SUBSCRIPTION_ID, "Security Reader", "Microsoft Sentinel Reader on the workspace"),
    ],
)
def test_a_check_without_the_role_names_it(world, reach, scope, role, words):
    """Defender for Cloud's roles are others."""
    check = VENDOR.check(reach(SLUG, _user(world, role, scope=scope)))
    assert not check.ok
    assert words in check.summary
    assert [one.works for one in check.features] == [False, False, None]


def test_a_check_reads_an_incidents_alerts_as_well(world, reach):
    """Should that take more than reading incidents, it is said."""
    scenarios.add_incidents(world)
    common.switches(world, "sentinel").alerts_need_responder = True
    check = VENDOR.check(reach(SLUG, _user(world, "Microsoft Sentinel Reader")))
    assert {one.feature.value: one.works for one in check.features} == {
        "read_alerts": False,
        "read_incidents": True,
        "change_status": False,
    }
    assert "Microsoft Sentinel Responder" in check.summary
