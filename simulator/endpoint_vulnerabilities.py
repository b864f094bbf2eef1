"""Vulnerability management of Defender for Endpoint: vulnerabilities (all, of a machine, of all machines),
the export by machine, recommendations and scores.

Each list has its own largest page: 8,000 for vulnerabilities, 10,000 for the others, 200,000 (50,000 unless
asked) for the export, which goes on by an opaque `$skiptoken` and, given `$top`, never says that there is
more. Source: the vendor's pages on these methods; that they share one quota is not verified.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator import ticks
from simulator.endpoint_access import (
    EXPORT,
    READ_RECOMMENDATIONS,
    READ_SCORES,
    READ_VULNERABILITIES,
    Caller,
    admit,
    found,
    origin,
)
from simulator.endpoint_lists import MAXIMUM, answer, arranged, parse
from simulator.odata import Kind, Property, Schema
from simulator.refusals import Refused, route
from simulator.world import World


def _schema(texts: str, numbers: str = "", times: str = "") -> Schema:
    def read(name: str, kind: Kind) -> Property:
        if kind is Kind.time:
            return Property(kind, lambda row: ticks.parse(row.get(name) or ""))
        return Property(kind, lambda row: row.get(name))

    kinds = ((texts, Kind.text), (numbers, Kind.number), (times, Kind.time))
    return {name.lower(): read(name, kind) for names, kind in kinds for name in names.split()}


VULNERABILITY: Schema = _schema("id name description severity", "cvssV3", "publishedOn updatedOn")
FINDING: Schema = _schema("id cveId machineId fixingKbId productName productVersion severity productVendor")
RECOMMENDATION: Schema = _schema(
    "id productName vendor recommendedVersion recommendationCategory subCategory remediationType "
    "recommendedProgram recommendedVendor status",
    "severityScore",
)
_MOST_VULNERABILITIES = 8_000
_EXPORT_PAGE, _EXPORT_MOST = 50_000, 200_000


def routes(world: World, prefix: str) -> list[Route]:
    """This part's routes; they come before those for one machine."""
    api = VulnerabilitiesApi(world)
    return [
        route(f"{prefix}/vulnerabilities", api.list_vulnerabilities, "GET"),
        route(f"{prefix}/vulnerabilities/machinesVulnerabilities", api.of_all_machines, "GET"),
        route(f"{prefix}/vulnerabilities/{{cve}}", api.get_vulnerability, "GET"),
        route(f"{prefix}/machines/SoftwareVulnerabilitiesByMachine", api.export, "GET"),
        route(f"{prefix}/machines/{{id}}/vulnerabilities", api.of_machine, "GET"),
        route(f"{prefix}/recommendations", api.list_recommendations, "GET"),
        route(f"{prefix}/exposureScore", api.exposure, "GET"),
        route(f"{prefix}/configurationScore", api.configuration, "GET"),
    ]


