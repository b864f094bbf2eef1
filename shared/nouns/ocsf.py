"""A detection as an OCSF Detection Finding, class 2004, of schema 1.8.0. Pure.

Source: the schema of ocsf/ocsf-schema at 1.8.0 (classes base_event, finding, detection_finding; profile
incident), and how public mappings read Microsoft's alerts. What has no place there is in `unmapped`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.nouns.cards import Card, Sighting
from shared.nouns.detections import Asset, AssetKind, Detection, Instant, Severity, Status, moment_of, unique

VERSION = "1.8.0"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ACTIVITIES = {1: "Create", 2: "Update", 3: "Close"}
_SEVERITIES = {
    Severity.unknown: (0, "Unknown"),
    Severity.informational: (1, "Informational"),
    Severity.low: (2, "Low"),
    Severity.medium: (3, "Medium"),
    Severity.high: (4, "High"),
    Severity.critical: (5, "Critical"),
}
_STATUSES = {
    Status.active: (1, "New"),
    Status.in_progress: (2, "In Progress"),
    Status.dismissed: (3, "Suppressed"),
    Status.resolved: (4, "Resolved"),
}
# The vendors' words for a classification, without case and separators.
_VERDICTS = {
    "falsepositive": (1, "False Positive"),
    "truepositive": (2, "True Positive"),
    "benignpositive": (5, "Benign"),
    "informationalexpectedactivity": (5, "Benign"),
    "undetermined": (7, "Insufficient Data"),
}
# Observable types: hostname, user name, e-mail address, resource uid.
_OBSERVABLES = {
    AssetKind.machine: (1, "Hostname"),
    AssetKind.user: (4, "User Name"),
    AssetKind.mailbox: (5, "Email Address"),
    AssetKind.cloud_resource: (10, "Resource UID"),
}


def first_sighting(card: Card) -> Sighting:
    """The view that came first: its alert's id names the detection for others, whatever is seen later."""
    return min(card.sightings, key=lambda s: (s.first_seen, s.key))


def detection_finding(card: Card) -> dict[str, Any]:
    """The event, ready for JSON; attributes without a value are left out."""
    shown = card.detection
    activity = _activity(shown)
    severity_id, severity = _SEVERITIES[shown.severity]
    status_id, status = _STATUSES[shown.status]
    machine = next((a for a in shown.assets if a.kind is AssetKind.machine), None)
    return _filled(
        {
            "activity_id": activity,
            "activity_name": _ACTIVITIES[activity],
            "category_uid": 2,
            "category_name": "Findings",
            "class_uid": 2004,
            "class_name": "Detection Finding",
            "type_uid": 200400 + activity,
            "type_name": f"Detection Finding: {_ACTIVITIES[activity]}",
            "severity_id": severity_id,
            "severity": severity,
            "status_id": status_id,
            "status": status,
            "time": _milliseconds(shown.created or card.first_seen),
            "start_time": _milliseconds(shown.first_activity),
            "end_time": _milliseconds(shown.last_activity),
            "message": shown.title,
            "is_alert": True,
            "metadata": _metadata(card, shown),
            "finding_info": _finding_info(card, shown),
            "device": machine and _device(machine),
            "resources": [_resource(asset) for asset in shown.assets],
            "observables": [_observable(asset) for asset in shown.assets],
            "evidences": [
                _filled({"name": e.kind, "data": {"summary": e.summary, **e.details}}) for e in shown.evidence
            ],
            "remediation": {"desc": "\n".join(shown.remediation_steps)} if shown.remediation_steps else None,
            "comment": "\n".join(comment.text for comment in shown.comments),
            **_incident(shown),
            "unmapped": _unmapped(card, shown),
        }
    )


def _activity(shown: Detection) -> int:
    if shown.status.closed:
        return 3
    return 2 if shown.updated and shown.created and shown.updated > shown.created else 1


