"""The entities of a Defender for Endpoint alert: each evidence row in one line, and which assets are
attacked.

Every evidence row carries every field, null where it does not apply. `filePath` is the directory only. Rows
are typed by `entityType`; types we do not know keep their own word in lower case. Source: "alert resource
type" in the API's reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from shared.nouns.detections import Asset, AssetKind, Evidence
from shared.vendors.loose_json import each, fields, line, portable, text

_KINDS = {
    "ipaddress": "ip",
    "registrykey": "registry",
    "registryvalue": "registry",
    "account": "user",
}
_USER_IDS = ("userprincipalname", "usersid", "aaduserid")
_WINDOWS_PATH = re.compile(r"^[A-Za-z]:|\\")


def evidence_of(rows: object) -> tuple[Evidence, ...]:
    """The alert's evidence in the vendor's order. Rows that are no objects are left out: they say nothing."""
    return tuple(_evidence(row) for row in each(rows) if isinstance(row, dict) and row)


def assets_of(alert: dict[str, Any]) -> tuple[Asset, ...]:
    """The machine first (the alert is about it), then each user once. `alert` has lower-case names."""
    machine = _machine(alert)
    return ((machine,) if machine else ()) + tuple(_users(alert))


def full_path(directory: str | None, name: str | None) -> str | None:
    """Directory and file name joined as the attacked system writes it."""
    if not directory or not name:
        return directory or name
    separator = "\\" if _WINDOWS_PATH.search(directory) else "/"
    return directory.rstrip("\\/") + separator + name


def _evidence(row: dict[str, Any]) -> Evidence:
    entity = fields(row)
    own_word = (text(entity.get("entitytype")) or "unknown").lower()
    kind = _KINDS.get(own_word, own_word)
    return Evidence(kind=kind, summary=_summary(kind, entity) or kind, details=portable(row))


def _summary(kind: str, entity: dict[str, Any]) -> str | None:
    path = full_path(text(entity.get("filepath")), text(entity.get("filename")))
    candidates: dict[str, str | None] = {
        "process": text(entity.get("processcommandline")) or path,
        "file": path,
        "user": _account_name(entity) or text(entity.get("usersid")) or text(entity.get("aaduserid")),
        "ip": text(entity.get("ipaddress")),
        "url": text(entity.get("url")),
        "registry": _registry(entity),
    }
    known = candidates.get(kind)
    # A type we do not know is described by whatever it brings.
    return line(known or next((c for c in candidates.values() if c), None))


def _registry(entity: dict[str, Any]) -> str | None:
    parts = (text(entity.get("registryhive")), text(entity.get("registrykey")))
    key = "\\".join(part for part in parts if part)
    value = text(entity.get("registryvalue"))
    return f"{key} = {value}" if key and value else key or value


def _machine(alert: dict[str, Any]) -> Asset | None:
    machine_id, name = text(alert.get("machineid")), text(alert.get("computerdnsname"))
    shown = name or machine_id
    if shown is None:
        return None
    group = text(alert.get("rbacgroupname"))
    return Asset(
        kind=AssetKind.machine, name=shown, id=machine_id, details={"rbacGroupName": group} if group else {}
    )


def _users(alert: dict[str, Any]) -> Iterator[Asset]:
    rows = [*each(alert.get("relateduser")), *each(alert.get("alertuser")), *each(alert.get("loggedonusers"))]
    rows += [row for row in each(alert.get("evidence")) if _is_user(row)]
    found: dict[str, Asset] = {}
    for row in rows:
        user = _user(row)
        if user is not None:
            known = found.get(user.name.lower())
            found[user.name.lower()] = user if known is None or known.id is None else known
    yield from found.values()


def _is_user(row: object) -> bool:
    return (text(fields(row).get("entitytype")) or "").lower() in ("user", "account")


def _user(row: object) -> Asset | None:
    entity = fields(row)
    identity = next((found for key in _USER_IDS if (found := text(entity.get(key)))), None)
    name = _account_name(entity) or identity
    if name is None:
        return None
    details = {key: value for key, value in portable(row).items() if key.lower() in _USER_IDS}
    return Asset(kind=AssetKind.user, name=name, id=identity, details=details)


def _account_name(entity: dict[str, Any]) -> str | None:
    account = text(entity.get("accountname")) or text(entity.get("username"))
    domain = text(entity.get("domainname"))
    if account is None:
        return text(entity.get("userprincipalname"))
    return f"{domain}\\{account}" if domain else account