class VulnerabilitiesApi:
    """The handlers. Each holds the world's lock while it looks at state."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def list_vulnerabilities(self, request: Request) -> Response:
        """GET /api/vulnerabilities."""
        with self._world.lock:
            caller = self._admit(request, READ_VULNERABILITIES)
            rows = caller.posture.vulnerabilities.values()
            return _listed(
                request, caller, "Vulnerabilities", rows, VULNERABILITY, maximum=_MOST_VULNERABILITIES
            )

    async def get_vulnerability(self, request: Request) -> Response:
        """GET /api/vulnerabilities/{cve}."""
        with self._world.lock:
            caller = self._admit(request, READ_VULNERABILITIES)
            wanted = request.path_params["cve"]
            one = caller.posture.vulnerabilities.get(wanted.upper())
            if one is None:
                raise Refused(404, "ResourceNotFound", f"Vulnerability {wanted} was not found")
            return found("Vulnerabilities", one, request)

    async def of_all_machines(self, request: Request) -> Response:
        """GET /api/vulnerabilities/machinesVulnerabilities."""
        entity = "Collection(microsoft.windowsDefenderATP.api.PublicAssetVulnerabilityDto)"
        with self._world.lock:
            caller = self._admit(request, READ_VULNERABILITIES)
            return _listed(request, caller, entity, caller.posture.findings, FINDING)

    async def of_machine(self, request: Request) -> Response:
        """GET /api/machines/{id}/vulnerabilities."""
        entity = "Collection(Analytics.Contracts.PublicAPI.PublicVulnerabilityDto)"
        with self._world.lock:
            caller = self._admit(request, READ_VULNERABILITIES)
            wanted = request.path_params["id"]
            if wanted.lower() not in caller.tenant.machines:
                raise Refused(404, "ResourceNotFound", f"Machine {wanted} was not found")
            rows = caller.posture.of_machine(wanted.lower())
            return _listed(request, caller, entity, rows, VULNERABILITY)

    async def list_recommendations(self, request: Request) -> Response:
        """GET /api/recommendations."""
        with self._world.lock:
            caller = self._admit(request, READ_RECOMMENDATIONS)
            return _listed(request, caller, "Recommendations", caller.posture.recommendations, RECOMMENDATION)

    async def exposure(self, request: Request) -> Response:
        """GET /api/exposureScore."""
        with self._world.lock:
            caller = self._admit(request, READ_SCORES)
            body = {"time": ticks.text_of(caller.now), "score": caller.posture.exposure}
            return found("ExposureScore", body, request)

    async def configuration(self, request: Request) -> Response:
        """GET /api/configurationScore: points, of which nobody says how many there can be."""
        with self._world.lock:
            caller = self._admit(request, READ_SCORES)
            body = {"time": ticks.text_of(caller.now), "score": caller.posture.configuration}
            return found("ConfigurationScore", body, request)

    async def export(self, request: Request) -> Response:
        """GET /api/machines/SoftwareVulnerabilitiesByMachine."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_VULNERABILITIES, group="export", quotas=EXPORT)
            return _exported(request, caller)

    def _admit(self, request: Request, roles: tuple[str, ...]) -> Caller:
        return admit(self._world, request, roles=roles, group="vulnerability management")


def _listed(
    request: Request,
    caller: Caller,
    entity: str,
    rows: Iterable[Mapping[str, Any]],
    schema: Schema,
    *,
    maximum: int = MAXIMUM,
) -> JSONResponse:
    query = parse(request.query_params, schema, maximum=maximum)
    chosen = arranged(filter(query.filter.test, rows), query.order, schema)
    return answer(request, entity, chosen, query, caller.switches, dict, maximum=maximum)


def _exported(request: Request, caller: Caller) -> JSONResponse:
    params = {name.lower(): value for name, value in request.query_params.items()}
    top = params.get("$top")
    size = _size(top if top is not None else params.get("pagesize", str(_EXPORT_PAGE)))
    size = min(size, caller.switches.page_size) if caller.switches.page_size < MAXIMUM else size
    begin = 0 if caller.switches.endless_nextlink else _place(params.get("$skiptoken"))
    rows = caller.posture.export[begin : begin + size]
    entity = "Collection(microsoft.windowsDefenderATP.api.AssetVulnerability)"
    body: dict[str, Any] = {"@odata.context": f"{origin(request)}/api/$metadata#{entity}", "value": rows}
    more = begin + size < len(caller.posture.export) or caller.switches.endless_nextlink
    if more and top is None:
        token = quote(base64.b64encode(str(begin + size).encode()).decode(), safe="")
        # The service writes `pagesize` in small letters here.
        body["@odata.nextLink"] = f"{origin(request)}{request.url.path}?pagesize={size}&$skiptoken={token}"
    return JSONResponse(body)


def _size(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _EXPORT_MOST:
        raise Refused(400, "InvalidInput", f"Invalid input pageSize: 1 to {_EXPORT_MOST}")
    return int(text)


def _place(token: str | None) -> int:
    try:
        return int(base64.b64decode(token or base64.b64encode(b"0"), validate=True))
    except (binascii.Error, ValueError) as problem:
        raise Refused(400, "InvalidInput", "Invalid input $skiptoken") from problem
