"""From an alert of Microsoft Graph Security (alerts_v2) to a detection: pure mapping, no I/O.

Promise: any object with an id becomes a detection. Values that are not recognised keep the vendor's word
and count as `unknown` (severity) or `active` (status), so that a person looks at them. Source: the metadata
of Graph v1.0 and "alert resource type"; where pages of the documentation still say older names of
determinations, those are read as the names that the metadata has.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shared.errors import Unreadable
from shared.nouns.detections import Comment, Detection, Severity, Status, unique
from shared.vendors.graph_assets import assets_of
from shared.vendors.graph_evidence import evidence_of
from shared.vendors.loose_json import each, fields, https_link, leftovers, text, when, words

_SEVERITIES = {s.value: s for s in Severity}
_STATUSES = {"new": Status.active, "inprogress": Status.in_progress, "resolved": Status.resolved}
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
_PRODUCTS = {
    "microsoftdefenderforendpoint": "Microsoft Defender for Endpoint",
    "microsoftdefenderforidentity": "Microsoft Defender for Identity",
    "microsoftdefenderforcloudapps": "Microsoft Defender for Cloud Apps",
    "microsoftdefenderforoffice365": "Microsoft Defender for Office 365",
    "microsoft365defender": "Microsoft Defender XDR",
    "azureadidentityprotection": "Microsoft Entra ID Protection",
    "microsoftappgovernance": "Microsoft App Governance",
    "datalossprevention": "Microsoft Data Loss Prevention",
    "microsoftdefenderforcloud": "Microsoft Defender for Cloud",
    "microsoftsentinel": "Microsoft Sentinel",
    "microsoftinsiderriskmanagement": "Microsoft Insider Risk Management",
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
        severity=_SEVERITIES.get((severity or "").lower(), Severity.unknown),
        status=_STATUSES.get((status or "").lower(), Status.active),
        vendor_severity=severity,
        vendor_status=status,
        created=when(alert.get("createddatetime")),
        updated=when(alert.get("lastupdatedatetime")),
        first_activity=when(alert.get("firstactivitydatetime")),
        last_activity=when(alert.get("lastactivitydatetime")),
        resolved=when(alert.get("resolveddatetime")),
        product=_product(alert),
        # `category` is deprecated and holds one of them.
        categories=words(alert.get("categories")) or words(alert.get("category")),
        techniques=words(alert.get("mitretechniques")),
        assets=assets_of(alert.get("evidence")),
        evidence=evidence_of(alert.get("evidence")),
        comments=comments_of(alert.get("comments")),
        remediation_steps=words(alert.get("recommendedactions"), separator="\n"),
        source_link=https_link(alert.get("alertweburl")) or _portal_link(native_id, alert),
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


def _product(alert: dict[str, Any]) -> str | None:
    source = text(alert.get("servicesource"))
    return text(alert.get("productname")) or (_PRODUCTS.get(source.lower(), source) if source else None)


def _portal_link(native_id: str, alert: dict[str, Any]) -> str:
    # The alert does not name its cloud, so this is the commercial portal; alerts bring an alertWebUrl.
    link = f"https://security.microsoft.com/alerts/{quote(native_id, safe='')}"
    tenant = text(alert.get("tenantid"))
    return f"{link}?tid={quote(tenant, safe='')}" if tenant else link
