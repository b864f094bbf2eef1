"""From an alert of Microsoft Graph Security (alerts_v2) to a detection: pure mapping, no I/O.

Promise: any object with an id becomes a detection. Values that are not recognised keep the vendor's word
and count as `unknown` (severity) or `active` (status), so that a person looks at them. Source: the metadata
of Graph v1.0 and "alert resource type"; where pages of the documentation still say older names of
determinations, those are read as the names that the metadata has.
"""

from __future__ import annotations

from typing import Any

from shared.errors import Unreadable
from shared.nouns.detections import Comment, Detection, unique
from shared.vendors.alert_words import portal_link, product_of, severity_of, status_of
from shared.vendors.graph_assets import assets_of
from shared.vendors.graph_evidence import evidence_of
from shared.vendors.loose_json import each, fields, https_link, leftovers, text, when, words

_CLASSIFICATIONS = {
    one.lower(): one for one in ("truePositive", "falsePositive", "informationalExpectedActivity")
}
# The metadata's names, and those that pages and other products still use for some of them.
_DETERMINATIONS = {
    **{
        one.lower(): one
        for one in (
            *("apt", "malware", "securityPersonnel", "securityTesting", "unwantedSoftware", "other"),
            *("multiStagedAttack", "compromisedAccount", "phishing", "maliciousUserActivity"),
            *("notMalicious", "notEnoughDataToValidate", "confirmedActivity"),
            "lineOfBusinessApplication",
        )
    },
    "compromiseduser": "compromisedAccount",
    "clean": "notMalicious",
    "insufficientdata": "notEnoughDataToValidate",
    "noenoughdatatovalidate": "notEnoughDataToValidate",
    "confirmeduseractivity": "confirmedActivity",
}
_USED = frozenset(
    {
        *("id", "provideralertid", "title", "description", "severity", "status", "incidentid", "assignedto"),
        *("alertweburl", "createddatetime", "lastupdatedatetime", "firstactivitydatetime", "comments"),
        *("lastactivitydatetime", "resolveddatetime", "productname", "categories", "category", "evidence"),
        *("mitretechniques", "classification", "determination", "recommendedactions"),
    }
)


def to_detection(raw: Any) -> Detection:
    """Map one alert of `/security/alerts_v2`. Raises Unreadable when it is no object or has no id."""
    alert = fields(raw)
    native_id = text(alert.get("id"))
    if native_id is None:
        raise Unreadable("This Microsoft Graph alert has no id.")
    severity, status = text(alert.get("severity")), text(alert.get("status"))
    return Detection(
        native_id=native_id,
        other_ids=unique([text(alert.get("provideralertid"))]),
        title=text(alert.get("title")) or text(alert.get("threatdisplayname")) or f"Alert {native_id}",
        description=text(alert.get("description")) or "",
        severity=severity_of(severity),
        status=status_of(status),
        vendor_severity=severity,
        vendor_status=status,
        created=when(alert.get("createddatetime")),
        updated=when(alert.get("lastupdatedatetime")),
        first_activity=when(alert.get("firstactivitydatetime")),
        last_activity=when(alert.get("lastactivitydatetime")),
        resolved=when(alert.get("resolveddatetime")),
        product=text(alert.get("productname")) or product_of(text(alert.get("servicesource"))),
        # `category` is deprecated and holds one of them.
        categories=words(alert.get("categories")) or words(alert.get("category")),
        techniques=words(alert.get("mitretechniques")),
        assets=assets_of(alert.get("evidence")),
        evidence=evidence_of(alert.get("evidence")),
        comments=comments_of(alert.get("comments")),
        remediation_steps=words(alert.get("recommendedactions"), separator="\n"),
        source_link=https_link(alert.get("alertweburl"))
        or portal_link("alerts", native_id, text(alert.get("tenantid"))),
        incident_id=text(alert.get("incidentid")),
        assigned_to=text(alert.get("assignedto")),
        classification=classification_of(alert.get("classification")),
        determination=determination_of(alert.get("determination")),
        properties=leftovers(raw, _USED),
    )


def classification_of(value: object) -> str | None:
    """A classification by the metadata's name; another word as it is."""
    return _named(value, _CLASSIFICATIONS)


def determination_of(value: object) -> str | None:
    """A determination by the metadata's name, also for its older names; another word as it is."""
    return _named(value, _DETERMINATIONS)


def _named(value: object, names: dict[str, str]) -> str | None:
    """A word in the spelling of `names` (by lower case); another word as it is."""
    word = text(value)
    return names.get(word.lower(), word) if word else None


def comments_of(rows: object) -> tuple[Comment, ...]:
    """Comments of an alert or incident, in the vendor's order."""
    found = []
    for row in map(fields, each(rows)):
        written = text(row.get("comment"))
        if written is not None:
            # Pages that say createdBy and createdTime describe another product's.
            author = text(row.get("createdbydisplayname")) or text(row.get("createdby"))
            created = when(row.get("createddatetime")) or when(row.get("createdtime"))
            found.append(Comment(text=written, author=author, created=created))
    return tuple(found)
