"""Payloads of Defender XDR recorded elsewhere map rightly. POCKETSOC_SAMPLES names the folder (`graph/`);
none are kept here.

What a payload says is read from it with plain rules written down again here, not with the product's.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from shared.nouns.detections import instant
from shared.vendors.registry import VENDORS

_FOLDER = os.environ.get("POCKETSOC_SAMPLES")
VENDOR = VENDORS["defender_xdr"]
pytestmark = pytest.mark.skipif(
    not _FOLDER, reason="set POCKETSOC_SAMPLES to a folder with recorded payloads to run these"
)
_STATUSES = {
    "active": "active",
    "new": "active",
    "inprogress": "in_progress",
    "resolved": "resolved",
    "redirected": "dismissed",
}


def _sample(name: str) -> Any:
    return json.loads((Path(_FOLDER or ".") / "graph" / f"{name}.json").read_text("utf-8-sig"))


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("graph_incidents_list_real", ("id", "displayName", "createdDateTime", "lastUpdateDateTime")),
        ("xdr_incidents_list", ("incidentId", "incidentName", "createdTime", "lastUpdateTime")),
    ],
)
def test_recorded_incidents_map_rightly(name, names):
    """Number, title, times, severity, status; nothing that is not set counts as set."""
    incidents = _sample(name)["value"]
    assert incidents
    for raw in incidents:
        found = VENDOR.to_incident(raw)
        number, title, created, updated = (raw[one] for one in names)
        assert (found.native_id, found.number, found.title) == (str(number), str(number), title)
        assert (found.created, found.updated) == (instant(created), instant(updated))
        assert found.severity == raw["severity"].lower()
        assert found.status == _STATUSES[raw["status"].lower()]
        assert found.classification is found.determination is None
        assert found.alert_ids == tuple(one["alertId"] for one in raw.get("alerts", []))


def test_recorded_alerts_of_the_xdr_api_map_rightly():
    """Title, times, and a line for every entity though most fields are null."""
    alerts = [alert for incident in _sample("xdr_incidents_list")["value"] for alert in incident["alerts"]]
    assert alerts
    for raw in alerts:
        found = VENDOR.to_detection(raw)
        assert (found.native_id, found.title) == (raw["alertId"], raw["title"])
        assert (found.created, found.updated) == (
            instant(raw["creationTime"]),
            instant(raw["lastUpdatedTime"]),
        )
        assert found.status == _STATUSES[raw["status"].lower()]
        assert found.incident_id == str(raw["incidentId"])
        assert len(found.evidence) == len(raw["entities"]) + len(raw["devices"])
        assert all(one.summary != one.kind for one in found.evidence)
        mailboxes = {one["mailboxAddress"] for one in raw["entities"] if one["entityType"] == "MailBox"}
        assert mailboxes <= {asset.name for asset in found.assets}


def test_recorded_incidents_are_read_by_a_walk(connect, scripted):
    """One page over the XDR API, with its alerts."""
    answer = _sample("xdr_incidents_list")
    (page,) = VENDOR.fetch(connect(scripted(answer), slug="defender_xdr", options={"api": "xdr"}), None)
    assert len(page.incidents) == len(answer["value"])
    assert len(page.alerts) == sum(len(one["alerts"]) for one in answer["value"])


def test_a_recorded_hunting_result_is_a_table(connect, scripted):
    """Columns and rows as they came."""
    answer = _sample("xdr_advancedhunting_run")
    api = scripted({})
    api.post = lambda path, body=None, **_: answer
    found = VENDOR.hunt(
        connect(api, slug="defender_xdr", options={"api": "xdr"}), "DeviceProcessEvents", None
    )
    assert [(one.name, one.type) for one in found.columns] == [
        (s["Name"], s["Type"]) for s in answer["Schema"]
    ]
    assert list(found.rows) == answer["Results"]
