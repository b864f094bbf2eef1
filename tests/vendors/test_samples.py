"""Payloads recorded elsewhere map rightly. POCKETSOC_SAMPLES names the folder (`mde/`, `cloud/`); none are
kept here.

What a payload says is read from it with plain rules written down again here, not with the product's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.nouns.detections import Channel, Detection, instant
from shared.nouns.identity import aliases
from shared.nouns.inventory import InventoryKind
from shared.vendors import endpoint_inventory
from shared.vendors.abilities import IncidentVendor
from shared.vendors.answers import Answer as HttpAnswer
from shared.vendors.answers import refusal
from shared.vendors.registry import VENDORS

_FOLDER = os.environ.get("POCKETSOC_SAMPLES")
pytestmark = pytest.mark.skipif(
    not _FOLDER, reason="set POCKETSOC_SAMPLES to a folder with recorded payloads to run these"
)


def _alerts(value: Any) -> Iterator[dict[str, Any]]:
    """Every alert anywhere in a file."""
    if isinstance(value, list):
        for part in value:
            yield from _alerts(part)
    elif isinstance(value, dict):
        names = set(value)
        inner = value.get("properties") if isinstance(value.get("properties"), dict) else {}
        activity = {"eventName", "correlationId"} <= names
        if activity or names & {"alertCreationTime", "SystemAlertId"} or "systemAlertId" in inner:
            yield value
        else:
            for part in value.values():
                yield from _alerts(part)


def _recorded(part: str) -> list[Any]:
    found = []
    for path in sorted(Path(_FOLDER or ".").joinpath(part).rglob("*.json")) if _FOLDER else []:
        if "swagger" not in path.parts and "schemas" not in path.parts:
            for number, alert in enumerate(_alerts(json.loads(path.read_text("utf-8-sig")))):
                found.append(pytest.param(alert, id=f"{path.stem}-{number}"))
    return found


def test_there_are_recorded_payloads():
    """A wrong folder must not look like success."""
    assert len(_recorded("mde")) >= 4
    assert len(_recorded("cloud")) >= 7


@pytest.mark.parametrize("raw", _recorded("mde"))
def test_a_recorded_endpoint_alert_maps_rightly(raw):
    """Title, severity, status, times, machine, evidence."""
    found = VENDORS["defender_endpoint"].to_detection(raw)
    statuses = {"New": "active", "Unknown": "active", "InProgress": "in_progress", "Resolved": "resolved"}
    assert (found.native_id, found.title) == (raw["id"], raw["title"])
    assert found.severity == raw["severity"].lower()
    assert found.status == statuses[raw["status"]]
    assert (found.created, found.updated) == (
        instant(raw["alertCreationTime"]),
        instant(raw["lastUpdateTime"]),
    )
    assert found.assets[0].id == raw["machineId"]
    assert len(found.evidence) == len(raw.get("evidence", []))
    assert all(e.summary and e.summary != e.kind for e in found.evidence)


def _graph_sample(name: str) -> Any:
    return json.loads(Path(_FOLDER or ".").joinpath("graph", f"{name}.json").read_text("utf-8-sig"))


def test_the_recorded_cloud_apps_alert_maps_rightly():
    """Numbers, milliseconds, entities, techniques in the text, the id in the link."""
    [raw] = _graph_sample("mdca_alerts_list")["data"]
    found = VENDORS["defender_cloud_apps"].to_detection(raw)
    assert (found.native_id, found.title) == (raw["_id"], raw["title"])
    assert (found.severity, found.status) == ("medium", "active")
    assert found.created == "2021-05-25T11:25:16.4750000Z"
    assert found.techniques == ("T1087", "T1087.002")
    assert found.main_asset == raw["entities"][0]["pa"]
    assert len(found.evidence) == len(raw["entities"])
    assert found.properties["contextId"] == raw["contextId"]
    assert found.source_link == raw["URL"]


def test_the_recorded_cloud_apps_activity_is_at_least_no_error():
    """It is no alert, but it comes from the same service and has its id and times."""
    found = 0

    def visit(value: Any) -> None:
        nonlocal found
        if isinstance(value, dict) and "_id" in value:
            detection = VENDORS["defender_cloud_apps"].to_detection(value)
            found += 1
            assert (detection.native_id, detection.title) == (value["_id"], value["description"])
            at = datetime.fromtimestamp(value["timestamp"] / 1000, UTC)
            assert (detection.created or "")[:23] == at.isoformat(timespec="milliseconds")[:23]
        elif isinstance(value, dict | list):
            for part in value.values() if isinstance(value, dict) else value:
                visit(part)

    visit(_graph_sample("mdca_activity_record"))
    assert found


def test_the_recorded_sentinel_alert_is_defender_for_clouds_own():
    """It maps, and its provider's id is the name of the alert there."""
    raw = _graph_sample("sentinel_incident_alert_dfc_real")
    found, said = VENDORS["sentinel"].to_detection(raw), raw["properties"]
    assert (found.native_id, found.title) == (said["systemAlertId"], said["alertDisplayName"])
    assert (found.severity, found.status) == ("high", "active")
    assert found.updated == instant(said["timeGenerated"])
    assert found.main_asset == said["compromisedEntity"]
    own = Detection(native_id=said["providerAlertId"], title="Defender for Cloud's own")
    assert set(aliases(found)) & set(aliases(own))


