"""A Microsoft Sentinel incident says the same after it was mapped."""

from __future__ import annotations

import pytest

from shared.errors import Unreadable
from shared.nouns.detections import Severity, Status
from shared.vendors.sentinel_incidents import to_incident


def test_an_incident_of_sentinels_own(fixture):
    """Everything that an analyst works with; its own counter is no number of Defender XDR."""
    found = to_incident(fixture("sentinel_incident_own"))
    assert (found.native_id, found.number) == ("13ffba29-971c-4d70-9cb4-0c0ffee00001", None)
    assert (found.title, found.description) == ("Sign-ins from a country nobody works in", "Two accounts.")
    assert (found.severity, found.status, found.vendor_status) == (Severity.medium, Status.resolved, "Closed")
    assert (found.classification, found.determination) == ("FalsePositive", "InaccurateData")
    assert (found.created, found.updated) == ("2026-03-02T08:15:50.0000000Z", "2026-03-02T08:21:07.5733333Z")
    assert found.tags == ("Travel", "Tier 1")
    assert found.assigned_to == "rosa.lind@fabrikam.example"
    assert found.version == '"0b0013eb-0000-0a00-0000-5fab48a40000"'
    assert len(found.alert_ids) == 2
    [comment] = found.comments
    assert (comment.text, comment.author) == ("Asked her.", "Rosa Lind")
    assert found.source_link == "https://portal.azure.com/#asset/Microsoft_Azure_Security_Insights/Incident/x"
    assert found.properties["incidentNumber"] == 44271
    assert found.properties["classificationComment"] == "A proxy."


def test_an_incident_of_defender_xdr_has_its_number_and_its_link(fixture):
    """And one that was merged into another is done with; nobody may read "null"."""
    found = to_incident(fixture("sentinel_incident_xdr"))
    assert (found.number, found.native_id) == ("8841", "5b0e9c55-1d1f-4a6f-9a53-0c0ffee00004")
    assert (found.status, found.merged_into) == (Status.dismissed, None)
    assert found.tags == ("Redirected",)
    assert found.assigned_to is None
    assert (found.source_link or "").startswith("https://security.microsoft.com/incidents/8841")


@pytest.mark.parametrize(
    ("provider", "id", "number"),
    [
        ("Microsoft XDR", "8841", "8841"),
        ("Microsoft Defender XDR", "8841", "8841"),
        ("Microsoft 365 Defender", 8841, "8841"),
        ("MICROSOFT XDR", "8841", "8841"),
        ("Azure Sentinel", "8841", None),
        ("Contoso XDR", "8841", None),
        ("Microsoft XDR", "13ffba29", None),
        ("Microsoft XDR", "\u0665", None),
        ("Microsoft XDR", None, None),
        (None, "8841", None),
    ],
)
def test_only_defender_xdrs_incidents_have_a_number(provider, id, number):
    """A counter of Sentinel's would join two incidents that have nothing in common."""
    raw = {"name": "a", "properties": {"providerName": provider, "providerIncidentId": id}}
    assert to_incident(raw).number == number


@pytest.mark.parametrize(
    ("word", "labels", "status"),
    [
        ("New", [], "active"),
        ("Active", [], "in_progress"),
        ("closed", [], "resolved"),
        ("Closed", [{"labelName": "redirected"}], "dismissed"),
        ("Active", [{"labelName": "redirected"}], "in_progress"),
        ("Parked", [], "active"),
        (None, None, "active"),
    ],
)
def test_statuses(word, labels, status):
    """An unknown one must be looked at."""
    found = to_incident({"name": "a", "properties": {"status": word, "labels": labels}})
    assert (found.status, found.vendor_status) == (status, word)


@pytest.mark.parametrize("raw", [None, 7, "text", [], {}, {"properties": {"title": "no name"}}, {"name": {}}])
def test_what_has_no_name_is_unreadable(raw):
    """It is never given an invented one."""
    with pytest.raises(Unreadable):
        to_incident(raw)


def test_a_row_of_the_table_is_read_as_well():
    """Other names, lists as text, times with an offset."""
    found = to_incident(
        {
            "IncidentName": "d5c17060",
            "Title": "T",
            "Status": "Closed",
            "AlertIds": '["a1", "a2"]',
            "Labels": '[{"labelName": "x"}]',
            "Comments": "[broken",
            "ProviderName": "Microsoft XDR",
            "ProviderIncidentId": "437",
            "LastModifiedTime": "2023-03-09 13:40:51.080319+00:00",
        }
    )
    assert (found.native_id, found.number, found.alert_ids) == ("d5c17060", "437", ("a1", "a2"))
    assert (found.tags, found.comments) == (("x",), ())
    assert found.updated == "2023-03-09T13:40:51.0803190Z"
