"""What an analyst may change on an alert of Defender for Endpoint, and what the service changes with it.

Source: the vendor's pages on updating alerts. They disagree on two determinations
(`ConfirmedUserActivity`/`ConfirmedActivity`, `Clean`/`NotMalicious`): both spellings are taken, and read
back as sent (not verified). That a determination must fit its classification is not verified either, and
not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator import ticks
from simulator.endpoint_access import EndpointSwitches
from simulator.endpoint_alerts import EndpointAlert
from simulator.refusals import Refused

_DETERMINATIONS = frozenset(
    {
        "MultiStagedAttack",
        "MaliciousUserActivity",
        "CompromisedUser",
        "Malware",
        "Phishing",
        "UnwantedSoftware",
        "Other",
        "SecurityTesting",
        "LineOfBusinessApplication",
        "ConfirmedUserActivity",
        "ConfirmedActivity",
        "Clean",
        "NotMalicious",
        "InsufficientData",
    }
)
_VALUES: Mapping[str, frozenset[str] | None] = {
    "status": frozenset({"New", "InProgress", "Resolved"}),
    "classification": frozenset({"TruePositive", "InformationalExpectedActivity", "FalsePositive"}),
    "determination": _DETERMINATIONS,
    "assignedTo": None,
    "comment": None,
}


def checked(body: Mapping[str, Any], switches: EndpointSwitches) -> dict[str, Any]:
    """The changes, with names as documented. Raises Refused (400) for a name or value that the service does
    not take.
    """
    names = {name.lower(): name for name in _VALUES}
    changes = {}
    for sent, value in body.items():
        name = names.get(sent.lower(), sent) if switches.body_names == "any_case" else sent
        if name not in _VALUES:
            raise Refused(400, "InvalidRequestBody", "Request body is incorrect")
        allowed = _VALUES[name]
        if not isinstance(value, str) or (allowed is not None and value not in allowed):
            raise Refused(400, "InvalidInput", f"Invalid input {name}")
        changes[name] = value
    if not changes:
        raise Refused(400, "InvalidRequestBody", "Request body is incorrect")
    return changes


def apply(alert: EndpointAlert, changes: Mapping[str, Any], *, now: int, by: str) -> None:
    """Change the alert and stamp it. Omitted fields keep their value; a comment is added to those there
    are.
    """
    fields = dict(changes)
    comment = fields.pop("comment", None)
    if comment is not None:
        added = {"comment": comment, "createdBy": by, "createdTime": ticks.text_of(now)}
        fields["comments"] = [*_comments(alert), added]
    if "status" in fields:
        fields["resolvedTime"] = ticks.text_of(now) if fields["status"] == "Resolved" else None
    alert.fields.update(fields)
    alert.updated = max(alert.updated, ticks.coarse(now))


def _comments(alert: EndpointAlert) -> list[Any]:
    return list(alert.raw(evidence=False).get("comments") or ())
