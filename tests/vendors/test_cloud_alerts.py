"""One Defender for Cloud alert is the same detection in whichever dialect it comes."""

from __future__ import annotations

import copy
import json

import pytest

from shared.nouns.detections import AssetKind, Channel, Severity, Status
from shared.vendors.cloud_alerts import to_detection

DIALECTS = ("cloud_arm", "cloud_event", "cloud_flat_camel", "cloud_activity")


@pytest.fixture
def polled(fixture):
    """The detection of the alert as the ARM list gives it."""
    return to_detection(fixture("cloud_arm"), Channel.poll)


@pytest.fixture
def pushed(fixture):
    """The detection of the same alert as an event."""
    return to_detection(fixture("cloud_event"), Channel.webhook)


@pytest.mark.parametrize("name", DIALECTS)
def test_what_identifies_and_ranks_it_is_the_same_in_every_dialect(fixture, polled, name):
    """Otherwise it would be two cards and two pushes."""
    other = to_detection(fixture(name), Channel.webhook)
    for field in (
        "native_id",
        "title",
        "severity",
        "status",
        "created",
        "main_asset",
        "categories",
        "remediation_steps",
    ):
        assert getattr(other, field) == getattr(polled, field), field


def test_the_values_are_those_of_the_alert(polled):
    """Spelled out once; the dialects are compared with this one."""
    assert polled.native_id == "2516412345678901234_0d9e8f7a-6b5c-4d3e-9f2a-1b0c9d8e7f6a"
    assert polled.title == "A hidden process computes for somebody else"
    assert (polled.severity, polled.status) == (Severity.high, Status.active)
    assert polled.created == "2026-02-11T22:04:09.7312000Z"
    assert polled.first_activity == "2026-02-11T21:58:40.1234567Z"
    assert polled.categories == ("Execution", "Impact")
    assert polled.techniques == ("T1496", "T1059.004")
    assert polled.remediation_steps == ("1. Isolate the machine.", "2. Look for the way in.")
    assert (polled.source_link or "").startswith("https://portal.azure.com/#blade/")


def test_list_and_event_also_agree_on_assets_techniques_and_evidence(polled, pushed):
    """These two carry all of it."""
    assert pushed.assets == polled.assets
    assert pushed.techniques == polled.techniques
    assert [(e.kind, e.summary) for e in pushed.evidence] == [(e.kind, e.summary) for e in polled.evidence]
    assert pushed.first_activity == polled.first_activity
    assert pushed.last_activity == polled.last_activity


def test_the_machine_is_one_asset_although_it_is_resource_and_host(polled):
    """The account is the other; its empty id is none."""
    assert [(a.kind, a.name) for a in polled.assets] == [
        (AssetKind.cloud_resource, "web-3"),
        (AssetKind.user, "deploy"),
    ]
    assert (polled.assets[0].id or "").endswith(
        "/resourceGroups/shop-eu/providers/Microsoft.Compute/virtualMachines/web-3"
    )
    assert polled.assets[1].id is None


def test_a_host_named_like_its_resource_is_the_same_asset(fixture):
    """Agents do not always know the id of the machine on which they run."""
    raw = fixture("cloud_arm")
    del raw["properties"]["entities"][0]["azureID"]
    assert [a.name for a in to_detection(raw, Channel.poll).assets] == ["web-3", "deploy"]


def test_resource_ids_are_compared_without_regard_to_case(fixture):
    """Azure writes them in both."""
    raw = fixture("cloud_arm")
    identifier = raw["properties"]["resourceIdentifiers"][0]
    raw["properties"]["resourceIdentifiers"].append(
        {**identifier, "azureResourceId": identifier["azureResourceId"].upper()}
    )
    assert len(to_detection(raw, Channel.poll).assets) == 2


def test_the_compromised_entity_comes_first(fixture):
    """Its name stands on the card."""
    raw = fixture("cloud_arm")
    raw["properties"]["compromisedEntity"] = "deploy"
    assert to_detection(raw, Channel.poll).main_asset == "deploy"


def test_each_entity_is_one_line_with_its_references_resolved(polled):
    """A process without a command line is named by its file, a connection by its address."""
    assert [(e.kind, e.summary) for e in polled.evidence] == [
        ("host", "web-3"),
        ("user", "deploy"),
        ("ip", "203.0.113.77"),
        ("file", "/tmp/.x/kworker"),
        ("process", "/tmp/.x/kworker"),
        ("network-connection", "203.0.113.77 (Tcp)"),
        ("malware", "Miner (CoinMiner)"),
        ("note", "The pool was asked for 41 times; First at 21:58"),
        ("table", "Connections: 2 rows (Time, Bytes, Known)"),
    ]


def test_references_become_words_in_the_details(polled):
    """The vendor's own spelling stays."""
    process = polled.evidence[4].details
    assert process["imageFile"] == "/tmp/.x/kworker"
    assert process["host"] == "web-3"
    assert process["processId"] == "0x1f2"


def test_the_numbering_of_a_page_is_not_part_of_the_detection(fixture, polled):
    """The same alert on another page has other numbers; that is no change."""
    moved = json.loads(json.dumps(fixture("cloud_arm")).replace("westeurope_", "westeurope_99"))
    again = to_detection(moved, Channel.poll)
    assert again.fingerprint == polled.fingerprint
    assert '"$id"' not in again.model_dump_json()
    assert "westeurope_99" not in again.model_dump_json()


