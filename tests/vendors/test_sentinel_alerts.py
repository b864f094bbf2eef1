"""A Microsoft Sentinel alert says the same after it became a detection, and is one with what it copies."""

from __future__ import annotations

import pytest

from shared.nouns.detections import AssetKind, Severity, Status
from shared.nouns.identity import aliases
from shared.vendors.registry import VENDORS
from shared.vendors.sentinel_alerts import to_detection


@pytest.fixture
def own(fixture):
    """The detection of an alert that Sentinel made, from its incident."""
    return to_detection(fixture("sentinel_alert_own"))


def test_what_happened_and_how_bad_is_kept(own):
    """Title, description, severity, tactics and techniques, steps."""
    assert own.native_id == "0b8f6c1e-52d7-4c11-9d3a-5a1f2e7b9c04"
    assert own.title == "Sign-in from a country nobody works in"
    assert own.description.startswith("marta.nunes")
    assert (own.severity, own.vendor_severity) == (Severity.medium, "Medium")
    assert own.categories == ("InitialAccess", "Persistence")
    assert own.techniques == ("T1078",)
    assert own.remediation_steps == ("Ask the person.", "Reset the password.")
    assert own.product == "Azure Sentinel"
    assert own.properties["additionalData"] == {
        "Query": "SigninLogs",
        "Search Query Results Overall Count": "2",
    }


def test_an_alert_that_sentinel_made_lives_as_its_incident_does(own):
    """Status, owner and the newest time are the incident's; the alert itself stays New for ever."""
    assert (own.status, own.vendor_status) == (Status.in_progress, "Active")
    assert own.assigned_to == "rosa.lind@fabrikam.example"
    assert own.updated == "2026-03-02T08:21:07.5733333Z"
    assert own.created == "2026-03-02T08:15:41.0254321Z"
    assert own.incident_id == "13ffba29-971c-4d70-9cb4-0c0ffee00001"


@pytest.mark.parametrize(
    ("alert", "incident", "labels", "status"),
    [
        ("New", "New", [], "active"),
        ("New", "Closed", [], "resolved"),
        ("Unknown", "Closed", [], "resolved"),
        (None, "Active", [], "in_progress"),
        ("InProgress", "New", [], "in_progress"),
        ("Dismissed", "Active", [], "dismissed"),
        ("Resolved", "New", [], "resolved"),
        ("Simmering", "Closed", [], "active"),
        ("New", "Closed", [{"labelName": "redirected"}], "active"),
    ],
)
def test_statuses_of_alerts_that_sentinel_made(fixture, alert, incident, labels, status):
    """What the alert says itself wins; what was merged away goes on in another incident."""
    raw = fixture("sentinel_alert_own")
    raw["alert"]["properties"]["status"] = alert
    raw["incident"]["properties"] |= {"status": incident, "labels": labels}
    assert to_detection(raw).status == status


def test_a_copy_of_anothers_alert_is_as_old_as_when_it_was_copied(fixture):
    """So an incident's change never undoes what the product itself has said since."""
    raw = {"alert": fixture("sentinel_alert_cloud"), "incident": fixture("sentinel_incident_xdr")}
    found = to_detection(raw)
    assert (found.status, found.assigned_to) == (Status.dismissed, None)
    assert found.updated == "2026-03-02T08:15:49.9010714Z"
    assert found.incident_id == "8841"


def test_defender_for_clouds_alert_is_defender_for_clouds_own(fixture):
    """Polled there and copied here, it has one name."""
    own = fixture("cloud_arm")
    name = own["name"]
    copied = fixture("sentinel_alert_cloud")
    for where in ("providerAlertId", "alertLink"):
        text = copied["properties"][where]
        copied["properties"][where] = text.replace(
            fixture("sentinel_alert_cloud")["properties"]["providerAlertId"], name
        )
    there = VENDORS["defender_for_cloud"].to_detection(own)
    assert set(aliases(there)) & set(aliases(to_detection(copied)))


@pytest.mark.parametrize("where", ["providerAlertId", "alertLink"])
def test_an_endpoint_alert_is_endpoints_own(fixture, where):
    """By the provider's id, or by the id in the link."""
    there = VENDORS["defender_endpoint"].to_detection(fixture("endpoint_full"))
    value = there.native_id if where == "providerAlertId" else there.source_link
    here = to_detection(
        {"properties": {"systemAlertId": "4c4831e9-2ed7-4a44-8530-0c0ffee00002", where: value}}
    )
    assert set(aliases(there)) & set(aliases(here))


def test_sentinels_own_id_is_nobody_elses(fixture):
    """It has a namespace; only what Sentinel made itself is known by it in Defender XDR."""
    copied, own = (to_detection(fixture(f"sentinel_alert_{name}")) for name in ("cloud", "own"))
    assert aliases(copied)[0] == "sentinel:4c4831e9-2ed7-4a44-8530-0c0ffee00002"
    assert "4c4831e9-2ed7-4a44-8530-0c0ffee00002" not in aliases(copied)
    assert own.native_id in aliases(own)


@pytest.mark.parametrize(
    "provided",
    ["1", "alert", "0000000000000000000000", "brute-force-attack", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"],
)
def test_an_id_that_says_nothing_makes_no_two_alerts_one(provided):
    """Whoever connects a source fills it with what they like."""
    raw = {"properties": {"systemAlertId": "4c4831e9", "providerAlertId": provided}}
    assert aliases(to_detection(raw)) == ("sentinel:4c4831e9",)


def test_what_is_compromised_comes_first(fixture):
    """A resource that has its name, else a person, a machine; never an address."""
    cloud = to_detection(fixture("sentinel_alert_cloud"))
    assert [(a.kind, a.name) for a in cloud.assets] == [
        (AssetKind.cloud_resource, "sql-orders"),
        (AssetKind.cloud_resource, "stshop"),
    ]
    assert cloud.assets[0].details == {"resourceType": "Microsoft.Compute/virtualMachines"}
    odd = to_detection(fixture("sentinel_alert_odd"))
    assert odd.assets == ()
    assert [(e.kind, e.summary) for e in odd.evidence] == [("ip", "198.51.100.23")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rosa@fabrikam.example", AssetKind.user),
        ("FABRIKAM\\rosa", AssetKind.user),
        ("till-07.fabrikam.example", AssetKind.machine),
        ("/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/shop", AssetKind.cloud_resource),
    ],
)
def test_a_compromised_entity_is_what_its_name_looks_like(name, kind):
    """The alert does not say what it is."""
    [asset] = to_detection({"properties": {"systemAlertId": "a", "compromisedEntity": name}}).assets
    assert asset.kind is kind


def test_words_that_nobody_knows_survive(fixture):
    """And an incident without a name adds nothing."""
    odd = to_detection(fixture("sentinel_alert_odd"))
    assert (odd.severity, odd.vendor_severity) == (Severity.unknown, "Purple")
    assert (odd.status, odd.vendor_status) == (Status.active, "Simmering")
    assert odd.categories == ("Telepathy",)
    assert odd.title == "Alert 9d2f7a10-0000-4a44-8530-0c0ffee00009"
    assert (odd.created, odd.updated, odd.incident_id) == (None, None, None)
