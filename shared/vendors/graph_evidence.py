"""The evidence of a Graph alert, each entity in one line.

Entities say what they are in `@odata.type`; the metadata knows 48 kinds. Those we do not know keep their own
word in lower case and are described by whatever they bring. All fields are kept in the details. Source: the
metadata of Graph v1.0 (`microsoft.graph.security.*Evidence`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.nouns.detections import Evidence
from shared.vendors.endpoint_evidence import full_path
from shared.vendors.loose_json import each, fields, line, portable, text

# Names that other vendors' evidence has for the same thing.
_KINDS = {
    "registrykey": "registry",
    "registryvalue": "registry",
    "device": "machine",
    "analyzedmessage": "mail",
    "submissionmail": "mail",
}

# The fields that say most, by kind of entity: the first that is filled.
_SHOWN: Mapping[str, tuple[str, ...]] = {
    "activedirectorydomain": ("activedirectorydomainname",),
    "aiagent": ("agentname", "agentid"),
    "amazonresource": ("resourcename", "amazonresourceid"),
    "azureresource": ("resourcename", "resourceid"),
    "blob": ("url", "name"),
    "blobcontainer": ("url", "name"),
    "cloudapplication": ("displayname", "instancename"),
    "cloudlogonrequest": ("requestid",),
    "container": ("name", "containerid"),
    "containerimage": ("imageid",),
    "containerregistry": ("registry",),
    "device": ("devicednsname", "hostname", "mdedeviceid", "azureaddeviceid"),
    "dns": ("domainname",),
    "filehash": ("value",),
    "githuborganization": ("login", "displayname", "orgid"),
    "githubrepo": ("baseurl", "login", "repoid"),
    "githubuser": ("login", "name", "userid"),
    "googlecloudresource": ("resourcename", "fullresourcename"),
    "iotdevice": ("devicename", "deviceid"),
    "ip": ("ipaddress",),
    "mailbox": ("primaryaddress", "upn", "displayname"),
    "mailboxconfiguration": ("displayname", "configurationid"),
    "mailcluster": ("clusterbyvalue", "query"),
    "malware": ("name",),
    "nic": ("macaddress",),
    "oauthapplication": ("displayname", "appid"),
    "sastoken": ("signaturehash",),
    "securitygroup": ("displayname", "friendlyname", "sid"),
    "serviceprincipal": ("serviceprincipalname", "appid"),
    "teamsmessage": ("subject", "senderfromaddress", "messageid"),
    "url": ("url",),
}
_COMMON = frozenset(
    {
        *("@odata.type", "createddatetime", "verdict", "remediationstatus", "remediationstatusdetails"),
        *("roles", "detailedroles", "tags"),
    }
)


def evidence_of(rows: object) -> tuple[Evidence, ...]:
    """The alert's evidence in the vendor's order. Rows that are no objects are left out: they say nothing."""
    return tuple(_evidence(row) for row in each(rows) if isinstance(row, dict) and row)


def kind_of(entity: Mapping[str, Any]) -> str:
    """What an entity (with lower-case names) is: its type without the namespace and `Evidence`, in lower
    case."""
    whole = (text(entity.get("@odata.type")) or "").lower().rpartition(".")[2].lstrip("#")
    return whole.removesuffix("evidence") or "unknown"


def account_name(value: object) -> str | None:
    """An account as people know it: DOMAIN\\name, else its sign-in name, else what there is."""
    account = fields(value)
    name, domain = text(account.get("accountname")), text(account.get("domainname"))
    if name:
        return f"{domain}\\{name}" if domain else name
    known = ("userprincipalname", "displayname", "usersid", "azureaduserid")
    return next((found for key in known if (found := text(account.get(key)))), None)


def _evidence(row: dict[str, Any]) -> Evidence:
    entity = fields(row)
    kind = kind_of(entity)
    shown = _KINDS.get(kind, kind)
    return Evidence(kind=shown, summary=line(_summary(kind, entity)) or shown, details=portable(row))


def _summary(kind: str, entity: dict[str, Any]) -> str | None:
    if kind in _SPOKEN and (spoken := _SPOKEN[kind](entity)):
        return spoken
    keys = _SHOWN.get(kind, ("name", "displayname", "id"))
    return next((found for key in keys if (found := text(entity.get(key)))), None) or next(_any(entity), None)


def _any(entity: dict[str, Any]) -> Iterator[str]:
    """Whatever text the entity brings, in its own order."""
    yield from (found for key, value in entity.items() if key not in _COMMON and (found := text(value)))


def _file(value: object) -> str | None:
    details = fields(value)
    path = full_path(text(details.get("filepath")), text(details.get("filename")))
    return path or text(details.get("sha256")) or text(details.get("sha1"))


def _registry(entity: dict[str, Any]) -> str | None:
    key = "\\".join(filter(None, (text(entity.get("registryhive")), text(entity.get("registrykey")))))
    name, value = text(entity.get("registryvaluename")), text(entity.get("registryvalue"))
    whole = f"{key}\\{name}" if key and name else key or name
    return f"{whole} = {value}" if whole and value else whole or value


def _mail(entity: dict[str, Any]) -> str | None:
    senders = (fields(entity.get(key)).get("emailaddress") for key in ("p2sender", "p1sender"))
    sender = next((found for one in (*senders, entity.get("sender")) if (found := text(one))), None)
    subject = text(entity.get("subject"))
    if subject and sender:
        return f"{subject} (from {sender})"
    return subject or sender or text(entity.get("internetmessageid")) or text(entity.get("networkmessageid"))


def _connection(entity: dict[str, Any]) -> str | None:
    ends = []
    for side in ("source", "destination"):
        address = text(fields(entity.get(f"{side}address")).get("ipaddress")) or "?"
        port = text(entity.get(f"{side}port"))
        ends.append(f"{address}:{port}" if port else address)
    return " to ".join(ends) if ends != ["?", "?"] else None


def _session(entity: dict[str, Any]) -> str | None:
    who = account_name(fields(entity.get("account")).get("useraccount"))
    host = fields(entity.get("host"))
    where = text(host.get("devicednsname")) or text(host.get("hostname")) or text(entity.get("devicename"))
    return " on ".join(filter(None, (who, where))) or text(entity.get("sessionid"))


def _in_kubernetes(entity: dict[str, Any]) -> str | None:
    namespace = fields(entity.get("namespace"))
    return "/".join(filter(None, (text(namespace.get("name")), text(entity.get("name")))))


_SPOKEN: Mapping[str, Callable[[dict[str, Any]], str | None]] = {
    "user": lambda entity: account_name(entity.get("useraccount")),
    "file": lambda entity: _file(entity.get("filedetails")),
    "process": lambda entity: text(entity.get("processcommandline")) or _file(entity.get("imagefile")),
    "registrykey": _registry,
    "registryvalue": _registry,
    "analyzedmessage": _mail,
    "submissionmail": _mail,
    "networkconnection": _connection,
    "hostlogonsession": _session,
    "cloudlogonsession": _session,
    **{
        f"kubernetes{one}": _in_kubernetes
        for one in ("pod", "controller", "service", "serviceaccount", "secret", "namespace", "cluster")
    },
}