def test_the_recorded_sentinel_incidents_map_rightly():
    """As the list shows them, and as a row of the table."""
    vendor = VENDORS["sentinel"]
    assert isinstance(vendor, IncidentVendor)
    [raw] = _graph_sample("sentinel_incidents_list")["value"]
    found, said = vendor.to_incident(raw), raw["properties"]
    assert (found.native_id, found.title, found.version) == (raw["name"], said["title"], raw["etag"])
    assert (found.severity, found.status, found.assigned_to) == ("medium", "active", None)
    assert found.updated == instant(said["lastModifiedTimeUtc"])
    row = _graph_sample("sentinel_securityincident_row")
    found = vendor.to_incident(row)
    assert (found.native_id, found.number) == (row["IncidentName"], None)
    assert (found.severity, found.vendor_severity) == ("unknown", "100")
    assert found.alert_ids == tuple(row["AlertIds"])
    assert found.assigned_to == "user1@xyz.com"


def _check_cloud(
    found: Detection, native_id: str, title: str, severity: str, created: str, entity: str
) -> None:
    assert (found.native_id, found.title) == (native_id, title)
    assert (found.severity, found.status) == (severity.lower(), "active")
    assert found.created == instant(created)
    assert found.main_asset == entity


@pytest.mark.parametrize("raw", _recorded("cloud"))
def test_a_recorded_cloud_alert_maps_rightly(raw):
    """In the dialect in which it was recorded, and as a webhook's body."""
    vendor = VENDORS["defender_for_cloud"]
    found = vendor.to_detection(raw, channel=Channel.webhook)
    inner = raw.get("properties", {})
    if "systemAlertId" in inner:
        _check_cloud(
            found,
            *(inner[key] for key in ("systemAlertId", "alertDisplayName", "severity", "timeGeneratedUtc")),
            inner["compromisedEntity"],
        )
    elif "SystemAlertId" in raw:
        keys = ("SystemAlertId", "AlertDisplayName", "Severity", "TimeGenerated", "CompromisedEntity")
        _check_cloud(found, *(raw[key] for key in keys))
    else:
        title, when = raw["eventName"]["value"], raw["eventTimestamp"]
        _check_cloud(found, raw["correlationId"], title, inner["severity"], when, inner["compromisedEntity"])
    (item,) = vendor.read_webhook({"body": json.dumps(raw)})  # type: ignore[attr-defined]
    assert (item.kind, item.id) == ("alert", found.native_id)
    assert '"$id"' not in found.model_dump_json()
    assert '"$ref"' not in found.model_dump_json()


# What a recorded answer holds, by the name of its file without `.json`.
_ROWS = {
    "vulnerabilities_list": endpoint_inventory.vulnerability,
    "rapid7_get_machine_vulnerabilities": endpoint_inventory.vulnerability,
    "rapid7_get_machine_information_first": endpoint_inventory.machine,
    "rapid7_get_machine_information_by_id": endpoint_inventory.machine,
    "rapid7_find_machines_with_software": endpoint_inventory.machine,
    "rapid7_search_machines_empty": endpoint_inventory.machine,
    "defectdojo_machines_issue_11217": endpoint_inventory.machine,
    "defectdojo_report_one_vuln": endpoint_inventory.machine_vulnerability,
}


def _answer(name: str) -> Any:
    return json.loads(Path(_FOLDER or ".").joinpath("mde", f"{name}.json").read_text("utf-8-sig"))


@pytest.mark.parametrize("name", _ROWS)
def test_a_recorded_inventory_maps_rightly(name):
    """Every row is an item: its id, its name, its severity or risk, and nothing is dropped."""
    answer = _answer(name)
    for row in answer.get("value", [answer]):
        found = _ROWS[name](row)
        assert found is not None
        assert found.id == row["id"]
        assert found.name == (row.get("name") or row.get("cveId") or row.get("computerDnsName"))
        said = row.get("severity") or row.get("riskScore") or "None"
        assert found.severity == (None if said == "None" else said.lower())
        assert found.machine_id == row.get("machineId")
        assert found.score == row.get("cvssV3")
        if row.get("lastIpAddress"):
            assert row["lastIpAddress"] in found.addresses
        assert type(found).model_validate_json(found.model_dump_json()) == found


def test_a_recorded_score_is_read(connect, scripted):
    """With the time that it is for."""
    answer = _answer("exposure_score")
    connection = connect(scripted(answer))
    score = next(VENDORS["defender_endpoint"].inventory(connection, InventoryKind.score))[0]  # type: ignore[attr-defined]
    assert (score.score, score.updated) == (answer["score"], instant(answer["time"]))


def test_a_recorded_hunt_is_a_table(connect):
    """Columns in their order, rows as they came."""
    answer = _answer("advancedqueries_run_response")

    class Recorded:
        def post(self, path, body, **more):
            return answer

    found = VENDORS["defender_endpoint"].hunt(connect(Recorded()), "DeviceProcessEvents", None)  # type: ignore[attr-defined]
    assert [(c.name, c.type) for c in found.columns] == [(c["Name"], c["Type"]) for c in answer["Schema"]]
    assert list(found.rows) == answer["Results"]


@pytest.mark.parametrize("name", ["error_403_missing_roles_2026", "error_404_resource_not_found"])
def test_a_recorded_refusal_reaches_the_operator(name):
    """With its words."""
    status = int(name.split("_")[1])
    body = Path(_FOLDER or ".").joinpath("mde", f"{name}.json").read_bytes()
    said = str(refusal(HttpAnswer(status, {}, body), "Defender for Endpoint"))
    assert _answer(name)["error"]["message"].rstrip(".") in said
