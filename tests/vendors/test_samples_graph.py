"""Payloads of Microsoft Graph that were recorded elsewhere map rightly. POCKETSOC_SAMPLES names the folder
(`graph/`); none are kept here.

What a payload says is read from it with plain rules written down again here, not with the product's.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from shared.nouns.detections import AssetKind, instant
from shared.nouns.inventory import InventoryKind
from shared.vendors.graph_security import GraphSecurity
from shared.vendors.hunting import result_of

_FOLDER = os.environ.get("POCKETSOC_SAMPLES")
pytestmark = pytest.mark.skipif(
    not _FOLDER, reason="set POCKETSOC_SAMPLES to a folder with recorded payloads to run these"
)
VENDOR = GraphSecurity()
STATUSES = {"new": "active", "inProgress": "in_progress", "resolved": "resolved"}


def read(name: str) -> Any:
    """A recorded file."""
    return json.loads((Path(_FOLDER or ".") / "graph" / f"{name}.json").read_text("utf-8-sig"))


def alerts() -> list[Any]:
    """Every recorded alert of alerts_v2."""
    found = []
    for path in sorted(Path(_FOLDER or ".").glob("graph/graph_alerts_v2*.json")) if _FOLDER else []:
        for number, alert in enumerate(json.loads(path.read_text("utf-8-sig"))["value"]):
            found.append(pytest.param(alert, id=f"{path.stem}-{number}"))
    return found


def test_there_are_recorded_alerts():
    """A wrong folder must not look like success."""
    assert len(alerts()) >= 3


@pytest.mark.parametrize("raw", alerts())
def test_a_recorded_alert_maps_rightly(raw):
    """Title, severity, status, times, ids, machine, techniques, evidence."""
    found = VENDOR.to_detection(raw)
    devices = [e for e in raw["evidence"] if e["@odata.type"].endswith(".deviceEvidence")]
    users = [e for e in raw["evidence"] if e["@odata.type"].endswith(".userEvidence")]
    assert (found.native_id, found.title) == (raw["id"], raw["title"])
    assert (found.severity, found.status) == (raw["severity"], STATUSES[raw["status"]])
    assert found.created == instant(raw["createdDateTime"])
    assert found.updated == instant(raw["lastUpdateDateTime"])
    assert found.other_ids == (raw["providerAlertId"],)
    assert found.incident_id == raw["incidentId"]
    assert found.source_link == raw["alertWebUrl"]
    assert found.categories == (raw["category"],)
    assert list(found.techniques) == raw["mitreTechniques"]
    assert [a.id for a in found.assets if a.kind is AssetKind.machine] == [d["mdeDeviceId"] for d in devices]
    assert len([a for a in found.assets if a.kind is AssetKind.user]) == len(users)
    assert len(found.evidence) == len(raw["evidence"])
    assert all(e.summary and e.summary != e.kind for e in found.evidence)


def _items(connect: Any, scripted: Any, kind: InventoryKind, *answers: Any) -> list[Any]:
    connection = connect(scripted(*answers), slug="graph_security")
    return [item for page in VENDOR.inventory(connection, kind) for item in page]


def test_recorded_devices_map_rightly(connect, scripted):
    """Name, system, compliance, owner, and the last time they were heard of."""
    answer = read("intune_manageddevices_list")
    rows = answer["value"]
    items = _items(connect, scripted, InventoryKind.managed_device, {"value": rows})
    assert len(items) == len(rows) >= 2
    for item, raw in zip(items, rows, strict=True):
        assert (item.id, item.name) == (raw["id"], raw["deviceName"])
        assert item.operating_system == f"{raw['operatingSystem']} {raw['osVersion']}"
        assert (item.status, item.owner) == (raw["complianceState"], raw["userPrincipalName"])
        assert (item.joined_id, item.updated) == (raw["azureADDeviceId"], instant(raw["lastSyncDateTime"]))
        assert not any(str(value).startswith(("0001-", "9999-")) for value in item.properties.values())


def test_recorded_scores_and_controls_map_rightly(connect, scripted):
    """The newest day's score, and the controls with what they give."""
    scores, profiles = read("graph_securescores_list"), read("graph_securescorecontrolprofiles_list")
    [score] = _items(connect, scripted, InventoryKind.score, scores)
    controls = _items(connect, scripted, InventoryKind.control, scores, profiles)
    assert (score.score, score.maximum) == (
        scores["value"][0]["currentScore"],
        scores["value"][0]["maxScore"],
    )
    assert [(c.id, c.name, c.maximum) for c in controls] == [
        (p["id"], p["title"], p["maxScore"]) for p in profiles["value"]
    ]


def test_a_recorded_hunt_is_a_table():
    """Whether the document writes Name or name."""
    answer = read("graph_runhuntingquery_response")
    found = result_of(answer, "Graph")
    named = [{k.lower(): v for k, v in column.items()} for column in answer["schema"]]
    assert [(c.name, c.type) for c in found.columns] == [(c["name"], c["type"]) for c in named]
    assert len(found.rows) == len(answer["results"])