def test_circles_among_references_end(fixture):
    """A process and its parent may point at each other."""
    raw = fixture("cloud_arm")
    raw["properties"]["entities"] = [
        {"$id": "1", "type": "process", "parentProcess": {"$ref": "2"}, "imageFile": {"$ref": "2"}},
        {"$id": "2", "type": "process", "imageFile": {"$ref": "1"}, "parentProcess": {"$ref": "2"}},
        {"$id": "3", "$ref": "3"},
        {"$ref": "nowhere"},
    ]
    assert [e.kind for e in to_detection(raw, Channel.poll).evidence][:2] == ["process", "process"]


def test_colliding_ids_mean_the_nearest_definition_before(fixture):
    """Events that were put together from several alerts use a number twice."""
    raw = fixture("cloud_arm")
    raw["properties"]["entities"] = [
        {"$id": "1", "type": "ip", "address": "203.0.113.1"},
        {"type": "network-connection", "sourceAddress": {"$ref": "1"}},
        {"$id": "1", "type": "ip", "address": "203.0.113.2"},
        {"type": "network-connection", "sourceAddress": {"$ref": "1"}},
        {"$ref": "1"},
    ]
    found = [e.summary for e in to_detection(raw, Channel.poll).evidence][:5]
    assert found[:4] == ["203.0.113.1", "203.0.113.1", "203.0.113.2", "203.0.113.2"]
    assert "ip" not in [e.kind for e in to_detection(raw, Channel.poll).evidence][4:]


def test_tables_keep_every_cell(polled):
    """Empty cells hold their place, whatever their type."""
    assert polled.evidence[-1].details["rows"] == [["21:58", 812, False], ["21:59", None, True]]
    assert polled.evidence[-1].details["title"] == "Connections"


@pytest.mark.parametrize("name", DIALECTS)
def test_where_it_lives_is_known_in_every_dialect(fixture, name):
    """Status changes need it; events say it only inside the portal's link."""
    found = to_detection(fixture(name), Channel.webhook).properties
    assert found["subscriptionId"] == "7d1f3a52-6c1b-4f0e-8a77-2b9d5e4c6f10"
    assert (found["resourceGroup"], found["location"]) == ("shop-eu", "westeurope")


def test_extended_properties_keep_the_vendors_spelling(polled, pushed):
    """People compare them with the console."""
    assert polled.properties["extendedProperties"]["process name"] == "/tmp/.x/kworker"
    assert pushed.properties["ExtendedProperties"]["process name"] == "/tmp/.x/kworker"
    assert polled.properties["isIncident"] is False
    assert polled.properties["extendedLinks"][0]["Label"] == "About miners"


def test_only_an_event_has_a_time_of_its_own(fixture, polled, pushed):
    """The list does not say when a status changed, so the time of reading counts; a late event must not."""
    assert polled.updated is None
    assert pushed.updated == "2026-02-11T22:04:09.7312000Z"
    assert to_detection(fixture("cloud_activity"), Channel.webhook).updated == "2026-02-11T22:09:30.5000000Z"


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("New", "active"),
        ("InProgress", "in_progress"),
        ("dismissed", "dismissed"),
        ("Resolved", "resolved"),
        ("?", "active"),
    ],
)
def test_statuses(word, status):
    """An event's New is the list's Active."""
    found = to_detection({"SystemAlertId": "a", "Status": word}, Channel.webhook)
    assert (found.status, found.vendor_status) == (status, word)


def test_severity_falls_back_to_the_older_name():
    """The published schema calls it ReportedSeverity."""
    assert (
        to_detection({"SystemAlertId": "a", "ReportedSeverity": "Low"}, Channel.webhook).severity
        is Severity.low
    )
    assert (
        to_detection({"SystemAlertId": "a", "Severity": "Odd"}, Channel.webhook).severity is Severity.unknown
    )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda alert: {"body": alert},
        lambda alert: {"Body": {"body": [alert]}},
        lambda alert: [alert],
        lambda alert: json.dumps(alert),
        lambda alert: {"body": "\ufeff" + json.dumps([alert])},
        lambda alert: {"records": [alert]},
    ],
    ids=["body", "nested", "list", "text", "text in body", "records"],
)
def test_wrapping_does_not_matter(fixture, pushed, wrap):
    """Logic Apps and hubs put things into things."""
    assert to_detection(wrap(fixture("cloud_event")), Channel.webhook) == pushed


def test_ids_are_taken_from_the_surest_place(fixture):
    """systemAlertId, else name, else the id's last part."""
    raw = copy.deepcopy(fixture("cloud_arm"))
    raw["name"] = "other"
    del raw["properties"]["systemAlertId"]
    assert to_detection(raw, Channel.poll).native_id == "other"
    del raw["name"]
    assert (
        to_detection(raw, Channel.poll).native_id
        == "2516412345678901234_0d9e8f7a-6b5c-4d3e-9f2a-1b0c9d8e7f6a"
    )


@pytest.mark.parametrize(
    "link", ["http://portal.azure.com", "javascript:alert(1)", "https://", "https://[", 7, None]
)
def test_only_https_links_are_shown(link):
    """Whoever holds the webhook's key could send anything."""
    assert to_detection({"SystemAlertId": "a", "AlertUri": link}, Channel.webhook).source_link is None


def test_an_alert_with_hardly_anything_is_still_one():
    """Nothing but an id and a resource."""
    found = to_detection(
        {"SystemAlertId": "a1", "CompromisedEntity": "/subscriptions/s/x/vm9"}, Channel.webhook
    )
    assert (found.title, found.main_asset, found.created) == ("Alert a1", "vm9", None)
