"""From a Defender for Cloud alert, in any dialect, to a detection: pure mapping, no I/O.

Promise: the same alert gives the same id, title, severity, status, times, techniques and assets whether it
was polled from ARM or came by webhook; values that are not recognised count as `unknown` or `active` and
keep the vendor's word.
"""

from __future__ import annotations

import re
from typing import Any

from shared.nouns.detections import Channel, Detection, Instant, unique
from shared.vendors.alert_words import severity_of, status_of
from shared.vendors.cloud_assets import assets_of
from shared.vendors.cloud_dialects import CloudAlert, listed, read_alert
from shared.vendors.cloud_entities import Entities
from shared.vendors.cloud_supporting import supporting
from shared.vendors.loose_json import https_link, leftovers, text, when, words

_USED = frozenset(
    {
        *("systemalertid", "alertdisplayname", "description", "severity", "status", "intent", "productname"),
        *("timegenerated", "timegeneratedutc", "processingendtime", "processingendtimeutc"),
        *("starttimeutc", "endtimeutc", "techniques", "subtechniques", "entities", "supportingevidence"),
        *("remediationsteps", "alerturi"),
    }
)
_PLACES = {
    "subscriptionId": (r"/subscriptions/([^/?]+)", r"/subscriptionId/([^/?]+)"),
    "resourceGroup": (r"/resourceGroups/([^/?]+)", r"/resourceGroup/([^/?]+)"),
    "location": (r"/locations/([^/?]+)/alerts/", r"/location/([^/?]+)"),
}


def to_detection(raw: Any, channel: Channel) -> Detection:
    """Map one alert. Raises Unreadable when it is no object or has no id."""
    alert = read_alert(raw)
    known = alert.known
    entities = Entities(known.get("entities"))
    severity = text(known.get("severity")) or text(known.get("reportedseverity"))
    status = text(known.get("status"))
    return Detection(
        native_id=alert.native_id,
        title=text(known.get("alertdisplayname"))
        or text(known.get("alerttype"))
        or f"Alert {alert.native_id}",
        description=text(known.get("description")) or "",
        severity=severity_of(severity),
        status=status_of(status),
        vendor_severity=severity,
        vendor_status=status,
        created=_created(known),
        updated=_updated(known) if channel is Channel.webhook else None,
        first_activity=when(known.get("starttimeutc")),
        last_activity=when(known.get("endtimeutc")),
        product=text(known.get("productname")) or "Microsoft Defender for Cloud",
        categories=tuple(word for word in words(*listed(known.get("intent"))) if word.lower() != "unknown"),
        techniques=words(*listed(known.get("techniques")), *listed(known.get("subtechniques"))),
        assets=assets_of(known, entities),
        evidence=entities.evidence() + tuple(supporting(known.get("supportingevidence"))),
        remediation_steps=_steps(known.get("remediationsteps")),
        source_link=https_link(known.get("alerturi")),
        properties=_properties(alert, entities),
    )


def _time(known: dict[str, Any], *names: str) -> Instant | None:
    return next((found for name in names if (found := when(known.get(name)))), None)


def _created(known: dict[str, Any]) -> Instant | None:
    generated = _time(known, "timegeneratedutc", "timegenerated")
    return generated or _time(known, "processingendtimeutc", "processingendtime", "starttimeutc")


def _updated(known: dict[str, Any]) -> Instant | None:
    """An event's own time. Processing may have ended before the alert was published, so the later one
    counts."""
    times = (_created(known), _time(known, "processingendtimeutc", "processingendtime"))
    return max((time for time in times if time), default=_time(known, "endtimeutc"))


def _steps(value: object) -> tuple[str, ...]:
    steps = listed(value)
    if len(steps) == 1:  # one string holds all of them in some dialects
        return words(*steps, separator="\n")
    return unique(text(step) for step in steps)


def _properties(alert: CloudAlert, entities: Entities) -> dict[str, Any]:
    """What has no field of its own, and where the alert lives: only ARM says that outright, events only in
    a link."""
    found = leftovers(alert.own, _USED, reference=entities.words)
    if alert.arm_id:
        found["armId"] = alert.arm_id
    for name, (in_id, in_link) in _PLACES.items():
        place = re.search(in_id, alert.arm_id or "", re.IGNORECASE) or re.search(
            in_link, text(alert.known.get("alerturi")) or "", re.IGNORECASE
        )
        if place:
            found[name] = place[1]
    return found
