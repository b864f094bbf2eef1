"""What the vendors' ways to change an alert share: the words, and reading again what was changed.

Endpoint and Graph call the same classifications and determinations by the same words, Endpoint with a
capital, and four of them by others. Source: "Update alert" of both references, and the migration guide from
Endpoint's alerts to Graph's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from shared.errors import BadRequest, PocketSOCError
from shared.nouns.alert_change import AlertChange
from shared.nouns.detections import Status

_RENAMED = {
    "CompromisedUser": "compromisedAccount",
    "Clean": "notMalicious",
    "InsufficientData": "notEnoughDataToValidate",
    "ConfirmedUserActivity": "confirmedActivity",
}
_BACK = {graph: endpoint for endpoint, graph in _RENAMED.items()}
_STATUSES = {Status.active: "New", Status.in_progress: "InProgress", Status.resolved: "Resolved"}

_log = logging.getLogger(__name__)


def endpoint_body(change: AlertChange) -> dict[str, Any]:
    """The change without its comment, in Endpoint's words. Raises BadRequest for a status that Defender's
    alerts do not have."""
    found = {
        "status": _status(change.status),
        "assignedTo": change.assigned_to,
        "classification": _capital(change.classification),
        "determination": _BACK.get(_small(change.determination) or "") or _capital(change.determination),
    }
    return {name: value for name, value in found.items() if value is not None}


def graph_body(change: AlertChange) -> dict[str, Any]:
    """The same in Graph's words."""
    found = {
        "status": _small(_status(change.status)),
        "assignedTo": change.assigned_to,
        "classification": _small(change.classification),
        "determination": _RENAMED.get(_capital(change.determination) or "") or _small(change.determination),
    }
    return {name: value for name, value in found.items() if value is not None}


def read_again(read: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """The alert that `read` gives, as a list has it; None when it fails: the change is made, and the next
    poll brings it."""
    try:
        # Only a single alert says of what kind it is; that would make it look different from the polled one.
        return {name: value for name, value in read().items() if name.lower() != "@odata.context"}
    except PocketSOCError as error:
        _log.warning("an alert was changed, but could not be read again: %s", error)
        return None


def _status(status: Status | None) -> str | None:
    if status is Status.dismissed:
        raise BadRequest(
            "Alerts of Defender XDR cannot be dismissed. Resolve it, with the classification "
            "`FalsePositive` or `InformationalExpectedActivity`."
        )
    return None if status is None else _STATUSES[status]


def _capital(word: str | None) -> str | None:
    return word and word[:1].upper() + word[1:]


def _small(word: str | None) -> str | None:
    return word and word[:1].lower() + word[1:]
