"""Whatever JSON comes in: no crash, no loss, nothing that cannot be stored."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Unreadable
from shared.nouns.detections import Channel, Detection
from shared.vendors.abilities import IncidentVendor
from shared.vendors.loose_json import fields, text
from shared.vendors.registry import VENDORS

FIELDS = [
    *("id", "name", "type", "properties", "body", "value", "records", "title", "severity", "status"),
    *("category", "evidence", "comments", "comment", "relatedUser", "loggedOnUsers", "entityType"),
    *("accountName", "domainName", "filePath", "fileName", "lastUpdateTime", "alertCreationTime"),
    *("mitreTechniques", "machineId", "incidentId", "SystemAlertId", "AlertDisplayName", "Entities"),
    *("$id", "$ref", "Type", "hostName", "imageFile", "AlertUri", "resourceIdentifiers"),
    *("azureResourceId", "supportingEvidence", "supportingEvidenceList", "evidenceElements"),
    *("innerElements", "text", "fallback", "rows", "columns", "intent", "remediationSteps"),
    *("compromisedEntity", "resourceId", "eventName", "eventTimestamp", "timeGeneratedUtc"),
    *("alertWebUrl", "aadTenantId", "sourceAddress", "_id", "timestamp", "resolveTime", "severityValue"),
    *("incident", "alert", "lastModifiedTimeUtc", "providerAlertId", "additionalData", "owner", "labels"),
    *("resolutionStatusValue", "statusValue", "stories", "URL", "label", "handledByUser"),
    *("alertId", "devices", "entities", "alerts", "incidentName", "displayName", "customTags", "tags"),
    *("redirectIncidentId", "lastUpdateDateTime", "createdDateTime", "mdatpDeviceId", "mailboxAddress"),
]
WORDS = [
    *("\ud800", "\x00", "1", "host", "process", "ip", "file", "nestedList", "tabularEvidences", "null"),
    *("New", "["),
    *("0001-01-01T00:00:00Z", "2026-03-02T08:00:00.1234567Z", "https://[", "/s/alerts/a/b", '{"a":'),
]
TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(WORDS)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | TEXTS, inner, max_size=6)
    ),
    max_leaves=30,
)
OBJECTS = st.dictionaries(st.sampled_from(FIELDS) | TEXTS, JSON, max_size=10)


def _stored(detection: Detection) -> None:
    again = Detection.model_validate_json(detection.model_dump_json())
    assert again.fingerprint == detection.fingerprint


@pytest.mark.parametrize(("slug", "name"), [("defender_endpoint", "id"), ("defender_cloud_apps", "_id")])
@settings(max_examples=300, deadline=None)
@given(raw=OBJECTS)
def test_an_object_is_mapped_exactly_when_it_has_an_id(slug, name, raw):
    """Text or number; no other type is an id."""
    given_id = text(fields(raw).get(name))
    if given_id is None or (slug == "defender_cloud_apps" and given_id.lower() == "null"):
        try:
            VENDORS[slug].to_detection(raw)
        except Unreadable:
            return
        raise AssertionError("an id was invented")
    _stored(VENDORS[slug].to_detection(raw))


@settings(max_examples=300, deadline=None)
@given(OBJECTS, st.sampled_from(Channel))
def test_a_cloud_alert_with_an_id_is_always_mapped(raw, channel):
    """Junk in any field, in either dialect."""
    flat = VENDORS["defender_for_cloud"].to_detection({**raw, "SystemAlertId": "a1"}, channel=channel)
    listed = {"id": "/s/alerts/a1", "type": "Microsoft.Security/Locations/alerts", "properties": raw}
    _stored(flat)
    _stored(VENDORS["defender_for_cloud"].to_detection({**listed, "name": "a1"}, channel=channel))


@settings(max_examples=300, deadline=None)
@given(OBJECTS)
def test_an_alert_of_the_xdr_api_with_an_id_is_always_mapped(raw):
    """Junk in any field, device or entity."""
    _stored(VENDORS["defender_xdr"].to_detection({**raw, "alertId": "a1"}))


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_is_an_incident_or_unreadable(raw):
    """For every vendor that knows incidents; and what is one survives storage."""
    for vendor in VENDORS.values():
        if isinstance(vendor, IncidentVendor):
            try:
                found = vendor.to_incident(raw)
            except Unreadable:
                continue
            assert type(found).model_validate_json(found.model_dump_json()) == found


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_is_mapped_or_unreadable(raw):
    """There is no third way."""
    for vendor in VENDORS.values():
        try:
            _stored(vendor.to_detection(raw))
        except Unreadable:
            continue


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_can_be_taken_apart(body):
    """And every item has texts where texts are promised."""
    for item in VENDORS["defender_for_cloud"].read_webhook(body):  # type: ignore[attr-defined]
        assert isinstance(item.id, str)
        assert isinstance(item.name, str)


def test_nesting_without_end_is_cut():
    """A thousand levels are legal JSON."""
    deep: object = "x"
    for _ in range(900):
        deep = {"body": [deep], "innerElements": deep}
    for vendor in VENDORS.values():
        _stored(
            vendor.to_detection(
                {"id": "a", "SystemAlertId": "a", "Entities": [deep], "evidence": deep, "_id": "a"}
            )
        )
