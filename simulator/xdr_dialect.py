"""An incident and its alerts as the Defender XDR API writes them: other names, other casing, devices and flat
entities instead of typed evidence.

Two styles of entities are seen in payloads: those of 2020 have every field, null where it does not apply;
those of 2023 have only what is filled, and the provider's id beside. Sources: "List incidents API", and
payloads seen in public.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from simulator.xdr_incidents import Incident

# Where the XDR API's word is not Graph's with a capital.
_DETERMINATIONS = {
    "unknown": "NotAvailable",
    "notMalicious": "Clean",
    "notEnoughDataToValidate": "NoEnoughDataToValidate",
}
_SOURCES = {
    "microsoftDefenderForOffice365": "OfficeATP",
    "microsoftDefenderForCloudApps": "MicrosoftCloudAppSecurity",
    "cloudAppSecurity": "MCAS",
    "azureAdIdentityProtection": "AADIdentityProtection",
}
_ENTITY_KEYS = (
    *("entityType", "sha1", "sha256", "fileName", "filePath", "processId", "processCommandLine"),
    *("processCreationTime", "parentProcessId", "parentProcessCreationTime", "ipAddress", "url"),
    *("accountName", "domainName", "userSid", "aadUserId", "userPrincipalName", "mailboxDisplayName"),
    *("mailboxAddress", "clusterBy", "sender", "recipient", "subject", "deliveryAction", "securityGroupId"),
    *("securityGroupName", "registryHive", "registryKey", "registryValueType", "registryValue", "deviceId"),
)
_ALERT_NAMES = {
    "id": "alertId",
    "createdDateTime": "creationTime",
    "lastUpdateDateTime": "lastUpdatedTime",
    "resolvedDateTime": "resolvedTime",
    "firstActivityDateTime": "firstActivity",
    "lastActivityDateTime": "lastActivity",
    "title": "title",
    "description": "description",
    "category": "category",
    "assignedTo": "assignedTo",
    "actorDisplayName": "actorName",
    "threatFamilyName": "threatFamilyName",
    "detectorId": "detectorId",
    "mitreTechniques": "mitreTechniques",
}


def capital(word: Any) -> Any:
    """A word of an enum in the XDR API's casing; null stays null."""
    return word[:1].upper() + word[1:] if isinstance(word, str) else word


def determination(word: Any) -> Any:
    """Graph's determination in the XDR API's word."""
    return _DETERMINATIONS.get(word, capital(word))


def determination_in_graph(word: str) -> str:
    """The XDR API's determination in Graph's word."""
    known = {theirs: ours for ours, theirs in _DETERMINATIONS.items()}
    return known.get(word, word[:1].lower() + word[1:])


def incident_json(incident: Incident, alerts: Iterable[Mapping[str, Any]], *, padded: bool) -> dict[str, Any]:
    """The incident with its `alerts` (given as alerts_v2 shows them)."""
    graph = incident.raw()
    redirect = graph["redirectIncidentId"]
    return {
        "incidentId": incident.number,
        "incidentUri": graph["incidentWebUrl"],
        "redirectIncidentId": int(redirect) if redirect else None,
        "incidentName": graph["displayName"],
        "createdTime": graph["createdDateTime"],
        "lastUpdateTime": graph["lastUpdateDateTime"],
        "assignedTo": graph["assignedTo"],
        "classification": capital(graph["classification"]),
        "determination": determination(graph["determination"]),
        "status": capital(graph["status"]),
        "severity": capital(graph["severity"]),
        "tags": graph["customTags"],
        "comments": [_comment(one) for one in graph["comments"]],
        "alerts": [alert_json(one, incident.number, padded=padded) for one in alerts],
    }


def alert_json(alert: Mapping[str, Any], number: int, *, padded: bool) -> dict[str, Any]:
    """One alert of alerts_v2 in the XDR API's shape."""
    evidence = alert.get("evidence") or ()
    state = alert.get("investigationState")
    body = {
        **{theirs: alert.get(graphs) for graphs, theirs in _ALERT_NAMES.items()},
        "incidentId": number,
        "serviceSource": _source(alert.get("serviceSource")),
        "detectionSource": _source(alert.get("detectionSource")),
        "status": capital(alert.get("status")),
        "severity": capital(alert.get("severity")),
        "classification": capital(alert.get("classification")),
        "determination": alert.get("determination") and determination(alert["determination"]),
        "investigationId": None,
        "investigationState": capital(state),
        "devices": [_device(one) for one in evidence if _kind(one) == "deviceEvidence"],
        "entities": [entity for one in evidence for entity in _entities(one, padded=padded)],
    }
    return body if padded else {**body, "providerAlertId": alert.get("providerAlertId")}


