"""What leaves for other systems: OCSF against the published schema's facts, risks and assets against the
documents' table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.nouns.cards import Announced, Card, Sighting
from shared.nouns.detections import (
    Asset,
    AssetKind,
    Channel,
    Comment,
    Detection,
    Evidence,
    Severity,
    Status,
)
from shared.nouns.exports import SCORES, ExportFilter, alert_risk, machine_asset, vulnerability_risk
from shared.nouns.inventory import InventoryKind, Item
from shared.nouns.ocsf import detection_finding
from shared.vendors.registry import VENDORS

FIXTURES = Path(__file__).parent.parent / "vendors" / "fixtures"
SCHEMA = json.loads((Path(__file__).parent / "fixtures" / "ocsf_1_8_0.json").read_text())["objects"]
TIME = "2026-11-20T09:15:30.1234567Z"
TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "timestamp": int}


def wrong(value: Any, kind: Any, where: str) -> Iterator[str]:
    """Everything in which a value differs from the schema."""
    if isinstance(kind, list):
        if not isinstance(value, list) or not value:
            yield f"{where} is no list, or empty"
        else:
            yield from (w for n, one in enumerate(value) for w in wrong(one, kind[0], f"{where}[{n}]"))
    elif kind in TYPES:
        if not isinstance(value, TYPES[kind]) or (kind != "boolean" and isinstance(value, bool)):
            yield f"{where} is no {kind}"
    else:
        yield from broken_rules(value, SCHEMA[kind], where)
        for name in value.keys() & SCHEMA[kind]["attributes"].keys():
            yield from wrong(value[name], SCHEMA[kind]["attributes"][name], f"{where}.{name}")


def broken_rules(value: dict[str, Any], rules: dict[str, Any], where: str) -> Iterator[str]:
    """What is wrong about an object as a whole."""
    yield from (f"{where} lacks {name}" for name in rules.get("required", ()) if name not in value)
    yield from (f"{where} has no attribute {name}" for name in value.keys() - rules["attributes"].keys())
    if rules.get("at_least_one") and not set(rules["at_least_one"]) & value.keys():
        yield f"{where} has none of {rules['at_least_one']}"
    for name, allowed in rules.get("enums", {}).items():
        if value.get(name, allowed[0]) not in allowed:
            yield f"{where}.{name} cannot be {value[name]}"
    for profile, names in rules.get("profiles", {}).items():
        if set(names) & value.keys() and profile not in value.get("metadata", {}).get("profiles", ()):
            yield f"{where} uses the profile {profile} without saying so"


def faults(event: dict[str, Any]) -> list[str]:
    """Everything in which an event differs from the schema, also after a way through JSON."""
    return list(wrong(json.loads(json.dumps(event)), "detection_finding", "event"))


def sighting(detection: Detection, **more: Any) -> Sighting:
    """One view of it."""
    usual = {
        "configuration_id": "c1",
        "vendor": "defender_endpoint",
        "channel": Channel.poll,
        "detection": detection,
        "first_seen": TIME,
        "observed": TIME,
        "stands_since": TIME,
        "received": TIME,
        "fingerprint": detection.fingerprint,
    }
    return Sighting.model_validate(usual | more)


def card(*sightings: Sighting, **values: Any) -> Card:
    """A card of these views, or of one with these values."""
    made = sightings or (sighting(Detection.model_validate({"native_id": "da1", "title": "T"} | values)),)
    announced = Announced(number=1, reason="first_sight", severity=Severity.high, by="b")
    return Card(
        id="8223372036854-0123456789abcdef",
        scope="tenant-a",
        sightings=made,
        announced=announced,
        changed=TIME,
    )


FULL: dict[str, Any] = {
    "native_id": "da1",
    "other_ids": ("dal-1",),
    "title": "Ransomware",
    "description": "What happened",
    "severity": Severity.high,
    "status": Status.in_progress,
    "vendor_severity": "High",
    "created": TIME,
    "updated": "2026-11-20T10:00:00.0000000Z",
    "first_activity": TIME,
    "last_activity": TIME,
    "product": "Microsoft Defender for Endpoint",
    "categories": ("Malware", "Impact"),
    "techniques": ("T1486", "T1059.001"),
    "assets": (
        Asset(kind=AssetKind.machine, name="srv-1.contoso.example", id="m1", details={"os": "Windows"}),
        Asset(kind=AssetKind.user, name="CONTOSO\\ana"),
        Asset(kind=AssetKind.mailbox, name="ana@contoso.example"),
        Asset(kind=AssetKind.cloud_resource, name="vm", id="/subscriptions/1/vm"),
    ),
    "evidence": (Evidence(kind="process", summary="powershell.exe", details={"pid": 1}),),
    "comments": (Comment(text="Looking."), Comment(text="Done.")),
    "remediation_steps": ("Isolate.", "Clean."),
    "source_link": "https://security.microsoft.com/alerts/da1",
    "incident_id": "437",
    "assigned_to": "ana@contoso.example",
    "classification": "TruePositive",
    "properties": {"x": 1},
}


def test_a_full_detection_is_a_valid_finding() -> None:
    """Every value has its place, and the place exists."""
    event = detection_finding(card(**FULL))

    assert faults(event) == []
    assert (event["class_uid"], event["type_uid"], event["activity_id"]) == (2004, 200402, 2)
    assert (event["severity_id"], event["status_id"], event["verdict_id"]) == (4, 2, 2)
    assert event["time"] == 1795166130123
    assert event["finding_info"]["attacks"][1] == {
        "technique": {"uid": "T1059"},
        "sub_technique": {"uid": "T1059.001"},
    }
    assert event["metadata"]["version"] == "1.8.0"
    assert event["tickets"] == [{"uid": "437", "type": "Incident"}]


def test_the_barest_detection_is_a_valid_finding() -> None:
    """Only an id and a title."""
    event = detection_finding(card())

    assert faults(event) == []
    assert (event["severity_id"], event["status_id"], event["activity_id"]) == (0, 1, 1)


def test_the_schema_check_sees_what_is_wrong() -> None:
    """It would be worth nothing otherwise."""
    event = detection_finding(card(**FULL))
    del event["metadata"]["product"]
    event["severity_id"], event["surprise"], event["time"] = 7, 1, "now"
    event["resources"] = [{}]

    assert len(faults(event)) >= 5


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("classification", [None, "falsePositive", "BenignPositive", "a word nobody knows"])
def test_every_word_of_ours_has_one_there(severity: Severity, status: Status, classification: str) -> None:
    """Closed is Close; what is not known is Other, with the word."""
    event = detection_finding(card(severity=severity, status=status, classification=classification))

    assert faults(event) == []
    assert (event["activity_id"] == 3) is status.closed


def test_further_sightings_are_related_events() -> None:
    """The finding keeps the id under which it was first seen."""
    later = sighting(
        Detection(native_id="sn-2", title="T"), vendor="sentinel", first_seen="2026-11-20T09:20:00.0000000Z"
    )
    event = detection_finding(card(sighting(Detection(native_id="da1", title="T")), later))

    assert faults(event) == []
    assert event["finding_info"]["uid"] == "da1"
    assert [e["uid"] for e in event["finding_info"]["related_events"]] == ["sn-2"]


@pytest.mark.parametrize(
    ("vendor", "name"), [("defender_endpoint", "endpoint_full"), ("defender_for_cloud", "cloud_arm")]
)
def test_what_vendors_report_is_valid(vendor: str, name: str) -> None:
    """As their own mappings make it."""
    raw = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    detection = VENDORS[vendor].to_detection(raw)

    assert faults(detection_finding(card(sighting(detection, vendor=vendor)))) == []


TEXT = st.text(max_size=20)


@given(
    st.builds(
        Detection,
        native_id=st.text(min_size=1),
        title=st.text(min_size=1),
        techniques=st.lists(TEXT, max_size=3).map(tuple),
        assigned_to=st.none() | TEXT,
        classification=st.none() | TEXT,
        assets=st.lists(
            st.builds(Asset, kind=st.sampled_from(AssetKind), name=st.text(min_size=1), id=st.none() | TEXT)
        ).map(tuple),
    )
)
def test_no_text_makes_a_finding_invalid(detection: Detection) -> None:
    """Vendors write anything."""
    assert faults(detection_finding(card(sighting(detection)))) == []


def test_an_alert_is_a_risk() -> None:
    """Field by field as the documents' table has it."""
    risk = alert_risk(card(**FULL))

    assert (risk.key, risk.name, risk.description) == ("da1", "Ransomware", "What happened")
    assert (risk.score, risk.status, risk.category) == (9.0, "in_progress", "Malware, Impact")
    assert (risk.dns, risk.created) == ("srv-1.contoso.example", TIME)


