"""Payloads recorded elsewhere map rightly. POCKETSOC_SAMPLES names the folder (`mde/`, `cloud/`); none are
kept here.

What a payload says is read from it with plain rules written down again here, not with the product's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.nouns.detections import Channel, Detection, instant
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
