"""From an incident of Defender XDR to the product's: over Graph, and over the XDR API. Pure mapping, no I/O.

Both APIs show the same incidents under the same numbers, with other names and casing; what they say reads the
same here. A status that is not recognised is `active`: it must be looked at. A merged incident is `dismissed`
(nothing is to be done in it) and names the one that it went into. Sources: "incident resource type" of Graph,
"List incidents API".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shared.errors import Unreadable
from shared.nouns.detections import Severity, Status, unique
from shared.nouns.incidents import Incident
from shared.vendors import graph_alerts
from shared.vendors.loose_json import each, fields, https_link, leftovers, text, when, words
from shared.vendors.xdr_alerts import set_or_none

_SEVERITIES = {s.value: s for s in Severity}
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
        severity=_SEVERITIES.get((severity or "").lower(), Severity.unknown),
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
        source_link=https_link(_value(incident, "link")) or _portal_link(number, incident),
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


def _portal_link(number: str, incident: dict[str, Any]) -> str:
    # The commercial portal: the incident does not name its cloud. Both APIs bring a link of their own.
    link = f"https://security.microsoft.com/incidents/{quote(number, safe='')}"
    tenant = text(incident.get("tenantid"))
    return f"{link}?tid={quote(tenant, safe='')}" if tenant else link
