"""The Defender XDR API: incidents (list, get, update) with their alerts embedded, and advanced hunting.

Strict where a client can be wrong: audience, roles, the four properties that can be filtered on, at most 100
incidents a page, quotas whose end is said in the body only, and which determination belongs to which
classification. The same incidents are to be had over Graph (graph_incidents.py). What is not verified is a
switch (xdr_access.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator import hunting
from simulator.odata import Filter, Kind, ODataError, Property, parse_filter
from simulator.refusals import Refused, json_object, route
from simulator.world import World
from simulator.xdr_access import (
    HUNT,
    HUNTING,
    LISTING,
    ONE,
    READ_INCIDENTS,
    WRITE_INCIDENTS,
    Caller,
    admit,
    answering,
)
from simulator.xdr_dialect import capital, incident_json
from simulator.xdr_incidents import GRAPH_SCHEMA, Incident, members, tenant_now
from simulator.xdr_updates import apply, check, in_xdr

_LARGEST = 100
_OPTIONS = {"$filter", "$top", "$skip"}
_BAD_BODY = {"code": "InvalidRequestBody", "message": "Request body is incorrect"}
_SCHEMA: Mapping[str, Property] = {
    "lastupdatetime": GRAPH_SCHEMA["lastupdatedatetime"],
    "createdtime": GRAPH_SCHEMA["createddatetime"],
    "assignedto": GRAPH_SCHEMA["assignedto"],
    "status": Property(Kind.text, lambda incident: capital(incident.value("status"))),
}


def routes(world: World) -> list[Route]:
    """This part's routes."""
    api = XdrApi(world)
    return [
        route("/api/incidents", answering(api.list_incidents), "GET"),
        route("/api/incidents/{id}", answering(api.get_incident), "GET"),
        route("/api/incidents/{id}", answering(api.update_incident), "PATCH"),
        route("/api/advancedhunting/run", answering(api.hunt), "POST"),
    ]


class XdrApi:
    """The handlers. Each holds the world's lock while it looks at or changes state."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def list_incidents(self, request: Request) -> Response:
        """GET /api/incidents: newest first, each with its alerts."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_INCIDENTS, group="incidents", quotas=LISTING)
            found, size, skip = _parse(request.query_params, caller)
            tenant, _ = tenant_now(self._world, caller.tenant_id)
            rows = [one for one in tenant.incidents.ordered() if found.test(one)]
            rows.sort(key=_newest(caller), reverse=True)
            skip = 0 if caller.switches.endless_nextlink else skip
            page = rows[skip : skip + size]
            body: dict[str, Any] = {"@odata.context": f"{_origin(request)}/api/$metadata#Incidents"}
            body["value"] = [self._json(caller, one) for one in page]
            more = len(rows) > skip + size and caller.switches.nextlink == "always"
            if more or caller.switches.endless_nextlink:
                body["@odata.nextLink"] = _link(request, skip + size)
            return JSONResponse(body)

    async def get_incident(self, request: Request) -> Response:
        """GET /api/incidents/{id}."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_INCIDENTS, group="incident", quotas=ONE)
            return self._found(request, caller, self._incident(request, caller))

    async def update_incident(self, request: Request) -> Response:
        """PATCH /api/incidents/{id}: 200 with the incident as it is now."""
        body = await json_object(request, **_BAD_BODY)
        with self._world.lock:
            caller = admit(self._world, request, roles=WRITE_INCIDENTS, group="update", quotas=LISTING)
            incident, changes = self._incident(request, caller), in_xdr(body)
            check(incident, changes, paired=True)
            tenant, now = tenant_now(self._world, caller.tenant_id)
            tenant.incidents.change(incident, partial(apply, incident, changes, now=now, by=caller.name))
            return self._found(request, caller, incident)

    async def hunt(self, request: Request) -> Response:
        """POST /api/advancedhunting/run: 200 with a table. Names in the body are taken in any casing."""
        body = await json_object(request, **_BAD_BODY)
        with self._world.lock:
            caller = admit(self._world, request, roles=HUNT, group="hunting", quotas=HUNTING)
            query = {name.lower(): value for name, value in body.items()}.get("query")
            if not isinstance(query, str) or not query.strip():
                raise Refused(400, "InvalidRequestBody", "Request body is incorrect")
            columns, rows = hunting.run(self._world, caller.tenant_id, query)
            return JSONResponse(
                {
                    "Stats": {"ExecutionTime": 0.0156, "resource_usage": {}, "dataset_statistics": []},
                    "Schema": [{"Name": name, "Type": kind} for name, kind in columns.items()],
                    "Results": rows,
                }
            )

    def _incident(self, request: Request, caller: Caller) -> Incident:
        wanted = request.path_params["id"]
        incident = tenant_now(self._world, caller.tenant_id)[0].incidents.get(wanted)
        if incident is None:
            raise Refused(404, "ResourceNotFound", f"Incident {wanted} was not found")
        return incident

    def _json(self, caller: Caller, incident: Incident) -> dict[str, Any]:
        style = caller.switches.entity_style
        padded = style == "2020" or (style == "mixed" and incident.number % 2 == 0)
        return incident_json(incident, members(self._world, incident), padded=padded)

    def _found(self, request: Request, caller: Caller, incident: Incident) -> JSONResponse:
        context = f"{_origin(request)}/api/$metadata#Incidents/$entity"
        return JSONResponse({"@odata.context": context, **self._json(caller, incident)})


def _parse(params: Mapping[str, str], caller: Caller) -> tuple[Filter, int, int]:
    """The filter, the page's size and the rows before it. Raises Refused (400)."""
    try:
        for name in params:
            if name.startswith("$") and name not in _OPTIONS:
                raise ODataError(f"Query option '{name}' is not allowed.")
        given = params.get("$filter")
        found = parse_filter(given, _SCHEMA) if given is not None else Filter(lambda _: True)
        size = _number(params, "$top", _LARGEST, _LARGEST)
        return found, min(size, caller.switches.page_size), _number(params, "$skip", 0)
    except ODataError as problem:
        text = f"The query specified in the URI is not valid. {problem}"
        raise Refused(400, "BadRequest", text) from problem


def _number(params: Mapping[str, str], name: str, usual: int, maximum: int | None = None) -> int:
    text = params.get(name)
    if text is None:
        return usual
    if not text.isdecimal():
        raise ODataError(f"Invalid value '{text}' for {name} query option found.")
    if maximum is not None and int(text) > maximum:
        raise ODataError(
            f"The limit of '{maximum}' for Top query has been exceeded. The value from the incoming request "
            f"is '{text}'."
        )
    return int(text)


def _newest(caller: Caller) -> Callable[[Incident], tuple[int, int]]:
    by_creation = caller.switches.newest_by == "created"
    return lambda incident: (incident.created if by_creation else incident.updated, incident.number)


def _link(request: Request, skip: int) -> str:
    params = {**request.query_params, "$skip": str(skip)}
    query = urlencode(params, quote_via=quote, safe="$':,()")
    return f"{_origin(request)}{request.url.path}?{query}"


def _origin(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
