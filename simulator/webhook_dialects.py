"""What a Logic App forwards to the webhook: the same Defender for Cloud alert in each of the dialects seen,
and posture events.

`pascal`: the event of workflow automation and Event Hub (captured). `camel`: flat, as Parse-JSON schemas in
public playbooks have it; where it comes from is not verified. `wrapped`: `camel` inside `{"body": ...}`.
`arm`: as the list shows it. The others are fixtures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simulator.templates import fixture

Json = dict[str, Any]

POSTURE = (
    "assessment",
    "assessment_deleted",
    "sub_assessment",
    "secure_score",
    "secure_score_control",
    "compliance",
)
# How names are written in the event where raising the first letter is not enough.
_NAMES = {
    "azureID": "AzureID",
    "ntDomain": "NTDomain",
    "omsAgentID": "OMSAgentID",
    "osFamily": "OSFamily",
    "OsVersion": "OSVersion",
    "upnSuffix": "UPNSuffix",
}
_ALWAYS_THERE = (
    "ProviderAlertStatus",
    "ConfidenceLevel",
    "ConfidenceScore",
    "ConfidenceReasons",
    "CorrelationKey",
)
_SAME = (
    "VendorName",
    "AlertType",
    "ProductName",
    "StartTimeUtc",
    "EndTimeUtc",
    "Severity",
    "IsIncident",
    "SystemAlertId",
    "CorrelationKey",
    "Intent",
    "CompromisedEntity",
    "AlertDisplayName",
    "Description",
    "ExtendedLinks",
    "RemediationSteps",
    "AlertUri",
)


def dialect_of(dialect: str, alert: Json) -> Any:
    """The body in this dialect, of the alert as the list shows it. Raises LookupError for an unknown
    dialect.
    """
    if dialect in POSTURE:
        return fixture(f"webhook/{dialect}")
    return _ALERT[dialect](alert)


def pascal(alert: Json) -> Json:
    """The event: flat, Pascal case, `Status` New, other names for two times, no ARM id, `$id`s that are
    plain numbers.
    """
    properties = alert["properties"]
    raised = {_raise(key): value for key, value in properties.items()}
    body: Json = dict.fromkeys(_ALWAYS_THERE) | {name: raised[name] for name in _SAME if name in raised}
    body["Status"] = "New"
    body["TimeGenerated"] = properties.get("timeGeneratedUtc")
    body["ProcessingEndTime"] = properties.get("processingEndTimeUtc")
    body["Entities"] = [_asset(_raised(entity)) for entity in properties.get("entities", ())]
    body["ResourceIdentifiers"] = [_raised(one) for one in properties.get("resourceIdentifiers", ())]
    body["ExtendedProperties"] = {
        _as_authored(k): v for k, v in properties.get("extendedProperties", {}).items()
    }
    return body | _resource(body["ResourceIdentifiers"])


def camel(alert: Json) -> Json:
    """Flat camel case: the remediation steps are one string, the resource identifiers null."""
    left_out = {
        "timeGeneratedUtc",
        "processingEndTimeUtc",
        "intent",
        "supportingEvidence",
        "techniques",
        "subTechniques",
    }
    body = {key: value for key, value in alert["properties"].items() if key not in left_out}
    body["timeGenerated"] = alert["properties"].get("timeGeneratedUtc")
    body["remediationSteps"] = " ".join(body.get("remediationSteps", ()))
    body["resourceIdentifiers"] = None
    return body


_ALERT: Mapping[str, Callable[[Json], Any]] = {
    "pascal": pascal,
    "camel": camel,
    "wrapped": lambda alert: {"body": camel(alert)},
    "arm": lambda alert: alert,
    "list": lambda alert: [pascal(alert)],
    "unknown": lambda alert: {"eventClass": "somethingNew", "payload": {"of": alert["name"]}},
}
DIALECTS = (*_ALERT, *POSTURE)


def _raise(key: str) -> str:
    return key if key.startswith("$") else _NAMES.get(key, key[:1].upper() + key[1:])


def _raised(value: Any) -> Any:
    if isinstance(value, list):
        return [_raised(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        _raise(key): inner.rsplit("_", 1)[-1] if key in ("$id", "$ref") else _raised(inner)
        for key, inner in value.items()
    }


def _asset(entity: Json) -> Json:
    kind = entity.pop("Type", None)
    return entity if kind is None else entity | {"Asset": False, "Type": kind}


def _as_authored(key: str) -> str:
    # ARM lowers the first letter of every key; the event has them as the detector's author wrote them.
    return key[:1].upper() + key[1:] if " " in key else key


def _resource(identifiers: list[Json]) -> Json:
    azure = next((one for one in identifiers if one.get("Type") == "AzureResource"), {})
    workspace = next((one for one in identifiers if one.get("Type") == "LogAnalytics"), {})
    names = ("WorkspaceId", "WorkspaceSubscriptionId", "WorkspaceResourceGroup", "AgentId")
    return {"AzureResourceId": azure.get("AzureResourceId")} | {name: workspace.get(name) for name in names}
