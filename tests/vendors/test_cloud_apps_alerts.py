"""A Defender for Cloud Apps alert says the same after it became a detection."""

from __future__ import annotations

import pytest

from shared.nouns.detections import AssetKind, Severity, Status
from shared.nouns.identity import aliases
from shared.vendors.cloud_apps_alerts import moment, to_detection


@pytest.fixture
def full(fixture):
    """The detection of an alert in which every field is filled."""
    return to_detection(fixture("cloud_apps_full"))


def test_what_happened_and_how_bad_is_kept(full):
    """Numbers become words; a marker for the portal's icon goes."""
    assert full.native_id == "65e2f1b27b3c4d5e6f7081a2"
    assert full.title == "Mass download by a single user"
    assert full.description.startswith("Marta Nunes (")
    assert (full.severity, full.vendor_severity) == (Severity.high, "high")
    assert (full.status, full.vendor_status) == (Status.dismissed, "benign")


def test_times_are_milliseconds_or_text(full):
    """Both become moments, and a closed alert is as new as its closing."""
    assert full.created == "2026-03-02T08:15:41.0250000Z"
    assert full.resolved == full.updated == "2026-03-02T09:30:12.3450000Z"


def test_stories_intents_and_techniques(full):
    """Tactics first; techniques stand in the description only."""
    assert full.categories == ("Collection", "Exfiltration", "ThreatDetection", "DataLossPrevention")
    assert full.techniques == ("T1213", "T1213.002")


def test_the_work_on_it_is_kept(full):
    """Who closed it, as what, and what was written."""
    assert full.assigned_to == "rosa.lind@fabrikam.example"
    assert full.classification == "benign"
    [comment] = full.comments
    assert (comment.text, comment.author) == ("Agreed with the sales team.", "rosa.lind@fabrikam.example")


def test_accounts_come_before_devices_and_apps_and_sources_before_others(full):
    """Who, on what, in which app."""
    assert [(a.kind, a.name, a.id) for a in full.assets] == [
        (AssetKind.user, "marta.nunes@fabrikam.example", "marta.nunes@fabrikam.example"),
        (AssetKind.user, "backup-svc", "7d0f"),
        (AssetKind.machine, "till-07", "b2"),
        (AssetKind.cloud_resource, "Microsoft SharePoint Online", "15600"),
    ]


def test_every_entity_is_one_readable_line(full):
    """A type that is not known keeps its own word; a label that says null is none."""
    assert [(e.kind, e.summary) for e in full.evidence] == [
        ("service", "Microsoft SharePoint Online"),
        ("user", "backup-svc"),
        ("user", "marta.nunes@fabrikam.example"),
        ("device", "till-07"),
        ("ip", "198.51.100.23"),
        ("country", "PT"),
        ("policyrule", "Mass download"),
        ("hologram", "12"),
        ("file", "bid-2026.xlsx"),
    ]


def test_what_has_no_field_of_its_own_is_kept_under_the_vendors_name(full):
    """The tenant, the policy, the score."""
    assert full.properties["contextId"] == "3b0e9c55-1d1f-4a6f-9a53-6c2f4d1e8b70"
    assert full.properties["policy"]["label"] == "Mass download"
    assert full.properties["threatScore"] == 58
    assert full.properties["readState"] == "archived"


def test_the_id_in_the_link_is_another_name_of_the_alert(fixture):
    """Views of other products bring only the link."""
    raw = fixture("cloud_apps_full") | {"_id": "77"}
    assert to_detection(raw).other_ids == ("65e2f1b27b3c4d5e6f7081a2",)
    assert "65e2f1b27b3c4d5e6f7081a2" in aliases(to_detection(raw))
    assert aliases(to_detection(fixture("cloud_apps_full"))) == ("65e2f1b27b3c4d5e6f7081a2",)


def test_the_four_letters_null_are_nothing(fixture):
    """Neither a title, nor a person, nor a link."""
    sparse = to_detection(fixture("cloud_apps_sparse"))
    assert sparse.title == sparse.description == "The connector of Box lost its permission."
    assert (sparse.assigned_to, sparse.source_link, sparse.resolved) == (None, None, None)
    assert sparse.comments == sparse.evidence == ()
    assert '"null"' not in sparse.model_dump_json()


def test_numbers_that_nobody_knows_stand_for_themselves(fixture):
    """An unknown severity is never taken for a low one, an unknown resolution must be looked at."""
    sparse = to_detection(fixture("cloud_apps_sparse"))
    assert (sparse.severity, sparse.vendor_severity) == (Severity.unknown, "7")
    assert (sparse.status, sparse.vendor_status) == (Status.active, "9")
    assert sparse.categories == ("Intent 99", "Story 12")


@pytest.mark.parametrize(
    ("number", "severity"),
    [
        (0, "low"),
        (1, "medium"),
        (2, "high"),
        (3, "informational"),
        ("2", "high"),
        (4, "unknown"),
        (None, "unknown"),
    ],
)
def test_severities(number, severity):
    """In the service's own order."""
    assert to_detection({"_id": "a", "severityValue": number}).severity == severity


@pytest.mark.parametrize(
    ("resolution", "read", "status", "word", "verdict"),
    [
        (0, 0, "active", "open", None),
        (0, 1, "active", "open", None),
        (1, 2, "dismissed", "dismissed", None),
        (2, 2, "resolved", "resolved", None),
        (3, 2, "dismissed", "false positive", "false positive"),
        (4, 2, "dismissed", "benign", "benign"),
        (5, 2, "resolved", "true positive", "true positive"),
        (None, 0, "active", "unread", None),
        (None, 1, "active", "read", None),
        (None, 2, "resolved", "archived", None),
        (None, None, "active", None, None),
        ("4", 2, "dismissed", "benign", "benign"),
        (True, 0, "active", "unread", None),
        (4.5, 0, "active", "4.5", None),
    ],
)
def test_statuses(resolution, read, status, word, verdict):
    """The resolution decides; alerts of 2020 have none, and then archived means closed."""
    found = to_detection({"_id": "a", "resolutionStatusValue": resolution, "statusValue": read})
    assert (found.status, found.vendor_status, found.classification) == (status, word, verdict)


def test_a_read_state_that_nobody_knows_stands_for_itself():
    """Beside a resolution that is known."""
    found = to_detection({"_id": "a", "resolutionStatusValue": 0, "statusValue": 7})
    assert found.properties["readState"] == "7"


def test_an_alert_that_was_opened_again_is_not_older_than_its_closing():
    """While the service still tells when it was closed."""
    times = {"timestamp": 1772439341025, "resolveTime": "2026-03-02T09:30:12.345Z"}
    closed = to_detection({"_id": "a", "resolutionStatusValue": 5, **times})
    again = to_detection({"_id": "a", "resolutionStatusValue": 0, **times})
    assert again.updated == closed.updated
    assert (again.status, again.resolved) == (Status.active, None)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (0, "1970-01-01T00:00:00.0000000Z"),
        ("1772439341025", "2026-03-02T08:15:41.0250000Z"),
        ("2026-03-02T08:15:41Z", "2026-03-02T08:15:41.0000000Z"),
        (10**30, None),
        (-(10**30), None),
        (float("nan"), None),
        (True, None),
        ({}, None),
        ("soon", None),
    ],
)
def test_moments(value, found):
    """What is no time is none."""
    assert moment(value) == found
