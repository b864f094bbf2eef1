"""From a Defender for Endpoint alert to a detection: pure mapping, no I/O.

Promise: any object with an id becomes a detection. Values that are not recognised keep the vendor's word
and count as `unknown` (severity) or `active` (status), so that a person looks at them. Source: "alert
resource type" and "List alerts" in the API's reference; where its tables and its payloads disagree
(`mitreTechniques`, `relatedUser`, `comments`), both are read.
"""

from __future__ import annotations

from typing import Any

from shared.errors import Unreadable
from shared.nouns.detections import Comment, Detection
from shared.vendors.alert_words import portal_link, severity_of, status_of
from shared.vendors.endpoint_evidence import assets_of, evidence_of
from shared.vendors.loose_json import each, fields, https_link, leftovers, text, when, words

_USED = frozenset(
    {
        *("id", "title", "description", "severity", "status", "incidentid", "assignedto", "alertweburl"),
        *("alertcreationtime", "lastupdatetime", "firsteventtime", "lasteventtime", "resolvedtime"),
        *("category", "mitretechniques", "classification", "determination", "comments", "recommendedaction"),
        *("machineid", "computerdnsname", "relateduser", "loggedonusers", "alertuser", "evidence"),
    }
)


def to_detection(raw: Any) -> Detection:
    """Map one alert of `/api/alerts`. Raises Unreadable when it is no object or has no id."""
    alert = fields(raw)
    native_id = text(alert.get("id"))
    if native_id is None:
        raise Unreadable("This Defender for Endpoint alert has no id.")
    severity, status = text(alert.get("severity")), text(alert.get("status"))
    return Detection(
        native_id=native_id,
        title=text(alert.get("title")) or text(alert.get("threatname")) or f"Alert {native_id}",
        description=text(alert.get("description")) or "",
        severity=severity_of(severity),
        status=status_of(status),
        vendor_severity=severity,
        vendor_status=status,
        created=when(alert.get("alertcreationtime")),
        updated=when(alert.get("lastupdatetime")),
        first_activity=when(alert.get("firsteventtime")),
        last_activity=when(alert.get("lasteventtime")),
        resolved=when(alert.get("resolvedtime")),
        product="Microsoft Defender for Endpoint",
        categories=_categories(alert.get("category")),
        techniques=words(alert.get("mitretechniques")),
        assets=assets_of(alert),
        evidence=evidence_of(alert.get("evidence")),
        comments=_comments(alert.get("comments")),
        remediation_steps=words(alert.get("recommendedaction"), separator="\n"),
        source_link=https_link(alert.get("alertweburl"))
        or portal_link("alerts", native_id, text(alert.get("aadtenantid"))),
        incident_id=text(alert.get("incidentid")),
        assigned_to=text(alert.get("assignedto")),
        classification=text(alert.get("classification")),
        determination=text(alert.get("determination")),
        properties=leftovers(raw, _USED),
    )


def _categories(value: object) -> tuple[str, ...]:
    # Alerts from customer indicators carry the four letters "null" as their category.
    return tuple(word for word in words(value) if word.lower() != "null")


def _comments(rows: object) -> tuple[Comment, ...]:
    found = []
    for row in map(fields, each(rows)):
        written = text(row.get("comment"))
        if written is not None:
            # The reference says createTime, payloads say createdTime.
            created = when(row.get("createdtime")) or when(row.get("createtime"))
            found.append(Comment(text=written, author=text(row.get("createdby")), created=created))
    return tuple(found)
