"""The devices that Intune manages, through Microsoft Graph: list, with the few filters that there are, and
one by id.

Only properties whose description in the metadata speaks of `$filter` can be filtered on, each with its own
operators; there is none for an IP address. A device's hardware and notes are null in lists and come only when
they are selected from one. Source: the metadata of v1.0 and the SDK of 2026.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator import ticks
from simulator.graph_access import OTHERS, READ_DEVICES, Caller, admit, answer, route
from simulator.graph_lists import Listing, arranged, page, parse
from simulator.odata import Kind, Property
from simulator.refusals import Refused
from simulator.templates import fixture
from simulator.world import World

_CONTEXT = "deviceManagement/managedDevices"
_ONLY_SELECTED = {
    **dict.fromkeys(("activationLockBypassCode", "ethernetMacAddress", "iccid", "udid", "notes")),
    "physicalMemoryInBytes": 0,
    "remoteAssistanceSessionUrl": None,
}
_OPERATORS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("azureADDeviceId", "serialNumber", "imei", "manufacturer", "operatingSystem"),
            *("complianceState", "managementState", "managementAgent", "deviceCategoryDisplayName"),
            *("exchangeAccessState", "jailBroken"),
        ),
        "eq",
    ),
    **dict.fromkeys(("deviceName", "model"), "eq contains"),
    **dict.fromkeys(("osVersion", "emailAddress", "phoneNumber"), "contains"),
    "userPrincipalName": "eq ne",
    **dict.fromkeys(
        ("enrolledDateTime", "lastSyncDateTime", "complianceGracePeriodExpirationDateTime"), "lt gt"
    ),
}


def _property(name: str, operators: str) -> Property:
    allowed = frozenset(operators.split())
    if name.endswith("DateTime"):
        return Property(Kind.time, lambda device: ticks.parse(device[name]), allowed)
    # Names and ids are compared without regard to case.
    return Property(Kind.folded, lambda device: (device.get(name) or "").lower(), allowed)


SCHEMA = {name.lower(): _property(name, operators) for name, operators in _OPERATORS.items()}
DEVICES = Listing(
    _CONTEXT,
    schema=SCHEMA,
    order={name: SCHEMA[name] for name in ("devicename", "lastsyncdatetime")},
    top=1000,
    page=1000,
    skip=1_000_000,
)


def routes(world: World) -> list[Route]:
    """This part's routes."""

    async def list_devices(request: Request) -> Response:
        """GET /deviceManagement/managedDevices."""
        with world.lock:
            caller = _admit(world, request)
            query = parse(request.query_params, DEVICES, caller)
            _refuse_mixed_or(request.query_params.get("$filter", ""))
            rows = arranged(_devices(caller), query, DEVICES)
            return page(caller, request, DEVICES, rows, query, lambda row: row | _ONLY_SELECTED)

    async def get_device(request: Request) -> Response:
        """GET /deviceManagement/managedDevices/{id}."""
        with world.lock:
            caller, wanted = _admit(world, request), request.path_params["id"].lower()
            device = next((one for one in _devices(caller) if one["id"] == wanted), None)
            if device is None:
                raise Refused(404, "ResourceNotFound", f"The managed device '{wanted}' was not found.")
            selected = [one.strip() for one in request.query_params.get("$select", "").split(",") if one]
            whole = {k: device[k] for k in ("id", *selected) if k in device} or device
            return answer(
                caller, request, f"{_CONTEXT}/$entity", whole if selected else device | _ONLY_SELECTED
            )

    devices = f"/v1.0/{_CONTEXT}"
    return [route(devices, list_devices, "GET"), route(f"{devices}/{{id}}", get_device, "GET")]


def _admit(world: World, request: Request) -> Caller:
    caller = admit(world, request, roles=READ_DEVICES, group="intune", quotas=OTHERS)
    if not caller.switches.intune_licence:
        raise Refused(400, "BadRequest", "Request not applicable to target tenant.")
    return caller


def _devices(caller: Caller) -> list[dict[str, Any]]:
    """Devices as they are now: those that ever reported do so every eight hours."""
    found = []
    for device in fixture("graph_managed_devices"):
        ago = int(device["id"][:6], 16) % 28_800
        ever = not device["lastSyncDateTime"].startswith("0001")
        synced = ticks.text_of(caller.now - ago * ticks.SECOND) if ever else device["lastSyncDateTime"]
        found.append(device | {"lastSyncDateTime": synced})
    return found


def _refuse_mixed_or(condition: str) -> None:
    plain = re.sub(r"'(?:[^']|'')*'", "''", condition)
    names = {word.lower() for word in re.findall(r"[A-Za-z]\w+", plain) if word.lower() in SCHEMA}
    if re.search(r"\bor\b", plain, re.IGNORECASE) and len(names) > 1:
        raise Refused(400, "BadRequest", "Different properties cannot be joined with 'or'.")
