"""From an alert inside an incident of the Defender XDR API to a detection: pure mapping, no I/O.

Promise: any object with an id becomes a detection. Values that are not recognised keep the vendor's word and
count as `unknown` (severity) or `active` (status). An alert that comes over Graph is mapped by
graph_alerts.py; classification and determination read the same over both. Source: "List incidents API" (alert
metadata), and payloads seen in public, which have the provider's id beside.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shared.errors import Unreadable
from shared.nouns.detections import Detection, Severity, Status, unique
from shared.vendors import graph_alerts
from shared.vendors.loose_json import fields, leftovers, text, when, words
from shared.vendors.xdr_entities import assets_of, evidence_of

_SEVERITIES = {s.value: s for s in Severity}
_STATUSES = {"new": Status.active, "inprogress": Status.in_progress, "resolved": Status.resolved}
_UNSET = ("unknown", "notavailable")
# The API's short names, which it keeps although the products were renamed.
_PRODUCTS = {
    "microsoftdefenderforendpoint": "Microsoft Defender for Endpoint",
    "windowsdefenderatp": "Microsoft Defender for Endpoint",
    "officeatp": "Microsoft Defender for Office 365",
    "microsoftdefenderforoffice365": "Microsoft Defender for Office 365",
    "azureatp": "Microsoft Defender for Identity",
    "microsoftdefenderforidentity": "Microsoft Defender for Identity",
    "microsoftcloudappsecurity": "Microsoft Defender for Cloud Apps",
    "microsoftdefenderforcloudapps": "Microsoft Defender for Cloud Apps",
    "aadidentityprotection": "Microsoft Entra ID Protection",
    "azureadidentityprotection": "Microsoft Entra ID Protection",
    "microsoft365defender": "Microsoft Defender XDR",
    "microsoftthreatprotection": "Microsoft Defender XDR",
    "microsoftappgovernance": "Microsoft App Governance",
    "datalossprevention": "Microsoft Data Loss Prevention",
    "microsoftdefenderforcloud": "Microsoft Defender for Cloud",
    "microsoftsentinel": "Microsoft Sentinel",
    "microsoftinsiderriskmanagement": "Microsoft Insider Risk Management",
}
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
        severity=_SEVERITIES.get((severity or "").lower(), Severity.unknown),
        status=_STATUSES.get((status or "").lower(), Status.active),
        vendor_severity=severity,
        vendor_status=status,
        created=when(alert.get("creationtime")),
        # The reference says lastUpdatedTime.
        updated=when(alert.get("lastupdatedtime")) or when(alert.get("lastupdatetime")),
        first_activity=when(alert.get("firstactivity")),
        last_activity=when(alert.get("lastactivity")),
        resolved=when(alert.get("resolvedtime")),
        product=_product(alert),
        categories=words(alert.get("category")),
        techniques=words(alert.get("mitretechniques")),
        assets=assets_of(alert),
        evidence=evidence_of(alert),
        # The portal of the commercial cloud: the alert does not name its own.
        source_link=f"https://security.microsoft.com/alerts/{quote(native_id, safe='')}",
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


def _product(alert: dict[str, Any]) -> str | None:
    source = text(alert.get("servicesource"))
    return _PRODUCTS.get(source.lower(), source) if source else None