def _comment(comment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "comment": comment["comment"],
        "createdBy": comment["createdByDisplayName"],
        "createdTime": comment["createdDateTime"],
    }


def _source(word: Any) -> Any:
    return _SOURCES.get(word, capital(word))


def _kind(evidence: Mapping[str, Any]) -> str:
    return str(evidence.get("@odata.type", "")).rpartition(".")[2]


def _device(evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "mdatpDeviceId": evidence.get("mdeDeviceId"),
        "aadDeviceId": evidence.get("azureAdDeviceId"),
        "deviceDnsName": evidence.get("deviceDnsName"),
        "osPlatform": evidence.get("osPlatform"),
        "version": evidence.get("version"),
        "osBuild": evidence.get("osBuild"),
        "healthStatus": capital(evidence.get("healthStatus")),
        "riskScore": capital(evidence.get("riskScore")),
        "rbacGroupName": evidence.get("rbacGroupName"),
        "firstSeen": evidence.get("firstSeenDateTime"),
    }


def _entities(evidence: Mapping[str, Any], *, padded: bool) -> Iterable[dict[str, Any]]:
    fill = _FILLINGS.get(_kind(evidence))
    if fill is None:
        return  # devices have a list of their own; what the API has no entity type for is not shown
    filled = {key: value for key, value in fill(evidence).items() if value is not None}
    if padded:
        yield {**dict.fromkeys(_ENTITY_KEYS), **filled}
        return
    yield {
        **filled,
        "evidenceCreationTime": evidence.get("createdDateTime"),
        "verdict": capital(evidence.get("verdict")),
        "remediationStatus": capital(evidence.get("remediationStatus")),
    }


def _user(evidence: Mapping[str, Any]) -> dict[str, Any]:
    account = evidence.get("userAccount") or {}
    return {
        "entityType": "User",
        "accountName": account.get("accountName"),
        "domainName": account.get("domainName"),
        "userSid": account.get("userSid"),
        "aadUserId": account.get("azureAdUserId"),
        "userPrincipalName": account.get("userPrincipalName"),
    }


def _file(evidence: Mapping[str, Any], details: str = "fileDetails") -> dict[str, Any]:
    known = evidence.get(details) or {}
    names = ("sha1", "sha256", "fileName", "filePath")
    return {
        "entityType": "File",
        **{name: known.get(name) for name in names},
        "deviceId": evidence.get("mdeDeviceId"),
    }


def _process(evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_file(evidence, "imageFile"),
        "entityType": "Process",
        "processId": evidence.get("processId"),
        "processCommandLine": evidence.get("processCommandLine"),
        "processCreationTime": evidence.get("processCreationDateTime"),
        "parentProcessId": evidence.get("parentProcessId"),
        "parentProcessCreationTime": evidence.get("parentProcessCreationDateTime"),
    }


def _mailbox(evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "entityType": "MailBox",
        "userPrincipalName": evidence.get("upn"),
        "mailboxDisplayName": evidence.get("displayName"),
        "mailboxAddress": evidence.get("primaryAddress"),
    }


def _message(evidence: Mapping[str, Any]) -> dict[str, Any]:
    sender = evidence.get("p1Sender") or evidence.get("p2Sender") or {}
    return {
        "entityType": "MailMessage",
        "sender": sender.get("emailAddress"),
        "recipient": evidence.get("recipientEmailAddress"),
        "subject": evidence.get("subject"),
        "deliveryAction": evidence.get("deliveryAction"),
    }


def _registry(evidence: Mapping[str, Any]) -> dict[str, Any]:
    names = ("registryHive", "registryKey", "registryValueType", "registryValue")
    return {"entityType": "Registry", **{name: evidence.get(name) for name in names}}


_FILLINGS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "userEvidence": _user,
    "ipEvidence": lambda e: {"entityType": "Ip", "ipAddress": e.get("ipAddress")},
    "urlEvidence": lambda e: {"entityType": "Url", "url": e.get("url")},
    "fileEvidence": _file,
    "processEvidence": _process,
    "mailboxEvidence": _mailbox,
    "analyzedMessageEvidence": _message,
    "mailClusterEvidence": lambda e: {"entityType": "MailCluster", "clusterBy": e.get("clusterBy")},
    "registryKeyEvidence": _registry,
    "registryValueEvidence": _registry,
    "securityGroupEvidence": lambda e: {
        "entityType": "SecurityGroup",
        "securityGroupId": e.get("securityGroupId"),
        "securityGroupName": e.get("displayName"),
    },
}