def test_scores_are_those_of_the_documents() -> None:
    """And rise with the severity."""
    assert [SCORES[s] for s in (Severity.high, Severity.medium, Severity.low)] == [9.0, 6.0, 3.0]
    known = [s for s in Severity if s is not Severity.unknown]
    assert sorted(known, key=lambda s: SCORES[s]) == known


def test_a_risk_keeps_its_key_when_others_see_it_too() -> None:
    """Whichever view is shown."""
    first = sighting(Detection(native_id="da1", title="T"))
    richer = sighting(
        Detection.model_validate(FULL | {"native_id": "sn-2"}),
        vendor="sentinel",
        first_seen="2026-11-20T10:00:00.0000000Z",
    )

    assert alert_risk(card(first, richer)).key == alert_risk(card(first)).key == "da1"


def test_a_machine_is_an_asset() -> None:
    """With the first address, the operating system as its name, the status as it is worded."""
    item = Item(
        kind=InventoryKind.managed_device,
        id="d1",
        name="LAPTOP-1",
        dns_name="laptop-1.contoso.example",
        addresses=("10.0.0.4", "fe80::1"),
        operating_system="Windows 11",
        status="noncompliant",
        updated=TIME,
    )

    record = machine_asset(item, source="graph_security", tenant="tenant-a").record()

    assert record == {
        "kind": "asset",
        "key": "d1",
        "dns": "laptop-1.contoso.example",
        "value": "10.0.0.4",
        "name": "Windows 11",
        "class": "managed_device",
        "status": "noncompliant",
        "updated": TIME,
        "source": "graph_security",
        "tenant": "tenant-a",
    }


