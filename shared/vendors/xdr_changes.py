"""What an analyst may change on an incident, in the words of Graph and of the XDR API. Pure.

A determination belongs to a classification, as the table of "Update incidents API" says. Words are taken in
any casing and by their older names, and written as the API has them; what it does not have is refused with
the words that it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.errors import BadRequest
from shared.nouns.detections import Status
from shared.nouns.incidents import IncidentChange
from shared.vendors import graph_alerts

# In Graph's words.
DETERMINATIONS: Mapping[str, tuple[str, ...]] = {
    "truePositive": (
        *("multiStagedAttack", "maliciousUserActivity", "compromisedAccount", "malware", "phishing"),
        *("unwantedSoftware", "other"),
    ),
    "informationalExpectedActivity": (
        *("securityTesting", "lineOfBusinessApplication", "confirmedActivity", "other"),
    ),
    "falsePositive": ("notMalicious", "notEnoughDataToValidate", "other"),
}
_STATUSES = {Status.active: "active", Status.in_progress: "inProgress", Status.resolved: "resolved"}
# Where the XDR API's word is not Graph's with a capital.
_IN_XDR = {"notMalicious": "Clean", "notEnoughDataToValidate": "NoEnoughDataToValidate"}


def in_graph(change: IncidentChange) -> dict[str, Any]:
    """The body of Graph's PATCH; empty when only a comment is to be added. Raises BadRequest."""
    body: dict[str, Any] = {**_words(change)}
    if change.assigned_to is not None:
        body["assignedTo"] = change.assigned_to or None
    if change.tags is not None:
        body["customTags"] = list(change.tags)
    return body


def in_xdr(change: IncidentChange) -> dict[str, Any]:
    """The body of the XDR API's PATCH, which takes the comment as well. Raises BadRequest."""
    body: dict[str, Any] = {name: _IN_XDR.get(word, _capital(word)) for name, word in _words(change).items()}
    if change.assigned_to is not None:
        body["assignedTo"] = change.assigned_to
    if change.tags is not None:
        body["tags"] = list(change.tags)
    if change.comment is not None:
        body["comment"] = change.comment
    return body


def _words(change: IncidentChange) -> dict[str, str]:
    """Status, classification and determination, as far as they are to change, in Graph's words."""
    found = {
        "status": _status(change.status),
        "classification": _classification(change.classification),
        "determination": None,
    }
    found["determination"] = _determination(change.determination, found["classification"])
    return {name: word for name, word in found.items() if word is not None}


def _status(status: Status | None) -> str | None:
    if status is not None and status not in _STATUSES:
        allowed = ", ".join(_STATUSES)
        raise BadRequest(
            f"Defender XDR has no status '{status}' for incidents. Use one of: {allowed}. To say that it was "
            "a false alarm, resolve it with the classification falsePositive."
        )
    return None if status is None else _STATUSES[status]


def _classification(word: str | None) -> str | None:
    if word is None:
        return None
    known = graph_alerts.classification_of(word)
    if known not in DETERMINATIONS:
        allowed = ", ".join(DETERMINATIONS)
        raise BadRequest(f"Defender XDR has no classification '{word}'. Use one of: {allowed}.")
    return known


def _determination(word: str | None, classification: str | None) -> str | None:
    """`classification` None: it stays what it is, and the vendor judges whether the two belong together."""
    if word is None:
        return None
    known = graph_alerts.determination_of(word)
    allowed = (
        DETERMINATIONS[classification]
        if classification
        else tuple(dict.fromkeys(one for words in DETERMINATIONS.values() for one in words))
    )
    if known not in allowed:
        belonging = f" with the classification {classification}" if classification else ""
        raise BadRequest(
            f"Defender XDR takes no determination '{word}'{belonging}. Use one of: {', '.join(allowed)}."
        )
    return known


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]
