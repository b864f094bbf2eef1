"""Advanced hunting of Defender for Endpoint: POST /api/advancedqueries/run with `{"Query": "<KQL>"}`.

The tables are made of the tenant's own machines, alerts and vulnerabilities, and answered by kql.py. Limits:
45 calls a minute and 1,500 an hour, 100,000 rows, and minutes of running time (a switch uses them up). The
texts of a bad query and of spent running time are not verified.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator import ticks
from simulator.endpoint_access import HUNT, HUNTING, Caller, admit
from simulator.endpoint_machines import machines
from simulator.kql import KqlError, Row, Table, run
from simulator.refusals import Refused, json_object, route
from simulator.world import World

_MISSING = {"code": "InvalidRequestBody", "message": "Missing query."}
_MOST_ROWS = 100_000
_PLAIN = "String"


def routes(world: World, prefix: str) -> list[Route]:
    """This part's routes."""

    async def run_query(request: Request) -> Response:
        """POST /api/advancedqueries/run."""
        body = await json_object(request, **_MISSING)
        with world.lock:
            caller = admit(world, request, roles=HUNT, group="hunting", quotas=HUNTING)
            query = body.get("Query")
            if not isinstance(query, str) or not query.strip():
                raise Refused(400, _MISSING["code"], _MISSING["message"])
            return JSONResponse(_answer(caller, query))

    return [route(f"{prefix}/advancedqueries/run", run_query, "POST")]


def _answer(caller: Caller, query: str) -> dict[str, Any]:
    if caller.switches.hunting_cpu_used_up:
        text = "The tenant has used up its running time for queries; try again later"
        raise Refused(429, caller.switches.throttle_code, text, {"Retry-After": "900"})
    try:
        found = run(query, tables(caller), now=caller.now)
    except KqlError as problem:
        raise Refused(400, "BadRequest", str(problem)) from problem
    return {
        "Stats": {"ExecutionTime": 0.015},
        "Schema": [{"Name": name, "Type": kind} for name, kind in found.columns.items()],
        "Results": list(found.rows[:_MOST_ROWS]),
    }


def tables(caller: Caller) -> dict[str, Table]:
    """What can be asked."""
    return {
        "DeviceInfo": _table(
            [
                {
                    "Timestamp": machine["lastSeen"],
                    "DeviceId": machine["id"],
                    "DeviceName": machine.get("computerDnsName") or "",
                    "OSPlatform": machine["osPlatform"],
                    "PublicIP": machine.get("lastExternalIpAddress") or "",
                    "OnboardingStatus": machine.get("onboardingStatus") or "",
                    "MachineGroup": machine.get("rbacGroupName") or "",
                }
                for machine in machines(caller)
            ],
            "Timestamp DeviceId DeviceName OSPlatform PublicIP OnboardingStatus MachineGroup",
        ),
        "AlertInfo": _table(
            [_alert(alert.raw(evidence=False)) for alert in _alerts(caller)],
            "Timestamp AlertId Title Category Severity ServiceSource DetectionSource",
        ),
        "DeviceProcessEvents": _table(
            [
                _process(alert, one)
                for alert in (alert.raw(evidence=True) for alert in _alerts(caller))
                for one in alert.get("evidence") or ()
                if one.get("entityType") == "Process"
            ],
            "Timestamp DeviceId DeviceName FileName ProcessCommandLine InitiatingProcessFileName SHA1",
        ),
        "DeviceTvmSoftwareVulnerabilities": _table(
            [
                {
                    "DeviceId": row["deviceId"],
                    "DeviceName": row["deviceName"] or "",
                    "SoftwareVendor": row["softwareVendor"],
                    "SoftwareName": row["softwareName"],
                    "SoftwareVersion": row["softwareVersion"],
                    "CveId": row["cveId"],
                    "VulnerabilitySeverityLevel": row["vulnerabilitySeverityLevel"],
                }
                for row in caller.posture.export
                if row["cveId"]
            ],
            "DeviceId DeviceName SoftwareVendor SoftwareName SoftwareVersion CveId "
            "VulnerabilitySeverityLevel",
        ),
    }


def _table(rows: list[Row], columns: str) -> Table:
    return Table({name: "DateTime" if name == "Timestamp" else _PLAIN for name in columns.split()}, rows)


def _alerts(caller: Caller) -> Any:
    return caller.tenant.alerts.between((0, 0), (ticks.NEWEST, 0))


def _alert(raw: dict[str, Any]) -> Row:
    return {
        "Timestamp": raw["alertCreationTime"],
        "AlertId": raw["id"],
        "Title": raw["title"],
        "Category": raw.get("category") or "",
        "Severity": raw["severity"],
        "ServiceSource": "Microsoft Defender for Endpoint",
        "DetectionSource": raw.get("detectionSource") or "",
    }


def _process(alert: dict[str, Any], evidence: dict[str, Any]) -> Row:
    return {
        "Timestamp": evidence.get("processCreationTime") or alert["alertCreationTime"],
        "DeviceId": alert.get("machineId") or "",
        "DeviceName": alert.get("computerDnsName") or "",
        "FileName": evidence.get("fileName") or "",
        "ProcessCommandLine": evidence.get("processCommandLine") or "",
        "InitiatingProcessFileName": evidence.get("parentProcessFileName") or "",
        "SHA1": evidence.get("sha1") or "",
    }
