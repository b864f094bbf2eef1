"""An incident as table rows: the incident, its line in the list, and one row for each alert that belongs to
it, all in its tenant's partition, so that one transaction keeps them in step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from shared.nouns.detections import Instant, Severity, Status, unique
from shared.nouns.identity import canonical
from shared.nouns.incidents import KnownIncident
from shared.store.documents import document_columns, read_document
from shared.store.keys import identity_key, inverted
from shared.store.stores import Blobs, Row, Value, key_safe

_INCIDENT, _LINE, _ALERT = "i-", "l-", "m-"
LIGHT = ("seen", "line", "alerts")
LINE_COLUMNS = (
    *("key", "number", "title", "severity", "status", "assigned_to", "merged_into", "vendors"),
    *("configurations", "created", "updated", "changed", "alert_count", "comment_count"),
)


@dataclass(frozen=True)
class IncidentSummary:
    """What a list shows of an incident. Times are Instants."""

    id: str
    number: str | None
    title: str
    severity: Severity
    status: Status
    assigned_to: str | None
    merged_into: str | None
    vendors: tuple[str, ...]
    configuration_ids: tuple[str, ...]
    created: Instant | None
    updated: Instant | None
    changed: Instant
    alert_count: int
    comment_count: int


@dataclass(frozen=True)
class Stored:
    """What a page is compared with: the fingerprint each configuration last gave, and where the incident
    stands in the list."""

    seen: Mapping[str, str]
    line: str
    row: Row


def incident_row_key(key: str) -> str:
    """The row of an incident. An alert may claim to be of an incident with any name."""
    return identity_key(f"{_INCIDENT}{key}")


def alert_row_key(native_id: str) -> str:
    """The row that says to which incident an alert belongs."""
    return identity_key(f"{_ALERT}{canonical(native_id)}")


def line_key(incident: KnownIncident) -> str:
    """The row in the list: the newest update first, the same key in no two tenants."""
    when = incident.newest.age[0]
    digest = hashlib.sha256(incident.id.encode()).hexdigest()[:16]
    return f"{_LINE}{inverted(min(when, incident.changed))}-{digest}"


def line_bounds(after: str | None) -> tuple[str, str]:
    """Between which keys a list's rows stand, after one of them."""
    return (f"{_LINE}{after}!" if after else _LINE, f"{_LINE}~")


def place_of(row: Row) -> str:
    """Where a line stands, the same kind of text for every tenant."""
    return row.key.removeprefix(_LINE)


def incident_row(incident: KnownIncident, blobs: Blobs, etag: str) -> Row:
    """The incident itself. A document that is too large for it is written to a blob first."""
    values: dict[str, Value] = {
        "seen": json.dumps({v.configuration_id: v.fingerprint for v in incident.views}),
        "line": line_key(incident),
        **document_columns(incident.model_dump_json(), blobs, f"incidents/{incident.id}"),
    }
    return Row(key_safe(incident.scope), incident_row_key(incident.key), values, etag)


def incident_of(row: Row, blobs: Blobs) -> KnownIncident:
    """The incident of a row. Raises Unreadable when its document is missing or damaged."""
    return read_document(KnownIncident, row, blobs, f"incident {row.key.removeprefix(_INCIDENT)}")


def stored_of(row: Row) -> Stored:
    """What is compared, from the light columns."""
    return Stored(json.loads(str(row.values.get("seen") or "{}")), str(row.values.get("line", "")), row)


def line_row(incident: KnownIncident) -> Row:
    """The incident's line in the list."""
    shown = incident.shown
    values: dict[str, Value] = {
        "key": incident.key,
        "number": shown.number or "",
        "title": shown.title[:1000],
        "severity": shown.severity.value,
        "status": shown.status.value,
        "assigned_to": (shown.assigned_to or "")[:320],
        "merged_into": shown.merged_into or "",
        "vendors": ",".join(unique(view.vendor for view in incident.views)),
        "configurations": ",".join(unique(view.configuration_id for view in incident.views)),
        "created": shown.created or "",
        "updated": shown.updated or "",
        "changed": incident.changed,
        "alert_count": len(shown.alert_ids),
        "comment_count": len(shown.comments),
    }
    return Row(key_safe(incident.scope), line_key(incident), values)


def alert_row(incident: KnownIncident, native_id: str) -> Row:
    """Says that the alert belongs to the incident."""
    return Row(key_safe(incident.scope), alert_row_key(native_id), {"incident": incident.key})


def summary_of(scope: str, row: Row) -> IncidentSummary:
    """What a list shows, from its line alone."""
    text = {name: str(row.values.get(name, "")) for name in LINE_COLUMNS}
    return IncidentSummary(
        id=f"{text['key']}~{scope}",
        number=text["number"] or None,
        title=text["title"],
        severity=Severity(text["severity"]),
        status=Status(text["status"]),
        assigned_to=text["assigned_to"] or None,
        merged_into=text["merged_into"] or None,
        vendors=tuple(text["vendors"].split(",")),
        configuration_ids=tuple(text["configurations"].split(",")),
        created=text["created"] or None,
        updated=text["updated"] or None,
        changed=text["changed"],
        alert_count=int(text["alert_count"] or 0),
        comment_count=int(text["comment_count"] or 0),
    )
