"""From a Defender for Endpoint alert to a detection: pure mapping, no I/O.

Promise: any object with an id becomes a detection. Values that are not recognised keep the vendor's word
and count as `unknown` (severity) or `active` (status), so that a person looks at them. Source: "alert
resource type" and "List alerts" in the API's reference; where its tables and its payloads disagree
(`mitreTechniques`, `relatedUser`, `comments`), both are read.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shared.errors import Unreadable
from shared.nouns.detections import Comment, Detection, Severity, Status
from shared.vendors.endpoint_evidence import assets_of, evidence_of
from shared.vendors.loose_json import each, fields, https_link, leftovers, text, when, words

_SEVERITIES = {s.value: s for s in Severity}
_STATUSES = {"new": Status.active, "inprogress": Status.in_progress, "resolved": Status.resolved}
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
        severity=_SEVERITIES.get((severity or "").lower(), Severity.unknown),
        status=_STATUSES.get((status or "").lower(), Status.active),
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
        or _portal_link(native_id, text(alert.get("aadtenantid"))),
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


def _portal_link(native_id: str, tenant: str | None) -> str:
    # The alert does not name its cloud, so this is the commercial portal; newer payloads bring an
    # alertWebUrl.
    link = f"https://security.microsoft.com/alerts/{quote(native_id, safe='')}"
    return f"{link}?tid={quote(tenant, safe='')}" if tenant else link
