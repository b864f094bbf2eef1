"""Changing a Microsoft Sentinel incident: read it, and put it back changed.

A PUT replaces the incident, so everything writable is sent again as it is; its ETag goes with it, so that
nobody's change in between is undone. Source: "Incidents - Create Or Update", "Incident Comments - Create Or
Update" in the ARM reference (api-version 2025-09-01).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from shared.errors import BadRequest, PocketSOCError
from shared.nouns.detections import Status
from shared.nouns.incidents import IncidentChange
from shared.vendors.loose_json import each, fields, text
from shared.vendors.refused import told_to_the_caller
from shared.vendors.sentinel_incidents import properties_of
from shared.vendors.sentinel_walk import VERSION, alert_name, alerts_of, incident_path, with_comments
from shared.vendors.vendor import Api, Connection

CLASSIFICATIONS = ("TruePositive", "BenignPositive", "FalsePositive", "Undetermined")
REASONS = ("SuspiciousActivity", "SuspiciousButExpected", "IncorrectAlertLogic", "InaccurateData")
_STATUSES = {Status.active: "New", Status.in_progress: "Active", Status.resolved: "Closed"}
# Graph's word for the same, which an analyst may know better.
_ALIASES = {"informationalexpectedactivity": "BenignPositive"}
_VERDICT = ("classification", "classificationReason", "classificationComment")
_KEPT = (
    *("title", "description", "severity", "status", "labels", "owner", *_VERDICT),
    *("firstActivityTimeUtc", "lastActivityTimeUtc"),
)
_OWNER = ("objectId", "email", "assignedTo", "userPrincipalName")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def change_incident(connection: Connection, name: str, change: IncidentChange) -> Any:
    """Make the change; the incident as it is then, with the names of its alerts and its comments. Raises
    BadRequest before anything is called, NotFound, Conflict."""
    wanted = _wanted(change)
    api, path = connection.api, incident_path(connection.configuration, name)
    with told_to_the_caller():
        incident = api.get(path, VERSION)
        if wanted or change.assigned_to is not None or change.tags is not None:
            incident = api.put(path, _body(incident, wanted, change), VERSION) or api.get(path, VERSION)
        if change.comment is not None:
            api.put(f"{path}/comments/{uuid4()}", {"properties": {"message": change.comment}}, VERSION)
            incident = api.get(path, VERSION)
    return _whole(api, path, incident)


def _wanted(change: IncidentChange) -> dict[str, str]:
    """Status, classification and reason, as far as they are to change, in Sentinel's words."""
    if change.status is not None and change.status not in _STATUSES:
        raise BadRequest(
            f"Microsoft Sentinel has no status '{change.status}' for incidents. Use one of: "
            f"{', '.join(_STATUSES)}. To say that it was a false alarm, resolve it with the classification "
            "FalsePositive or BenignPositive."
        )
    found = {
        "status": _STATUSES[change.status] if change.status is not None else None,
        "classification": _word(change.classification, CLASSIFICATIONS, "classification"),
        "classificationReason": _word(change.determination, REASONS, "reason of a classification"),
    }
    return {name: word for name, word in found.items() if word is not None}


def _word(given: str | None, words: tuple[str, ...], what: str) -> str | None:
    if given is None:
        return None
    plain = given.replace(" ", "").lower()
    plain = _ALIASES.get(plain, plain).lower()
    known = next((word for word in words if word.lower() == plain), None)
    if known is None:
        raise BadRequest(f"Microsoft Sentinel has no {what} '{given}'. Use one of: {', '.join(words)}.")
    return known


def _body(incident: Mapping[str, Any], wanted: Mapping[str, str], change: IncidentChange) -> dict[str, Any]:
    known = properties_of(incident)
    kept = {name: value for name in _KEPT if (value := known.get(name.lower())) is not None}
    kept["owner"] = _owner(change.assigned_to) if change.assigned_to is not None else _same_owner(known)
    if change.tags is not None:
        kept["labels"] = _labels(known.get("labels"), change.tags)
    if "classification" in wanted and wanted["classification"] != kept.get("classification"):
        kept.pop("classificationReason", None)  # it explained the other one
    kept |= wanted
    if kept.get("status") != "Closed":
        kept = {name: value for name, value in kept.items() if name not in _VERDICT or name in wanted}
    elif not kept.get("classification"):
        kept["classification"] = "Undetermined"  # the portal does not close without one
    etag = text(fields(incident).get("etag"))
    return {**({"etag": etag} if etag else {}), "properties": kept}


def _owner(wanted: str) -> dict[str, str | None]:
    """Somebody by sign-in name or object id; empty for nobody."""
    nobody: dict[str, str | None] = dict.fromkeys(_OWNER)
    if not wanted:
        return nobody
    if _GUID.fullmatch(wanted):
        return nobody | {"objectId": wanted}
    address = {"email": wanted} if "@" in wanted else {}
    return nobody | {"userPrincipalName": wanted, "assignedTo": wanted, **address}


def _same_owner(known: Mapping[str, Any]) -> dict[str, Any]:
    """The owner as it is, without the texts "null" that some answers have."""
    owner = known.get("owner")
    given = dict(owner) if isinstance(owner, Mapping) else dict.fromkeys(_OWNER)
    return {name: None if (text(v) or "").lower() == "null" else v for name, v in given.items()}


def _labels(known: object, wanted: tuple[str, ...]) -> list[Any]:
    """The wanted ones, and those that rules have put there, which are not an analyst's to take away."""
    assigned = [one for one in each(known) if text(fields(one).get("labeltype")) == "AutoAssigned"]
    names = {(text(fields(one).get("labelname")) or "").lower() for one in assigned}
    own = ({"labelName": tag, "labelType": "User"} for tag in wanted if tag.lower() not in names)
    return [*assigned, *own]


def _whole(api: Api, path: str, incident: dict[str, Any]) -> Any:
    """With what else belongs to it, as far as it can be had now: what was done is done."""
    try:
        alerts = [alert_name(one) for one in alerts_of(api, path)]
        return {**with_comments(api, path, incident), "alerts": alerts}
    except PocketSOCError:
        return incident
