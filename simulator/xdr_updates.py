"""What an analyst may change on an incident, over the Defender XDR API and over Graph.

Source: "Update incidents API" and "Update incident". They say which determinations belong to which
classification. That Graph asks for the same pairing is not verified, so there it is a switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator import ticks
from simulator.refusals import Refused
from simulator.xdr_dialect import determination_in_graph
from simulator.xdr_incidents import Incident

STATUSES = frozenset({"active", "resolved", "inProgress", "redirected"})
# By classification, in Graph's words.
DETERMINATIONS: Mapping[str, frozenset[str]] = {
    "truePositive": frozenset(
        {
            *("multiStagedAttack", "maliciousUserActivity", "compromisedAccount", "malware", "phishing"),
            *("unwantedSoftware", "other"),
        }
    ),
    "informationalExpectedActivity": frozenset(
        {"securityTesting", "lineOfBusinessApplication", "confirmedActivity", "other"}
    ),
    "falsePositive": frozenset({"notMalicious", "notEnoughDataToValidate", "other"}),
}


def in_xdr(body: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of a PATCH of the XDR API, in Graph's names and words; `comment` stays. Raises Refused
    (400) for a name or value that the API does not take.
    """
    known = {"status", "assignedTo", "classification", "determination", "tags", "comment"}
    unknown = sorted(set(body) - known)
    if unknown or not body:
        raise Refused(400, "InvalidRequestBody", "Request body is incorrect")
    changes: dict[str, Any] = {}
    for name, value in body.items():
        if name == "tags":
            changes["customTags"] = _strings(name, value)
        elif name == "determination":
            changes[name] = determination_in_graph(_string(name, value))
        elif name in ("status", "classification"):
            changes[name] = _lowered(_string(name, value))
        else:
            changes[name] = _string(name, value, empty=name == "assignedTo") or None
    return changes


def in_graph(body: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of a PATCH over Graph. Enum words are taken in any casing. Raises Refused (400)."""
    writable = {"status", "assignedTo", "classification", "determination", "customTags", "resolvingComment"}
    unknown = sorted(name for name in set(body) - writable if not name.startswith("@"))
    if unknown:
        raise Refused(400, "BadRequest", f"The property '{unknown[0]}' does not exist or cannot be updated.")
    changes: dict[str, Any] = {}
    for name, value in body.items():
        if name == "customTags":
            changes[name] = _strings(name, value)
        elif name in ("status", "classification", "determination"):
            changes[name] = _lowered(_string(name, value))
        elif not name.startswith("@"):
            changes[name] = (_string(name, value, empty=True) or None) if value is not None else None
    if not changes:
        raise Refused(400, "BadRequest", "The request body has nothing to update.")
    return changes


def check(incident: Incident, changes: Mapping[str, Any], *, paired: bool) -> None:
    """Whether the words exist and, with `paired`, the determination belongs to the classification. Raises
    Refused (400).
    """
    if changes.get("status", "active") not in STATUSES:
        raise Refused(400, "InvalidInput", "Invalid input status")
    classification = changes.get("classification", incident.value("classification"))
    if "classification" in changes and classification not in {*DETERMINATIONS, "unknown"}:
        raise Refused(400, "InvalidInput", "Invalid input classification")
    if "determination" not in changes:
        return
    every = frozenset().union(*DETERMINATIONS.values())
    allowed = DETERMINATIONS.get(classification, frozenset()) if paired else every
    if changes["determination"] not in {*allowed, "unknown"}:
        raise Refused(400, "InvalidInput", "Invalid input determination")


def apply(incident: Incident, changes: Mapping[str, Any], *, now: int, by: str) -> None:
    """Change the incident and stamp it. A new classification without its determination takes the old
    determination away.
    """
    fields = dict(changes)
    comment = fields.pop("comment", None)
    if comment is not None:
        incident.comment(comment, by=by, now=now)
    before = incident.value("classification")
    if fields.get("classification", before) != before:
        fields.setdefault("determination", "unknown")
    incident.fields.update({**fields, "lastModifiedBy": "API-App:API Action"})
    incident.updated = max(incident.updated, ticks.coarse(now))


def _string(name: str, value: Any, *, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise Refused(400, "InvalidInput", f"Invalid input {name}")
    return value


def _strings(name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Refused(400, "InvalidInput", f"Invalid input {name}")
    return list(value)


def _lowered(word: str) -> str:
    return word[:1].lower() + word[1:]