def test_a_vulnerability_is_a_risk_of_its_machine() -> None:
    """Its own CVSS score counts; its machine gives the name where the row has none."""
    kind = InventoryKind.machine_vulnerability
    found = Item(
        kind=kind, id="m1-CVE", name="CVE-2026-1", machine_id="m1", severity=Severity.high, score=7.8
    )
    machine = Item(kind=InventoryKind.machine, id="m1", name="srv-1", dns_name="srv-1.contoso.example")

    risk = vulnerability_risk(found, source="defender_endpoint", tenant="t", machine=machine)

    assert (risk.key, risk.score, risk.dns, risk.category) == (
        "m1-CVE",
        7.8,
        "srv-1.contoso.example",
        "Vulnerability",
    )
    assert vulnerability_risk(found.model_copy(update={"score": None}), source="", tenant="").score == 9.0


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        ({}, True),
        ({"minimum_severity": "high"}, True),
        ({"minimum_severity": "critical"}, False),
        ({"categories": ["impact"]}, True),
        ({"categories": ["Phishing"]}, False),
        ({"names": ["*.CONTOSO.example"]}, True),
        ({"names": ["*.fabrikam.example"]}, False),
    ],
)
def test_a_risk_is_filtered_before_it_leaves(wanted: dict[str, Any], passes: bool) -> None:
    """By severity, category and name, without case."""
    assert ExportFilter.model_validate(wanted).wants_risk(alert_risk(card(**FULL))) is passes


def test_an_unknown_severity_is_never_filtered_out() -> None:
    """It might be the worst of all."""
    assert ExportFilter(minimum_severity=Severity.critical).wants_risk(alert_risk(card()))
