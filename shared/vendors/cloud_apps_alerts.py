"""From a Defender for Cloud Apps alert to a detection: pure mapping, no I/O.

Promise: any object with an id becomes a detection. Times come as milliseconds since 1970, severities and
statuses as numbers, and texts without a value often as the four letters "null". A number that is not known
keeps standing for itself and counts as `unknown` (severity) or `active` (status).

The service does not say when an alert was changed. A closed alert is as new as its closing, an open one as
its own time (or as an earlier closing, if it still tells that one): so an older copy never undoes a newer
status. Source: "Alerts API" of the product's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.errors import Unreadable
from shared.nouns.detections import Comment, Detection, Instant, Severity, Status, instant_of
from shared.vendors.cloud_apps_entities import assets_of, evidence_of
from shared.vendors.loose_json import each, fields, https_link, leftovers, line, number, portable, text, when

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEVERITIES = {0: Severity.low, 1: Severity.medium, 2: Severity.high, 3: Severity.informational}
_READ_STATES = {0: "unread", 1: "read", 2: "archived"}
_RESOLUTIONS = {
    0: ("open", Status.active),
    1: ("dismissed", Status.dismissed),
    2: ("resolved", Status.resolved),
    3: ("false positive", Status.dismissed),
    4: ("benign", Status.dismissed),
    5: ("true positive", Status.resolved),
}
_VERDICTS = (3, 4, 5)
_STORIES = {
    **{0: "ThreatDetection", 1: "PrivilegedAccount", 2: "Compliance", 3: "DataLossPrevention"},
    **{4: "CloudDiscovery", 5: "SharingControl", 7: "AccessControl", 8: "ConfigurationMonitoring"},
}
_TACTICS = {
    **{1: "PreAttack", 2: "InitialAccess", 3: "Persistence", 4: "PrivilegeEscalation"},
    **{5: "DefenseEvasion", 6: "CredentialAccess", 7: "Discovery", 8: "LateralMovement", 9: "Execution"},
    **{10: "Collection", 11: "Exfiltration", 12: "CommandAndControl", 13: "Impact"},
}
_USED = frozenset(
    {
        *("_id", "timestamp", "title", "description", "ismarkdown", "url", "entities", "stories", "intent"),
        *("severityvalue", "statusvalue", "resolutionstatusvalue", "resolvetime", "comment"),
        "handledbyuser",
    }
)
# The description may name the techniques, and nothing else does: "Account Discovery (T1087)".
_TECHNIQUE = re.compile(r"\((T\d{4}(?:\.\d{3})?)\)")
_MARKERS = re.compile(r"__\w*Icon__\s*")
_LINKED_ID = re.compile(r"/alerts?/([0-9a-fA-F]{24})(?![0-9a-fA-F])")


def to_detection(raw: Any) -> Detection:
    """Map one alert of `/api/v1/alerts/`. Raises Unreadable when it is no object or has no id."""
    meant = _meant(portable(raw))
    alert = fields(meant)
    native_id = text(alert.get("_id"))
    if native_id is None:
        raise Unreadable("This Defender for Cloud Apps alert has no id.")
    description = _MARKERS.sub("", text(alert.get("description")) or "").strip()
    status, vendor_status, verdict = _status(alert)
    created, resolved = moment(alert.get("timestamp")), moment(alert.get("resolvetime"))
    link = https_link(alert.get("url"))
    return Detection(
        native_id=native_id,
        other_ids=tuple(
            found for found in _LINKED_ID.findall(link or "") if found.lower() != native_id.lower()
        ),
        title=line(alert.get("title")) or line(description) or f"Alert {native_id}",
        description=description,
        severity=_SEVERITIES.get(_code(alert.get("severityvalue")), Severity.unknown),
        status=status,
        vendor_severity=_severity_word(alert.get("severityvalue")),
        vendor_status=vendor_status,
        created=created,
        updated=max((time for time in (created, resolved) if time), default=None),
        resolved=resolved if status.closed else None,
        product="Microsoft Defender for Cloud Apps",
        categories=_categories(alert),
        techniques=tuple(dict.fromkeys(_TECHNIQUE.findall(description))),
        assets=assets_of(alert.get("entities")),
        evidence=evidence_of(alert.get("entities")),
        comments=_comments(alert, resolved),
        source_link=link,
        assigned_to=text(alert.get("handledbyuser")),
        classification=verdict,
        properties=_properties(meant, alert),
    )


def moment(value: object) -> Instant | None:
    """A time in milliseconds since 1970, or as text; None for what is neither."""
    milliseconds = number(value)
    if milliseconds is None:
        return when(value)
    try:
        return when(instant_of(_EPOCH + timedelta(milliseconds=round(milliseconds))))
    except OverflowError:
        return None


def _meant(value: Any) -> Any:
    """The same without texts that say "null"."""
    if isinstance(value, list):
        return [_meant(part) for part in value]
    if isinstance(value, Mapping):
        return {name: part for name, part in ((n, _meant(p)) for n, p in value.items()) if part is not None}
    return None if isinstance(value, str) and value.strip().lower() == "null" else value


def _code(value: object) -> int:
    """A number as the service counts with; -1 for what is none."""
    found = number(value)
    return int(found) if found is not None and found.is_integer() else -1


def _severity_word(value: object) -> str | None:
    known = _SEVERITIES.get(_code(value))
    return known.value if known else text(value)


def _status(alert: Mapping[str, Any]) -> tuple[Status, str | None, str | None]:
    """The status, the vendor's word for it, and its verdict. Alerts of 2020 have no resolution: there
    `archived` is all that says that somebody closed them."""
    resolution, read = alert.get("resolutionstatusvalue"), alert.get("statusvalue")
    known = _RESOLUTIONS.get(_code(resolution))
    if known:
        word, status = known
        return status, word, word if _code(resolution) in _VERDICTS else None
    status = Status.resolved if _code(read) == 2 else Status.active
    return status, text(resolution) or _READ_STATES.get(_code(read)) or text(read), None


def _categories(alert: Mapping[str, Any]) -> tuple[str, ...]:
    """The tactics, then the kinds of policy. A number that is not known is shown as one."""
    found = []
    for name, words, unknown in (("intent", _TACTICS, "Intent"), ("stories", _STORIES, "Story")):
        for value in each(alert.get(name)):
            shown = text(value)
            if shown and not (name == "intent" and shown == "0"):
                found.append(words.get(_code(value)) or f"{unknown} {shown}")
    return tuple(dict.fromkeys(found))


def _comments(alert: Mapping[str, Any], resolved: Instant | None) -> tuple[Comment, ...]:
    written = text(alert.get("comment"))
    if written is None:
        return ()
    return (Comment(text=written, author=text(alert.get("handledbyuser")), created=resolved),)


def _properties(meant: Any, alert: Mapping[str, Any]) -> dict[str, Any]:
    kept = leftovers(meant, _USED)
    given = alert.get("statusvalue")
    read = _READ_STATES.get(_code(given)) or text(given)
    return kept | ({"readState": read} if read else {})
