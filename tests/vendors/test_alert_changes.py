"""Changing alerts at their vendors, against the simulated Microsoft cloud, over https."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from shared.errors import BadRequest, Conflict, NotFound, PermissionMissing, Refused, Throttled, TryLater
from shared.nouns.alert_change import AlertChange
from shared.nouns.detections import Channel, Detection
from shared.vendors import changes, cloud_changes
from shared.vendors.abilities import AlertVendor
from shared.vendors.registry import VENDORS
from simulator import graph_scenarios, scenarios, xdr_scenarios
from simulator.faults import Fault
from simulator.sample import ENDPOINT_AUDIENCE, SUBSCRIPTION_ID, TENANT_ID
from simulator.world import App

ALERT_VENDORS = {"defender_endpoint", "defender_for_cloud", "defender_xdr", "graph_security"}
pytestmark = pytest.mark.peer
HOUR = timedelta(hours=1)


@pytest.fixture
def known(world, reach):
    """Makes an alert at a vendor; gives the vendor, a connection, and the alert as it was polled."""

    def make(slug, client_id=None):
        if slug == "defender_for_cloud":
            scenarios.add_cloud_alerts(world, fixture="vm_suspicious_process")
        elif slug == "graph_security":
            graph_scenarios.add_graph_alerts(world)
        elif slug == "defender_xdr":
            xdr_scenarios.add_incidents(world)
        else:
            scenarios.add_endpoint_alerts(world, fixture="encoded_powershell")
        connection = reach(slug)
        raw = next(alert for page in VENDORS[slug].fetch(connection, None) for alert in page.alerts)
        return VENDORS[slug], reach(slug, client_id), VENDORS[slug].to_detection(raw)

    return make


@pytest.fixture
def powerless(world):
    """The client id of an app that may only read."""
    client_id = str(uuid4())
    app = App(str(uuid4()), TENANT_ID, "reader", {ENDPOINT_AUDIENCE: {"Alert.Read.All"}}, {}, client_id)
    app.arm_roles = {SUBSCRIPTION_ID: {"Security Reader"}}
    world.add(app)
    return client_id


def test_these_vendors_can_change_alerts():
    """And every one of them says how far that reaches."""
    found = {slug: v for slug, v in VENDORS.items() if isinstance(v, AlertVendor)}
    assert set(found) >= ALERT_VENDORS
    assert found["graph_security"].authority > found["defender_endpoint"].authority
    assert found["defender_endpoint"].authority > found["defender_for_cloud"].authority


@pytest.mark.parametrize("slug", sorted(ALERT_VENDORS))
@pytest.mark.parametrize("status", ["in_progress", "resolved", "active"])
def test_a_status_arrives_and_the_answer_is_the_alert_as_it_is_then(known, slug, status):
    """With everything that a poll would bring."""
    vendor, connection, before = known(slug)
    after = vendor.to_detection(vendor.change_alert(connection, before, AlertChange(status=status)))
    polled = [vendor.to_detection(a) for page in vendor.fetch(connection, None) for a in page.alerts]
    assert (after.native_id, after.status) == (before.native_id, status)
    assert len(after.evidence) == len(before.evidence)
    assert [one.fingerprint for one in polled] == [after.fingerprint]


@pytest.mark.parametrize("slug", ["defender_endpoint", "graph_security"])
@pytest.mark.parametrize("spelled", [("FalsePositive", "Clean"), ("falsePositive", "notMalicious")])
def test_a_case_is_closed_with_reasons_and_a_comment(known, slug, spelled):
    """In the spelling of either API."""
    vendor, connection, before = known(slug)
    classification, determination = spelled
    change = AlertChange(
        status="resolved",
        assigned_to="ana@example.test",
        classification=classification,
        determination=determination,
        comment="A test of ours.",
    )
    after = vendor.to_detection(vendor.change_alert(connection, before, change))
    assert after.status == "resolved"
    assert after.assigned_to == "ana@example.test"
    assert (after.classification or "").lower() == "falsepositive"
    assert (after.determination or "").lower() in ("clean", "notmalicious")
    assert after.comments[-1].text == "A test of ours."


@pytest.mark.parametrize("slug", ["defender_endpoint", "graph_security"])
def test_a_comment_alone_is_a_change(known, slug):
    """It leaves the rest as it is."""
    vendor, connection, before = known(slug)
    after = vendor.to_detection(vendor.change_alert(connection, before, AlertChange(comment="Seen.")))
    assert after.status == before.status
    assert after.comments[-1].text == "Seen."


@pytest.mark.parametrize("slug", ["defender_endpoint", "graph_security"])
def test_what_cannot_be_dismissed_says_what_to_do_instead(known, slug, world):
    """Nothing is sent."""
    vendor, connection, before = known(slug)
    calls = sum(world.requests.values())
    with pytest.raises(BadRequest, match="Resolve it"):
        vendor.change_alert(connection, before, AlertChange(status="dismissed"))
    assert sum(world.requests.values()) == calls


def test_an_alert_of_the_cloud_can_be_dismissed_and_nothing_else(known):
    """It has no assignee and no comments."""
    vendor, connection, before = known("defender_for_cloud")
    after = vendor.change_alert(connection, before, AlertChange(status="dismissed"))
    assert vendor.to_detection(after).status == "dismissed"
    for more in ({"comment": "x"}, {"assigned_to": "x"}, {"classification": "x", "status": "resolved"}):
        with pytest.raises(BadRequest, match="only the status"):
            vendor.change_alert(connection, before, AlertChange(**more))


def test_an_alert_that_came_by_webhook_is_changed_by_the_parts_of_its_link(world, reach):
    """An event has no ARM id."""
    vendor, connection = VENDORS["defender_for_cloud"], reach("defender_for_cloud")
    (name,) = scenarios.add_cloud_alerts(world, fixture="vm_suspicious_process")
    pushed = vendor.to_detection(scenarios.webhook_body(world, name=name), channel=Channel.webhook)
    assert "armId" not in pushed.properties
    after = vendor.change_alert(connection, pushed, AlertChange(status="resolved"))
    assert vendor.to_detection(after).status == "resolved"


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"subscriptionId": SUBSCRIPTION_ID},
        {"armId": f"/subscriptions/{SUBSCRIPTION_ID}/providers/Microsoft.Compute/disks/d"},
        {"armId": "https://evil.example/x", "location": "westeurope"},
        {"subscriptionId": "../..", "location": "westeurope"},
        {"subscriptionId": SUBSCRIPTION_ID, "location": "westeurope/../../x"},
    ],
)
def test_an_address_that_could_be_anything_else_is_not_called(properties):
    """Whoever has the webhook's key could otherwise have anything changed."""
    made_up = Detection(native_id="2516_a", title="t", properties=properties)
    with pytest.raises(BadRequest, match="does not say where it lives"):
        cloud_changes.address_of(made_up)


