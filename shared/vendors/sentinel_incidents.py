"""From a Microsoft Sentinel incident to the product's: pure mapping, no I/O.

Promise: any object with a name becomes an incident. A closed one that Defender XDR has merged into another
(it has the label `redirected`) is `dismissed`: nothing is to be done in it; the number of the other is not
told. A status that is not recognised is `active`: it must be looked at. Rows of the table SecurityIncident
have the same things under other names, and are read as well. Source: the provider's specification
(2025-09-01), "Microsoft Defender XDR integration with Microsoft Sentinel".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.errors import Unreadable
from shared.nouns.detections import Comment, Status, unique
from shared.nouns.incidents import Incident
from shared.vendors.alert_words import severity_of
from shared.vendors.loose_json import each, fields, https_link, leftovers, text, when

# Where a number in `providerIncidentId` is Defender XDR's; elsewhere it is Sentinel's own counter.
XDR = frozenset(
    {"microsoft xdr", "microsoft defender xdr", "microsoft 365 defender", "microsoft threat protection"}
)
REDIRECTED = "redirected"
_STATUSES = {"new": Status.active, "active": Status.in_progress, "closed": Status.resolved}
_USED = frozenset(
    {
        *("title", "description", "severity", "status", "owner", "labels", "classification"),
        *("classificationreason", "createdtimeutc", "createdtime", "lastmodifiedtimeutc", "lastmodifiedtime"),
        *("incidenturl", "alertids", "comments", "incidentname", "providerincidentid"),
    }
)


def to_incident(raw: Any) -> Incident:
    """Map one incident. Raises Unreadable when it is no object or has no name."""
    known = properties_of(raw)
    name = name_of(raw)
    if name is None:
        raise Unreadable("This Microsoft Sentinel incident has no name.")
    severity, status = text(known.get("severity")), text(known.get("status"))
    more = fields(known.get("additionaldata"))
    labels = _labels(known.get("labels"))
    return Incident(
        native_id=name,
        number=xdr_number(raw),
        title=text(known.get("title")) or f"Incident {name}",
        description=text(known.get("description")) or "",
        severity=severity_of(severity),
        status=_status(status, labels),
        vendor_severity=severity,
        vendor_status=status,
        created=when(known.get("createdtimeutc")) or when(known.get("createdtime")),
        updated=modified(raw),
        alert_ids=_alert_ids(fields(raw), known),
        tags=labels,
        comments=_comments(fields(raw).get("comments")),
        assigned_to=owner_of(known.get("owner")),
        classification=text(known.get("classification")),
        determination=text(known.get("classificationreason")),
        source_link=https_link(more.get("providerincidenturl")) or https_link(known.get("incidenturl")),
        version=text(fields(raw).get("etag")),
        properties=leftovers(_named(raw), _USED),
    )


def properties_of(raw: Any) -> dict[str, Any]:
    """The incident's properties under lower-case names; those of a row are the row itself."""
    return fields(_named(raw))


def name_of(raw: Any) -> str | None:
    """The GUID that names an incident in addresses."""
    known = fields(raw)
    return text(known.get("name")) or text(known.get("incidentname"))


def modified(raw: Any) -> str | None:
    """When it was last changed."""
    known = properties_of(raw)
    return when(known.get("lastmodifiedtimeutc")) or when(known.get("lastmodifiedtime"))


def xdr_number(raw: Any) -> str | None:
    """The incident's number in Defender XDR, if that is where it comes from."""
    known = properties_of(raw)
    provider, number = text(known.get("providername")), text(known.get("providerincidentid"))
    numbered = number is not None and number.isascii() and number.isdigit()
    return number if numbered and (provider or "").lower() in XDR else None


def owner_of(value: object) -> str | None:
    """Who has it: a sign-in name rather than an address, a name or an id. What is nobody may read "null"."""
    owner = fields(value)
    names = (text(owner.get(name)) for name in ("userprincipalname", "email", "assignedto", "objectid"))
    return next((name for name in names if name and name.lower() != "null"), None)


def _named(raw: Any) -> Any:
    inner = fields(raw).get("properties")
    return inner if isinstance(inner, Mapping) else raw


def _status(word: str | None, labels: tuple[str, ...]) -> Status:
    status = _STATUSES.get((word or "").lower(), Status.active)
    merged = status.closed and REDIRECTED in (label.lower() for label in labels)
    return Status.dismissed if merged else status


def _labels(value: object) -> tuple[str, ...]:
    return unique(text(fields(label).get("labelname")) or text(label) for label in listed(value))


def listed(value: object) -> list[Any]:
    """A list; rows of a table hold it as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
    return each(value)


def _alert_ids(raw: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[str, ...]:
    """As the walk adds them (`alerts`), or as a row holds them."""
    found = [text(fields(one).get("name")) or text(one) for one in listed(raw.get("alerts"))]
    return unique([*found, *(text(one) for one in listed(known.get("alertids")))])


def _comments(rows: object) -> tuple[Comment, ...]:
    found = []
    for row in map(fields, listed(rows)):
        said = fields(row.get("properties")) or row
        written = text(said.get("message"))
        if written is not None:
            author = fields(said.get("author"))
            name = text(author.get("name")) or text(author.get("userprincipalname"))
            found.append(Comment(text=written, author=name, created=when(said.get("createdtimeutc"))))
    return tuple(found)
