"""Advanced hunting over what the simulated tenant has, as the Defender XDR API and Graph offer it: the tables
AlertInfo, DeviceInfo and DeviceNetworkInfo, answered by kql.py.

Rows outside the time that is asked for (30 days at most) do not exist. The exact words of a refusal are not
verified.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from simulator import ticks
from simulator.endpoint_access import endpoint
from simulator.graph_alerts import graph_tenant
from simulator.kql import KqlError, Row, Table
from simulator.kql import run as run_kql
from simulator.refusals import Refused
from simulator.world import World

_LONGEST = timedelta(days=30)
_ALERT = {
    "Timestamp": "createdDateTime",
    "AlertId": "id",
    "Title": "title",
    "Category": "category",
    "Severity": "severity",
    "ServiceSource": "productName",
    "DetectionSource": "detectionSource",
}
_DEVICE = {
    "Timestamp": "lastSeen",
    "DeviceId": "id",
    "DeviceName": "computerDnsName",
    "OSPlatform": "osPlatform",
    "PublicIP": "lastExternalIpAddress",
    "AadDeviceId": "aadDeviceId",
}
_NETWORK = ("Timestamp", "DeviceId", "DeviceName", "IPAddresses")


def run(
    world: World, tenant_id: str, query: str, *, since: int | None = None, until: int | None = None
) -> tuple[dict[str, str], list[Row]]:
    """The result's columns and rows, of what is between `since` and `until` (ticks). The caller holds the
    world's lock. Raises Refused (400)."""
    now = ticks.ticks_of(world.now())
    earliest = max(since or 0, now - ticks.span(_LONGEST))
    tables = _tables(world, tenant_id, now, earliest, now if until is None else until)
    try:
        found = run_kql(query.strip().rstrip(";"), tables, now=now)
    except KqlError as problem:
        raise Refused(400, "BadRequest", str(problem)) from problem
    return dict(found.columns), list(found.rows)


def _tables(world: World, tenant_id: str, now: int, since: int, until: int) -> dict[str, Table]:
    alerts = [alert.raw() for alert in graph_tenant(world, tenant_id).alerts.ordered()]
    machines = [_now(one, now) for one in endpoint(world).tenant(tenant_id).machines.values()]
    rows: Mapping[str, list[Row]] = {
        "AlertInfo": [_row(_ALERT, alert) for alert in alerts],
        "DeviceInfo": [_row(_DEVICE, machine) for machine in machines],
        "DeviceNetworkInfo": [_network(machine) for machine in machines],
    }
    columns = {"AlertInfo": tuple(_ALERT), "DeviceInfo": tuple(_DEVICE), "DeviceNetworkInfo": _NETWORK}
    return {
        name: Table(
            {column: "DateTime" if column == "Timestamp" else "String" for column in columns[name]},
            [row for row in found if since <= (ticks.parse(row["Timestamp"] or "") or 0) <= until],
        )
        for name, found in rows.items()
    }


def _row(columns: Mapping[str, str], source: Mapping[str, Any]) -> Row:
    return {name: source.get(field) for name, field in columns.items()}


def _network(machine: Mapping[str, Any]) -> Row:
    """Addresses are JSON text, as in the real table."""
    addresses = [
        {"IPAddress": one["ipAddress"], "SubnetPrefix": 24, "AddressType": "Private"}
        for one in machine.get("ipAddresses") or ()
    ]
    row = {name: machine.get(field) for name, field in _DEVICE.items() if name in _NETWORK}
    return {**row, "IPAddresses": json.dumps(addresses, separators=(",", ":"))}


def _now(machine: dict[str, Any], now: int) -> dict[str, Any]:
    """An active machine reported today."""
    active = machine.get("healthStatus") == "Active"
    return machine | {"lastSeen": ticks.text_of(now - ticks.SECOND)} if active else machine
