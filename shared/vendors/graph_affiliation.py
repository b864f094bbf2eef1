"""Whether Graph knows a host: Intune by device name, by its own id or by the Entra device id; by address only
advanced hunting can say, where that is granted.

Promise: the answer says how it was asked. A host is only a yes when the vendor gave a device for just this
name, id or address. Source: the metadata of v1.0 (which properties of a managedDevice can be filtered on),
and the hunting table DeviceNetworkInfo.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from shared.errors import Refused
from shared.nouns.inventory import Affiliation, Answer, HostQuestion, InventoryKind, Item
from shared.vendors import access
from shared.vendors.graph_hunting import PERMISSION, hunt
from shared.vendors.graph_inventory import DEVICES, WHO, device
from shared.vendors.listing import literal, read_page
from shared.vendors.loose_json import each, fields, text, when
from shared.vendors.vendor import Connection

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_INTUNE = "Intune"
_DAYS = 7
# The column holds the addresses as JSON text; the quotes keep 10.0.0.1 apart from 10.0.0.10.
_BY_ADDRESS = (
    "DeviceNetworkInfo | where Timestamp > ago({days}d) | where IPAddresses contains '\"{address}\"' "
    "| project Timestamp, DeviceId, DeviceName, IPAddresses | sort by Timestamp desc | take 1000"
)


def affiliation(connection: Connection, host: HostQuestion) -> Affiliation:
    """Ask live. Raises what `Api.get` and `Api.post` raise."""
    if host.name:
        return _by_name(connection, host.name.strip().rstrip("."))
    if host.address:
        return _by_address(connection, host.plain_address)
    return _by_id(connection, (host.id or "").strip())


def _by_name(connection: Connection, name: str) -> Affiliation:
    """Intune keeps names without a domain; a name with one is also asked for without it, which is said."""
    found = _named(connection, name)
    short, _, domain = name.partition(".")
    if found or not domain or not short:
        return _answer("deviceName", found)
    return _answer("deviceName, without the domain", _named(connection, short))


def _named(connection: Connection, name: str) -> list[Item]:
    found = _listed(connection, f"deviceName eq {literal(name)}")
    return [item for item in found if item.name.casefold() == name.casefold()]


def _by_id(connection: Connection, given: str) -> Affiliation:
    if not _GUID.fullmatch(given):
        return _cannot(
            "Intune knows devices by their Intune id and by their Entra device id; this is neither. Ask "
            "Defender for Endpoint for a machine id."
        )
    own = _own(connection, given)
    if own is not None:
        return _answer("Intune device id", [own])
    joined = _listed(connection, f"azureADDeviceId eq {literal(given.lower())}")
    return _answer("Intune device id, then azureADDeviceId", joined)


def _own(connection: Connection, given: str) -> Item | None:
    try:
        answer = connection.api.get(f"{DEVICES}/{quote(given, safe='')}")
    except Refused as error:
        if error.status not in (400, 404):
            raise
        return None
    found = device(answer, connection.cloud.defender_portal)
    return found if found is not None and found.id.lower() == given.lower() else None


def _by_address(connection: Connection, address: str | None) -> Affiliation:
    if address is None:
        return _cannot("This is no IP address.")
    if PERMISSION not in access.granted(connection.api.token_claims()):
        return _cannot(
            "Intune cannot be asked by address. Grant the permission "
            f"{PERMISSION}, so that advanced hunting can be asked, or ask Defender for Endpoint."
        )
    rows = hunt(connection, _BY_ADDRESS.format(days=_DAYS, address=address), None).rows
    found = {item.id: item for row in reversed(rows) if (item := _hunted(row, address)) is not None}
    source = f"{WHO}: advanced hunting, DeviceNetworkInfo of {_DAYS} days"
    known = Answer.yes if found else Answer.no
    return Affiliation(answer=known, source=source, found=tuple(found.values()))


def _hunted(row: Mapping[str, Any], address: str) -> Item | None:
    """A machine that had the address; the newest of a machine's rows is read last."""
    known = fields(row)
    machine_id = text(known.get("deviceid"))
    addresses = tuple(_addresses(known.get("ipaddresses")))
    if machine_id is None or address not in addresses:
        return None
    name = text(known.get("devicename"))
    return Item(
        kind=InventoryKind.machine,
        id=machine_id,
        name=name or machine_id,
        dns_name=name,
        addresses=addresses,
        updated=when(known.get("timestamp")),
    )


def _addresses(value: object) -> Iterator[str]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
    for row in each(value):
        found = text(fields(row).get("ipaddress"))
        if found is not None:
            yield found


def _listed(connection: Connection, condition: str) -> list[Item]:
    try:
        rows, _ = read_page(connection.api.get(DEVICES, {"$filter": condition}), _INTUNE)
    except Refused as error:
        if error.status != 404:
            raise
        return []
    portal = connection.cloud.defender_portal
    return [item for row in rows if (item := device(row, portal)) is not None]


def _answer(how: str, found: list[Item]) -> Affiliation:
    known = Answer.yes if found else Answer.no
    return Affiliation(answer=known, source=f"{_INTUNE}: {how}", found=tuple(found))


def _cannot(reason: str) -> Affiliation:
    return Affiliation(answer=Answer.could_not_ask, source=_INTUNE, reason=reason)
