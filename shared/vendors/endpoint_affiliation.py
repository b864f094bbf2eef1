"""Whether Defender for Endpoint knows a host: by DNS name, by IP address, by machine or Entra device id.

Promise: the answer says how it was asked. A host is only a yes when the vendor gave a machine for just this
name, address or id. Source: "List machines" (`$filter`), "Get machine by ID", "Find devices by internal IP".
"""

from __future__ import annotations

import re
from datetime import timedelta

from shared.errors import Refused
from shared.nouns.detections import instant_of
from shared.nouns.inventory import Affiliation, Answer, HostQuestion, Item
from shared.vendors.endpoint_inventory import WHO, machine
from shared.vendors.listing import literal, read_page
from shared.vendors.vendor import Connection

_DEVICE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MACHINE_ID = re.compile(r"[0-9a-z-]{1,64}", re.IGNORECASE)  # 40 hex digits today
_MOST = 100  # machines with one name or address
# The service looks 15 minutes to both sides of the time, which must not be in its future.
_SEEN_BEFORE = timedelta(minutes=10)


def affiliation(connection: Connection, host: HostQuestion) -> Affiliation:
    """Ask live. Raises what `Api.get` raises."""
    if host.name:
        return _answer("computerDnsName", _by_name(connection, host.name.strip().rstrip(".")))
    if host.address:
        return _by_address(connection, host.plain_address)
    return _by_id(connection, (host.id or "").strip())


def _by_name(connection: Connection, name: str) -> list[Item]:
    """Names are kept in lower case by most sensors, and as typed by some. A name without a domain also
    means a machine of that name in a domain."""
    spellings = dict.fromkeys((name.lower(), name))
    conditions = [f"computerDnsName eq {literal(spelling)}" for spelling in spellings]
    if "." not in name:
        conditions.append(f"startswith(computerDnsName,{literal(name.lower() + '.')})")
    return next((found for one in conditions if (found := _machines(connection, one))), [])


def _by_address(connection: Connection, address: str | None) -> Affiliation:
    if address is None:
        return _no_way("lastIpAddress", "This is no IP address.")
    latest = _answer("lastIpAddress", _machines(connection, f"lastIpAddress eq {literal(address)}"))
    if latest.answer is Answer.yes:
        return latest
    at = f"{instant_of(connection.now() - _SEEN_BEFORE)[:19]}Z"
    seen = _asked(connection, f"/api/machines/findbyip(ip='{address}',timestamp={at})")
    return _answer("lastIpAddress, then findbyip", seen)


def _by_id(connection: Connection, given: str) -> Affiliation:
    if _DEVICE_ID.fullmatch(given):
        return _answer("aadDeviceId", _machines(connection, f"aadDeviceId eq {literal(given.lower())}"))
    if not _MACHINE_ID.fullmatch(given):
        return _no_way("machine id", "This is neither a machine id nor an Entra device id.")
    try:
        found = machine(connection.api.get(f"/api/machines/{given}"), connection.cloud.defender_portal)
    except Refused as error:
        if error.status not in (400, 404):  # 400: not in the form of an id
            raise
        found = None
    # The address takes names as well, and this is not the question.
    same = found is not None and found.id.lower() == given.lower()
    return _answer("machine id", [found] if found is not None and same else [])


def _machines(connection: Connection, condition: str) -> list[Item]:
    return _asked(connection, "/api/machines", {"$filter": condition, "$top": str(_MOST)})


def _asked(connection: Connection, path: str, params: dict[str, str] | None = None) -> list[Item]:
    try:
        answer = connection.api.get(path, params)
    except Refused as error:
        if error.status != 404:  # the reference: 404 when there are none
            raise
        return []
    portal = connection.cloud.defender_portal
    return [item for row in read_page(answer, WHO)[0] if (item := machine(row, portal)) is not None]


def _answer(how: str, found: list[Item]) -> Affiliation:
    machines = {item.id: item for item in found}
    known = Answer.yes if machines else Answer.no
    return Affiliation(answer=known, source=f"{WHO}: {how}", found=tuple(machines.values()))


def _no_way(how: str, reason: str) -> Affiliation:
    return Affiliation(answer=Answer.could_not_ask, source=f"{WHO}: {how}", reason=reason)