@pytest.mark.parametrize("named", ["armId", "subscriptionId"])
def test_an_alert_of_another_subscription_is_not_changed(known, named, world):
    """Whoever has one configuration's webhook key could otherwise have another subscription's alerts
    closed."""
    vendor, connection, before = known("defender_for_cloud")
    other = "0e0e0e0e-0000-4000-8000-000000000000"
    properties = {**before.properties, "subscriptionId": other}
    if named == "armId":
        properties["armId"] = before.properties["armId"].replace(SUBSCRIPTION_ID, other)
    else:
        del properties["armId"]
    calls = sum(world.requests.values())
    forged = before.model_copy(update={"properties": properties})
    with pytest.raises(BadRequest, match="another subscription"):
        vendor.change_alert(connection, forged, AlertChange(status="dismissed"))
    assert sum(world.requests.values()) == calls


@pytest.mark.parametrize(
    ("slug", "missing"),
    [("defender_endpoint", "Alert.ReadWrite.All"), ("defender_for_cloud", "Security Admin")],
)
def test_who_may_only_read_is_told_what_is_missing(known, powerless, slug, missing):
    """In the vendor's words."""
    vendor, connection, before = known(slug, powerless)
    with pytest.raises(PermissionMissing, match=missing):
        vendor.change_alert(connection, before, AlertChange(status="resolved"))


@pytest.mark.parametrize("slug", sorted(ALERT_VENDORS))
def test_an_alert_that_is_gone_is_not_found(known, slug, world):
    """Not a success, and not an outage."""
    vendor, connection, before = known(slug)
    arm = {"armId": f"{before.properties['armId'][:-1]}0"} if slug == "defender_for_cloud" else {}
    gone = before.model_copy(
        update={"native_id": f"{before.native_id}0", "properties": {**before.properties, **arm}}
    )
    with pytest.raises(NotFound):
        vendor.change_alert(connection, gone, AlertChange(status="resolved"))


def test_a_word_that_the_vendor_does_not_know_is_the_callers(known):
    """With what it says."""
    vendor, connection, before = known("defender_endpoint")
    with pytest.raises(BadRequest, match="classification"):
        vendor.change_alert(connection, before, AlertChange(classification="Whatever"))


@pytest.mark.parametrize("slug", sorted(ALERT_VENDORS))
def test_a_change_that_cannot_be_read_again_was_made(known, slug, world):
    """Asking for it again would comment twice."""
    vendor, connection, before = known(slug)
    world.faults.append(Fault("/", "503", method="GET"))
    assert vendor.change_alert(connection, before, AlertChange(status="resolved")) is None
    world.faults.clear()
    (page, *_) = vendor.fetch(connection, None)
    assert vendor.to_detection(page.alerts[0]).status == "resolved"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Refused("No.", status=409), Conflict),
        (Throttled("Wait.", retry_after=5), Throttled),
        (TryLater("Away."), TryLater),
    ],
)
def test_what_goes_wrong_keeps_its_meaning(connect, error, raised):
    """Changed meanwhile, busy, away."""

    class Failing:
        def post(self, *_args, **_more):
            raise error

    connection = connect(Failing(), options={"subscription_id": SUBSCRIPTION_ID})
    location = {"subscriptionId": SUBSCRIPTION_ID, "location": "westeurope"}
    alert = Detection(native_id="2516_a", title="t", properties=location)
    with pytest.raises(raised):
        cloud_changes.change_alert(connection, alert, AlertChange(status="resolved"))


def test_words_of_either_spelling_are_each_others():
    """Endpoint and Graph call four determinations by different names."""
    for endpoint, graph in changes._RENAMED.items():
        for word in (endpoint, graph):
            change = AlertChange(determination=word)
            assert changes.endpoint_body(change) == {"determination": endpoint}
            assert changes.graph_body(change) == {"determination": graph}
    assert changes.graph_body(AlertChange(status="in_progress", assigned_to="")) == {
        "status": "inProgress",
        "assignedTo": "",
    }
