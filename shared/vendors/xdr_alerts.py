"""From an alert inside an incident of the Defender XDR API to a detection: pure mapping, no I/O.

Promise: any object with an id becomes a detection. Values that are not recognised keep the vendor's word and
count as `unknown` (severity) or `active` (status). An alert that comes over Graph is mapped by
graph_alerts.py; classification and determination read the same over both. Source: "List incidents API" (alert
metadata), and payloads seen in public, which have the provider's id beside.
"""

from __future__ import annotations

from typing import Any

from shared.errors import Unreadable
from shared.nouns.detections import Detection, unique
from shared.vendors import graph_alerts
from shared.vendors.alert_words import portal_link, product_of, severity_of, status_of
from shared.vendors.loose_json import fields, leftovers, text, when, words
from shared.vendors.xdr_entities import assets_of, evidence_of

_UNSET = ("unknown", "notavailable")
_USED = frozenset(
    {
        *("alertid", "provideralertid", "incidentid", "title", "description", "severity", "status"),
        *("creationtime", "lastupdatedtime", "lastupdatetime", "resolvedtime", "firstactivity"),
        *("lastactivity", "category", "mitretechniques", "assignedto", "classification", "determination"),
        *("devices", "entities"),
    }
)


def is_one(raw: Any) -> bool:
    """Whether this is an alert as the XDR API writes it, and not as Graph does."""
    return fields(raw).get("alertid") is not None


def to_detection(raw: Any) -> Detection:
    """Map one member of an incident's `alerts`. Raises Unreadable when it is no object or has no id."""
    alert = fields(raw)
    native_id = text(alert.get("alertid"))
    if native_id is None:
        raise Unreadable("This Defender XDR alert has no id.")
    severity, status = text(alert.get("severity")), text(alert.get("status"))
    return Detection(
        native_id=native_id,
        other_ids=unique([text(alert.get("provideralertid"))]),
        title=text(alert.get("title")) or text(alert.get("threatfamilyname")) or f"Alert {native_id}",
        description=text(alert.get("description")) or "",
        severity=severity_of(severity),
        status=status_of(status),
        vendor_severity=severity,
        vendor_status=status,
        created=when(alert.get("creationtime")),
        # The reference says lastUpdatedTime.
        updated=when(alert.get("lastupdatedtime")) or when(alert.get("lastupdatetime")),
        first_activity=when(alert.get("firstactivity")),
        last_activity=when(alert.get("lastactivity")),
        resolved=when(alert.get("resolvedtime")),
        product=product_of(text(alert.get("servicesource"))),
        categories=words(alert.get("category")),
        techniques=words(alert.get("mitretechniques")),
        assets=assets_of(alert),
        evidence=evidence_of(alert),
        source_link=portal_link("alerts", native_id, text(alert.get("tenantid"))),
        incident_id=text(alert.get("incidentid")),
        assigned_to=text(alert.get("assignedto")),
        classification=graph_alerts.classification_of(set_or_none(alert.get("classification"))),
        determination=graph_alerts.determination_of(set_or_none(alert.get("determination"))),
        properties=leftovers(raw, _USED),
    )


def set_or_none(value: object) -> str | None:
    """A word of the API's that says something; None for those that say that nothing is set."""
    word = text(value)
    return None if word is None or word.lower() in _UNSET else word
