"""The devices and entities of an alert in the Defender XDR API: each entity in one line, and which assets are
attacked.

Entities are a flat union: some payloads write every field, null where it does not apply, others only what is
filled. Types that we do not know keep their own word in lower case. Source: "List incidents API" (device and
entity fields), and payloads seen in public, whose devices are named `mdatpDeviceId`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.nouns.detections import Asset, AssetKind, Evidence
from shared.vendors.endpoint_evidence import full_path
from shared.vendors.loose_json import each, fields, line, portable, text

# The words that other vendors' evidence has for the same things.
_KINDS = {"mailmessage": "mail", "registrykey": "registry", "registryvalue": "registry", "account": "user"}
_DEVICE_DETAILS = (
    *("aadDeviceId", "osPlatform", "osBuild", "version", "rbacGroupName", "healthStatus", "riskScore"),
)
_USER_IDS = ("userprincipalname", "usersid", "aaduserid")


def evidence_of(alert: Mapping[str, Any]) -> tuple[Evidence, ...]:
    """Devices, then entities, in the vendor's order. Rows that are no objects are left out: they say
    nothing. `alert` has lower-case names."""
    devices = [_device_evidence(row) for row in _rows(alert.get("devices"))]
    return (*devices, *(_evidence(row) for row in _rows(alert.get("entities"))))


def assets_of(alert: Mapping[str, Any]) -> tuple[Asset, ...]:
    """Machines first, then users and mailboxes, each once. `alert` has lower-case names."""
    found: dict[tuple[AssetKind, str], Asset] = {}
    for asset in _assets(alert):
        known = found.get(key := (asset.kind, asset.name.lower()))
        found[key] = asset if known is None or known.id is None else known
    return tuple(found.values())


def _rows(value: object) -> list[dict[str, Any]]:
    return [row for row in each(value) if isinstance(row, dict) and row]


def _device_evidence(row: dict[str, Any]) -> Evidence:
    device = _device(fields(row))
    name = device.name if device else None
    return Evidence(kind="machine", summary=line(name) or "machine", details=portable(row))


def _evidence(row: dict[str, Any]) -> Evidence:
    entity = fields(row)
    own_word = (text(entity.get("entitytype")) or "unknown").lower()
    kind = _KINDS.get(own_word, own_word)
    return Evidence(kind=kind, summary=line(_summary(kind, entity)) or kind, details=portable(row))


def _summary(kind: str, entity: dict[str, Any]) -> str | None:
    said = _SPOKEN[kind](entity) if kind in _SPOKEN else None
    # A type that we do not know is described by whatever it brings.
    return said or next((found for say in _SPOKEN.values() if (found := say(entity))), None)


def _path(entity: Mapping[str, Any]) -> str | None:
    path = full_path(text(entity.get("filepath")), text(entity.get("filename")))
    return path or text(entity.get("sha256")) or text(entity.get("sha1"))


def _user_name(entity: Mapping[str, Any]) -> str | None:
    name, domain = text(entity.get("accountname")), text(entity.get("domainname"))
    if name:
        return f"{domain}\\{name}" if domain else name
    return next((found for key in _USER_IDS if (found := text(entity.get(key)))), None)


def _registry(entity: Mapping[str, Any]) -> str | None:
    key = "\\".join(filter(None, (text(entity.get("registryhive")), text(entity.get("registrykey")))))
    value = text(entity.get("registryvalue"))
    return f"{key} = {value}" if key and value else key or value


def _mail(entity: Mapping[str, Any]) -> str | None:
    subject, sender = text(entity.get("subject")), text(entity.get("sender"))
    return f"{subject} (from {sender})" if subject and sender else subject or sender


def _first(*keys: str) -> Callable[[Mapping[str, Any]], str | None]:
    return lambda entity: next((found for key in keys if (found := text(entity.get(key)))), None)


_SPOKEN: Mapping[str, Callable[[Mapping[str, Any]], str | None]] = {
    "process": lambda entity: text(entity.get("processcommandline")) or _path(entity),
    "file": _path,
    "url": _first("url"),
    "ip": _first("ipaddress"),
    "mail": _mail,
    "mailbox": _first("mailboxaddress", "userprincipalname", "mailboxdisplayname"),
    "mailcluster": _first("clusterby"),
    "user": _user_name,
    "registry": _registry,
    "securitygroup": _first("securitygroupname", "securitygroupid"),
}


def _assets(alert: Mapping[str, Any]) -> Iterator[Asset]:
    for row in _rows(alert.get("devices")):
        device = _device(fields(row))
        if device is not None:
            yield device
    for row in _rows(alert.get("entities")):
        entity = fields(row)
        kind = (text(entity.get("entitytype")) or "").lower()
        if kind in ("user", "account"):
            yield from _user(entity)
        elif kind == "mailbox":
            yield from _mailbox(entity)


def _device(device: dict[str, Any]) -> Asset | None:
    identity = _first("mdatpdeviceid", "deviceid")(device)
    name = text(device.get("devicednsname")) or identity or text(device.get("aaddeviceid"))
    details = portable({name: device.get(name.lower()) for name in _DEVICE_DETAILS})
    if name is None:
        return None
    return Asset(
        kind=AssetKind.machine, name=name, id=identity or text(device.get("aaddeviceid")), details=details
    )


def _user(entity: dict[str, Any]) -> Iterator[Asset]:
    name = _user_name(entity)
    if name is not None:
        details = portable({key: entity.get(key) for key in _USER_IDS})
        yield Asset(kind=AssetKind.user, name=name, id=_first(*_USER_IDS)(entity), details=details)


def _mailbox(entity: dict[str, Any]) -> Iterator[Asset]:
    address, upn = text(entity.get("mailboxaddress")), text(entity.get("userprincipalname"))
    if address or upn:
        yield Asset(kind=AssetKind.mailbox, name=address or upn or "", id=upn or address)
