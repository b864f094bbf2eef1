"""What a Graph alert attacks: the machines, users, mailboxes and cloud resources among its evidence, each
once.

What the vendor calls primary comes first, what attacks comes last; otherwise the vendor's order stays. A
virtual machine is a machine that names its Azure resource. Source: the metadata of Graph v1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.nouns.detections import Asset, AssetKind
from shared.vendors.graph_evidence import account_name, kind_of
from shared.vendors.loose_json import each, fields, portable, text, words

_ATTACKING = frozenset({"attacker", "commandandcontrol"})
_DEVICE_DETAILS = (
    *("azureAdDeviceId", "osPlatform", "version", "healthStatus", "riskScore", "rbacGroupName"),
    *("onboardingStatus", "lastIpAddress"),
)
_USER_DETAILS = ("userPrincipalName", "userSid", "azureAdUserId", "displayName")


def assets_of(rows: object) -> tuple[Asset, ...]:
    """The assets among the evidence."""
    found: dict[tuple[AssetKind, str], Asset] = {}
    for entity in sorted((fields(row) for row in each(rows)), key=_rank):
        for asset in _assets(entity):
            known = found.get(key := (asset.kind, (asset.id or asset.name).lower()))
            found[key] = asset if known is None or len(known.details) < len(asset.details) else known
    return tuple(_once_by_name(found.values()))


def _once_by_name(assets: Any) -> Iterator[Asset]:
    # The same account or mailbox comes with an id in one row and without in another.
    named = {(asset.kind, asset.name.lower()) for asset in assets if asset.id}
    yield from (asset for asset in assets if asset.id or (asset.kind, asset.name.lower()) not in named)


def _rank(entity: Mapping[str, Any]) -> int:
    roles = {one.lower() for one in words(entity.get("roles"), entity.get("detailedroles"))}
    if any(role.startswith("primary") for role in roles):
        return 0
    return 2 if roles & _ATTACKING else 1


def _assets(entity: dict[str, Any]) -> Iterator[Asset]:
    make = _MAKERS.get(kind_of(entity))
    if make is not None:
        yield from (asset for asset in make(entity) if asset is not None)


def _device(entity: dict[str, Any]) -> Iterator[Asset | None]:
    machine_id = text(entity.get("mdedeviceid"))
    name = text(entity.get("devicednsname")) or text(entity.get("hostname")) or machine_id
    identity = machine_id or text(entity.get("azureaddeviceid"))
    resource = text(fields(entity.get("vmmetadata")).get("resourceid"))
    details = _some(entity, _DEVICE_DETAILS) | ({"resourceId": resource} if resource else {})
    yield _asset(AssetKind.machine, name or identity, identity, details)


def _iot_device(entity: dict[str, Any]) -> Iterator[Asset | None]:
    identity, name = text(entity.get("deviceid")), text(entity.get("devicename"))
    details = _some(entity, ("deviceType", "manufacturer", "model", "site", "zone"))
    yield _asset(AssetKind.machine, name or identity, identity, details)


def _user(entity: dict[str, Any]) -> Iterator[Asset | None]:
    account = fields(entity.get("useraccount"))
    keys = ("userprincipalname", "usersid", "azureaduserid")
    identity = next((found for key in keys if (found := text(account.get(key)))), None)
    yield _asset(AssetKind.user, account_name(account) or identity, identity, _some(account, _USER_DETAILS))


def _session(entity: dict[str, Any]) -> Iterator[Asset | None]:
    yield from _user(fields(entity.get("account")))
    yield from _device(fields(entity.get("host")))


def _mailbox(entity: dict[str, Any]) -> Iterator[Asset | None]:
    address = text(entity.get("primaryaddress")) or text(entity.get("mailboxprimaryaddress"))
    identity = text(entity.get("upn"))
    yield _asset(AssetKind.mailbox, address or identity, identity or address, {})


def _resource(entity: dict[str, Any]) -> Iterator[Asset | None]:
    keys = ("resourceid", "amazonresourceid", "fullresourcename")
    identity = next((found for key in keys if (found := text(entity.get(key)))), None)
    name = text(entity.get("resourcename")) or (identity or "").rstrip("/").rpartition("/")[2]
    yield _asset(AssetKind.cloud_resource, name, identity, _some(entity, ("resourceType",)))


def _cluster(entity: dict[str, Any]) -> Iterator[Asset | None]:
    (resource,) = _resource(fields(entity.get("cloudresource")))
    named = _asset(AssetKind.cloud_resource, text(entity.get("name")), None, _some(entity, ("platform",)))
    yield resource or named


def _asset(kind: AssetKind, name: str | None, identity: str | None, details: dict[str, Any]) -> Asset | None:
    return Asset(kind=kind, name=name, id=identity, details=details) if name else None


def _some(entity: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    kept = portable({name: entity.get(name.lower()) for name in names})
    return kept if isinstance(kept, dict) else {}


_MAKERS: Mapping[str, Callable[[dict[str, Any]], Iterator[Asset | None]]] = {
    "device": _device,
    "iotdevice": _iot_device,
    "user": _user,
    "hostlogonsession": _session,
    "cloudlogonsession": _session,
    "mailbox": _mailbox,
    "mailboxconfiguration": _mailbox,
    "azureresource": _resource,
    "amazonresource": _resource,
    "googlecloudresource": _resource,
    "kubernetescluster": _cluster,
}