def _metadata(card: Card, shown: Detection) -> dict[str, Any]:
    return _filled(
        {
            "version": VERSION,
            "profiles": ["incident"],
            "product": _product(shown.product or card.vendor),
            "uid": card.id,
            "original_event_uid": first_sighting(card).native_id,
            "tenant_uid": card.scope,
            "log_provider": card.vendor,
            "logged_time": _milliseconds(card.first_seen),
            "modified_time": _milliseconds(card.changed),
        }
    )


def _finding_info(card: Card, shown: Detection) -> dict[str, Any]:
    first = first_sighting(card)
    others = [id for id in shown.other_ids if id != first.native_id]
    return _filled(
        {
            "uid": first.native_id,
            "uid_alt": others[0] if others else None,
            "title": shown.title,
            "desc": shown.description,
            "types": list(shown.categories),
            "src_url": shown.source_link,
            "attacks": [_attack(technique) for technique in shown.techniques],
            "data_sources": list(unique(s.vendor for s in card.sightings)),
            "created_time": _milliseconds(shown.created),
            "modified_time": _milliseconds(shown.updated),
            "first_seen_time": _milliseconds(shown.first_activity),
            "last_seen_time": _milliseconds(shown.last_activity),
            "product": _product(shown.product or card.vendor),
            "related_events": [_related(s) for s in card.sightings if s.key != first.key],
        }
    )


def _incident(shown: Detection) -> dict[str, Any]:
    """What the incident profile adds."""
    word = "".join(c for c in (shown.classification or "").lower() if c.isalpha())
    verdict_id, verdict = _VERDICTS.get(word, (99, shown.classification) if word else (0, None))
    who = shown.assigned_to
    return {
        "verdict_id": verdict_id,
        "verdict": verdict,
        "assignee": who and _filled({"name": who, "email_addr": who if "@" in who else None}),
        "tickets": [{"uid": shown.incident_id, "type": "Incident"}] if shown.incident_id else None,
    }


def _product(name: str) -> dict[str, Any]:
    return {"name": name, "vendor_name": "Microsoft"}


def _attack(technique: str) -> dict[str, Any]:
    parent, _, sub = technique.partition(".")
    return {"technique": {"uid": parent}} | ({"sub_technique": {"uid": technique}} if sub else {})


def _related(seen: Sighting) -> dict[str, Any]:
    return _filled(
        {
            "uid": seen.native_id,
            "title": seen.detection.title,
            "product": _product(seen.detection.product or seen.vendor),
            "severity_id": _SEVERITIES[seen.severity][0],
            "created_time": _milliseconds(seen.detection.created),
            "modified_time": _milliseconds(seen.detection.updated),
        }
    )


def _device(machine: Asset) -> dict[str, Any]:
    return _filled({"type_id": 0, "type": "Unknown", "hostname": machine.name, "uid": machine.id})


def _resource(asset: Asset) -> dict[str, Any]:
    return _filled(
        {
            "name": asset.name,
            "uid": asset.id,
            "type": asset.kind.value,
            "hostname": asset.name if asset.kind is AssetKind.machine else None,
            "data": asset.details,
        }
    )


def _observable(asset: Asset) -> dict[str, Any]:
    type_id, kind = _OBSERVABLES[asset.kind]
    by_id = asset.kind is AssetKind.cloud_resource and asset.id
    return {
        "name": "resources[].uid" if by_id else "resources[].name",
        "type_id": type_id,
        "type": kind,
        "value": asset.id if by_id else asset.name,
    }


def _unmapped(card: Card, shown: Detection) -> dict[str, Any]:
    return _filled(
        {
            "vendor_severity": shown.vendor_severity,
            "vendor_status": shown.vendor_status,
            "determination": shown.determination,
            "configuration_ids": list(unique(s.configuration_id for s in card.sightings)),
            "properties": shown.properties,
        }
    )


def _milliseconds(when: Instant | None) -> int | None:
    return (moment_of(when) - _EPOCH) // timedelta(milliseconds=1) if when else None


def _filled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}
