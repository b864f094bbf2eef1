"""A Defender for Endpoint alert says the same after it became a detection."""

from __future__ import annotations

import pytest

from shared.nouns.detections import AssetKind, Severity, Status
from shared.vendors.endpoint_alerts import to_detection
from shared.vendors.endpoint_evidence import full_path


@pytest.fixture
def full(fixture):
    """The detection of an alert in which every field is filled."""
    return to_detection(fixture("endpoint_full"))


def test_what_happened_and_how_bad_is_kept(full):
    """Title, severity, status, and the vendor's words for them."""
    assert full.native_id == "da639080421234567890_-1180443217"
    assert full.title == "Credentials read from memory by a script host"
    assert (full.severity, full.vendor_severity) == (Severity.high, "High")
    assert (full.status, full.vendor_status) == (Status.in_progress, "InProgress")
    assert full.categories == ("CredentialAccess",)
    assert full.techniques == ("T1003.001", "T1059.005")


def test_times_keep_all_digits(full):
    """Seven, whether the vendor wrote them or dropped the zeros."""
    assert full.created == "2026-03-02T08:15:41.0254321Z"
    assert full.updated == "2026-03-02T08:21:07.5733333Z"
    assert full.first_activity == "2026-03-02T08:15:02.5000000Z"
    assert full.last_activity == "2026-03-02T08:15:30.0000000Z"
    assert full.resolved is None


def test_the_work_on_it_is_kept(full):
    """Who has it, what was decided and written."""
    assert full.assigned_to == "rosa.lind@fabrikam.example"
    assert (full.classification, full.determination) == ("TruePositive", "Malware")
    assert full.incident_id == "8841"
    assert full.comments[0].text == "Till taken off the network."
    assert full.comments[0].created == "2026-03-02T08:20:11.1000000Z"


def test_the_machine_is_the_main_asset_and_each_user_comes_once(full):
    """The same user is named in three places; the place that knows an id gives it."""
    machine, *users = full.assets
    assert (machine.kind, machine.name) == (AssetKind.machine, "till-07.lisbon.fabrikam.example")
    assert machine.id == "9f0c2d7be1a44f5c8d3e6b7a90c1d2e3f4a5b6c7"
    assert machine.details == {"rbacGroupName": "Shops"}
    assert [(u.name, u.id) for u in users] == [
        ("FABRIKAM\\mnunes", "marta.nunes@fabrikam.example"),
        ("FABRIKAM\\backup-svc", None),
    ]


def test_each_piece_of_evidence_is_one_readable_line(full):
    """Types that we do not know keep their own word and show what they have."""
    assert [(e.kind, e.summary) for e in full.evidence] == [
        ("user", "FABRIKAM\\mnunes"),
        ("process", 'wscript.exe  //B "C:\\Users\\mnunes\\Downloads\\invoice.vbs"'),
        ("file", "C:\\Users\\mnunes\\Downloads\\invoice.vbs"),
        ("file", "/opt/till/dropper"),
        ("ip", "198.51.100.23"),
        ("url", "https://files.contoso-cdn.example/i.vbs"),
        ("registry", "HKEY_CURRENT_USER\\Software\\Run = wscript i.vbs"),
        ("mailcluster", "https://mail.fabrikam.example/c/1"),
    ]


def test_evidence_keeps_every_filled_field_and_drops_the_nulls(full):
    """Hashes above all."""
    script = full.evidence[2].details
    assert script["sha256"].startswith("c0ffee")
    assert script["detectionStatus"] == "Blocked"
    assert None not in script.values()
    assert "ipAddress" not in script


def test_what_has_no_field_of_its_own_is_kept_under_the_vendors_name(full):
    """Nothing the vendor filled is dropped."""
    assert full.properties["investigationState"] == "Running"
    assert full.properties["threatFamilyName"] == "Grabber"
    assert "threatName" not in full.properties


def test_the_link_leads_to_the_alert_in_its_tenant(full):
    """The commercial portal, because the alert does not name its cloud."""
    assert full.source_link == (
        "https://security.microsoft.com/alerts/da639080421234567890_-1180443217"
        "?tid=3b0e9c55-1d1f-4a6f-9a53-6c2f4d1e8b70"
    )


def test_the_vendors_own_link_wins_if_it_is_https(fixture):
    """A link that a browser would run is not one."""
    raw = fixture("endpoint_full")
    theirs = "https://security.microsoft.us/alerts/x"
    assert to_detection({**raw, "alertWebUrl": theirs}).source_link == theirs
    assert to_detection({**raw, "alertWebUrl": "javascript:alert(1)"}).source_link != "javascript:alert(1)"


def test_an_alert_with_hardly_anything_is_still_one(fixture):
    """Customer indicators have no host name, no user, and the word null as category."""
    sparse = to_detection(fixture("endpoint_sparse"))
    assert (sparse.severity, sparse.vendor_severity) == (Severity.unknown, "UnSpecified")
    assert sparse.status is Status.active
    assert sparse.categories == ()
    assert sparse.main_asset == "00aa11bb22cc33dd44ee55ff6677889900aabbcc"
    assert sparse.properties == {
        "detectionSource": "CustomerTI",
        "investigationState": "UnsupportedAlertType",
    }


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("Informational", "informational"),
        ("LOW", "low"),
        ("Medium", "medium"),
        ("Severe", "unknown"),
        (None, "unknown"),
    ],
)
def test_severities(word, severity):
    """An unknown one is never taken for a low one."""
    found = to_detection({"id": "a", "severity": word})
    assert (found.severity, found.vendor_severity) == (severity, word)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("New", "active"),
        ("Unknown", "active"),
        ("InProgress", "in_progress"),
        ("Resolved", "resolved"),
        ("Odd", "active"),
    ],
)
def test_statuses(word, status):
    """An unknown one must be looked at."""
    found = to_detection({"id": "a", "status": word})
    assert (found.status, found.vendor_status) == (status, word)


@pytest.mark.parametrize(
    ("directory", "name", "path"),
    [
        ("C:\\Temp\\", "a.exe", "C:\\Temp\\a.exe"),
        ("\\\\share\\x", "a", "\\\\share\\x\\a"),
        ("/", "init", "/init"),
        (None, "a.exe", "a.exe"),
        ("/opt", None, "/opt"),
        (None, None, None),
    ],
)
def test_paths_are_written_as_the_attacked_system_writes_them(directory, name, path):
    """The vendor gives directory and name apart."""
    assert full_path(directory, name) == path
