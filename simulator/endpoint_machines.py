"""Machines of Defender for Endpoint: list with the documented filters, one by id or name, and by internal
IP address.

An active machine reports about once a day, so that its `lastSeen` follows the world's clock; the others stay
as their fixture says. Source: the vendor's pages "List machines", "Get machine by ID" (which takes a computer
name as well) and "Find devices by internal IP".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator import ticks
from simulator.endpoint_access import READ_MACHINES, Caller, admit, found
from simulator.endpoint_lists import Query, answer, arranged, parse
from simulator.odata import Filter, Kind, Property
from simulator.refusals import Refused, route
from simulator.world import World

_FIND = re.compile(r"findbyip\(ip='([^']*)',\s*timestamp=([^)]*)\)", re.IGNORECASE)
_LOOKS_BACK, _AROUND = ticks.span(timedelta(days=30)), ticks.span(timedelta(minutes=15))
_EVERYTHING = Query(Filter(lambda _: True), (), None, 0, frozenset())


def _field(name: str, kind: Kind = Kind.text) -> Property:
    return Property(kind, lambda machine: machine.get(name))


MACHINE_SCHEMA: Mapping[str, Property] = {
    **{
        name.lower(): _field(name)
        for name in (
            "id",
            "computerDnsName",
            "version",
            "deviceValue",
            "aadDeviceId",
            "exposureLevel",
            "onboardingStatus",
            "lastIpAddress",
            "healthStatus",
            "osPlatform",
            "riskScore",
        )
    },
    "rbacgroupid": _field("rbacGroupId", Kind.number),
    "lastseen": Property(Kind.time, lambda machine: ticks.parse(machine["lastSeen"])),
}


def routes(world: World, prefix: str) -> list[Route]:
    """This part's routes; they come after the more special ones below `/machines`."""
    api = MachinesApi(world)
    return [
        route(f"{prefix}/machines", api.list_machines, "GET"),
        route(f"{prefix}/machines/{{id}}", api.get_machine, "GET"),
    ]


class MachinesApi:
    """The handlers."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def list_machines(self, request: Request) -> Response:
        """GET /api/machines."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_MACHINES, group="machines")
            query = parse(request.query_params, MACHINE_SCHEMA)
            rows = arranged(filter(query.filter.test, machines(caller)), query.order, MACHINE_SCHEMA)
            if not rows and caller.switches.no_machines == 404:
                raise Refused(404, "ResourceNotFound", "No machines were found")
            return answer(request, "Machines", rows, query, caller.switches, dict)

    async def get_machine(self, request: Request) -> Response:
        """GET /api/machines/{id or computer name}, or /api/machines/findbyip(ip='',timestamp=)."""
        wanted = request.path_params["id"]
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_MACHINES, group="machines")
            call = _FIND.fullmatch(wanted)
            if call is not None:
                rows = _seen(caller, *call.groups())
                return answer(request, "Machines", rows, _EVERYTHING, caller.switches, dict)
            names = (wanted.lower(),)
            one = next((m for m in machines(caller) if m["id"] in names or _name(m) in names), None)
            if one is None:
                raise Refused(404, "ResourceNotFound", f"Machine {wanted} was not found")
            return found("Machines", one, request)


def machines(caller: Caller) -> list[dict[str, Any]]:
    """The tenant's machines as they are now."""
    return [_now(machine, caller.now) for machine in caller.tenant.machines.values()]


def _now(machine: dict[str, Any], now: int) -> dict[str, Any]:
    if machine.get("healthStatus") != "Active":
        return machine
    ago = int(machine["id"][:6], 16) % 86_000 if re.fullmatch(r"[0-9a-f]{40}", machine["id"]) else 0
    return {**machine, "lastSeen": ticks.text_of(now - ago * ticks.SECOND)}


def _name(machine: Mapping[str, Any]) -> str:
    return str(machine.get("computerDnsName") or "").lower()


def _seen(caller: Caller, ip: str, timestamp: str) -> list[dict[str, Any]]:
    """Machines with this internal address around that time. An active machine is there all the time."""
    try:
        address = ip_address(ip)
    except ValueError as problem:
        raise Refused(400, "InvalidIpAddress", f"Invalid IP address '{ip}'") from problem
    when = ticks.parse(timestamp)
    if when is None or not caller.now - _LOOKS_BACK <= when <= caller.now:
        raise Refused(400, "InvalidInput", "Timestamp must be in the past 30 days")
    return [
        machine
        for machine in machines(caller)
        if str(address) in _addresses(machine)
        and (machine.get("healthStatus") == "Active" or _last(machine) >= when - _AROUND)
        and (ticks.parse(machine["firstSeen"]) or 0) <= when + _AROUND
    ]


def _last(machine: Mapping[str, Any]) -> int:
    return ticks.parse(machine["lastSeen"]) or 0


def _addresses(machine: Mapping[str, Any]) -> set[str]:
    interfaces = machine.get("ipAddresses") or ()
    return {machine.get("lastIpAddress") or "", *(one.get("ipAddress") or "" for one in interfaces)}
