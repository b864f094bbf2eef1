"""From an incident of Defender XDR to the product's: over Graph, and over the XDR API. Pure mapping, no I/O.

Both APIs show the same incidents under the same numbers, with other names and casing; what they say reads the
same here. A status that is not recognised is `active`: it must be looked at. A merged incident is `dismissed`
(nothing is to be done in it) and names the one that it went into. Sources: "incident resource type" of Graph,
"List incidents API".
"""

from __future__ import annotations

from typing import Any

from shared.errors import Unreadable
from shared.nouns.detections import Status, unique
from shared.nouns.incidents import Incident
from shared.vendors import graph_alerts
from shared.vendors.alert_words import portal_link, severity_of
from shared.vendors.loose_json import each, fields, https_link, leftovers, text, when, words
from shared.vendors.xdr_alerts import set_or_none

_STATUSES = {
    "active": Status.active,
    "inprogress": Status.in_progress,
    "resolved": Status.resolved,
    "redirected": Status.dismissed,
    # Microsoft's experts wait for the customer.
    "awaitingaction": Status.active,
}
# The property by its names: Graph's first, then the XDR API's.
_NAMES = {
    "title": ("displayname", "incidentname"),
    "created": ("createddatetime", "createdtime"),
    "updated": ("lastupdatedatetime", "lastupdatetime"),
    "tags": ("customtags", "tags"),
    "link": ("incidentweburl", "incidenturi"),
    "redirect": ("redirectincidentid",),
}
_USED = frozenset(
    {
        *(name for names in _NAMES.values() for name in names),
        *("id", "incidentid", "description", "severity", "status", "alerts", "comments", "assignedto"),
        *("classification", "determination", "@odata.context", "@odata.etag"),
    }
)


def to_incident(raw: Any) -> Incident:
    """Map one incident. Raises Unreadable when it is no object or has no number."""
    incident = fields(raw)
    number = number_of(raw)
    if number is None:
        raise Unreadable("This Defender XDR incident has no id.")
    severity, status = text(incident.get("severity")), text(incident.get("status"))
    return Incident(
        native_id=number,
        number=number,
        title=text(_value(incident, "title")) or f"Incident {number}",
        description=text(incident.get("description")) or "",
        severity=severity_of(severity),
        status=_STATUSES.get((status or "").lower(), Status.active),
        vendor_severity=severity,
        vendor_status=status,
        created=when(_value(incident, "created")),
        updated=when(_value(incident, "updated")),
        alert_ids=alert_ids(incident.get("alerts")),
        tags=words(_value(incident, "tags"), separator="\n"),
        comments=graph_alerts.comments_of(incident.get("comments")),
        assigned_to=text(incident.get("assignedto")),
        classification=graph_alerts.classification_of(set_or_none(incident.get("classification"))),
        determination=graph_alerts.determination_of(set_or_none(incident.get("determination"))),
        source_link=https_link(_value(incident, "link"))
        or portal_link("incidents", number, text(incident.get("tenantid"))),
        merged_into=text(_value(incident, "redirect")),
        properties=leftovers(raw, _USED),
    )


def number_of(raw: Any) -> str | None:
    """The incident's number as text: an integer over the XDR API, text over Graph."""
    incident = fields(raw)
    return text(incident.get("incidentid")) or text(incident.get("id"))


def alert_ids(rows: object) -> tuple[str, ...]:
    """The ids of alerts, each once, as either API writes them."""
    found = map(fields, each(rows))
    return unique(text(alert.get("alertid")) or text(alert.get("id")) for alert in found)


def _value(incident: dict[str, Any], name: str) -> Any:
    return next((incident[key] for key in _NAMES[name] if incident.get(key) is not None), None)
