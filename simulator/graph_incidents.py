"""Microsoft Graph's security incidents: list, get, members, update, comment. The same incidents are to be had
over the Defender XDR API (defender_xdr.py).

Strict where a client can be wrong: roles, at most 50 a page (more is refused), `$expand=alerts` that large
tenants answer with 500 (a switch), later enum members only for who prefers them. Whether the members' list
asks for alert or for incident permissions is not verified; either is enough here. Source: "List incidents",
"Update incident", "Create comment for incident".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.graph_access import (
    INCIDENTS,
    READ_ALERTS,
    READ_INCIDENTS,
    WRITE_INCIDENTS,
    Caller,
    admit,
    answer,
    route,
)
from simulator.graph_lists import Listing, arranged, page, parse
from simulator.graph_security import comment_in
from simulator.odata import Property
from simulator.refusals import Refused, json_object
from simulator.world import World
from simulator.xdr_incidents import GRAPH_SCHEMA, Incident, members, tenant_now
from simulator.xdr_updates import apply, check, in_graph

_LIST = Listing(
    context="security/incidents",
    schema=GRAPH_SCHEMA,
    order={name: GRAPH_SCHEMA[name] for name in ("createddatetime", "lastupdatedatetime")},
    top=50,
    page=50,
    too_much=True,
    newest_first="createddatetime",
    expandable=frozenset({"alerts"}),
)
_NOTHING: Mapping[str, Property] = {}
_MEMBERS = Listing(context="security/incidents/alerts", schema=_NOTHING, order=_NOTHING, top=1000, page=100)
_BAD_BODY = {"code": "BadRequest", "message": "Unable to read JSON request payload."}


def routes(world: World) -> list[Route]:
    """This part's routes."""
    api = GraphIncidents(world)
    one = "/v1.0/security/incidents/{id}"
    return [
        route("/v1.0/security/incidents", api.list_incidents, "GET"),
        route(one, api.get_incident, "GET"),
        route(one, api.update_incident, "PATCH"),
        route(f"{one}/alerts", api.list_alerts, "GET"),
        route(f"{one}/comments", api.comment, "POST"),
    ]


class GraphIncidents:
    """The handlers. Each holds the world's lock while it reads or changes anything."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def list_incidents(self, request: Request) -> Response:
        """GET /security/incidents: without alerts, unless expanded."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_INCIDENTS, group="incidents", quotas=INCIDENTS)
            query = parse(request.query_params, _LIST, caller)
            expand = self._expands(caller, query.expand)
            rows = arranged(tenant_now(self._world, caller.tenant_id)[0].incidents.ordered(), query, _LIST)
            return page(caller, request, _LIST, rows, query, lambda one: self._json(one, alerts=expand))

    async def get_incident(self, request: Request) -> Response:
        """GET /security/incidents/{id}."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_INCIDENTS, group="incidents", quotas=INCIDENTS)
            expand = self._expands(caller, parse(request.query_params, _LIST, caller).expand)
            body = self._json(self._incident(request, caller), alerts=expand)
            return answer(caller, request, f"{_LIST.context}/$entity", body)

    async def list_alerts(self, request: Request) -> Response:
        """GET /security/incidents/{id}/alerts."""
        with self._world.lock:
            roles = (*READ_ALERTS, *READ_INCIDENTS)
            caller = admit(self._world, request, roles=roles, group="incidents", quotas=INCIDENTS)
            query = parse(request.query_params, _MEMBERS, caller)
            rows = members(self._world, self._incident(request, caller))
            return page(caller, request, _MEMBERS, rows, query, dict)

    async def update_incident(self, request: Request) -> Response:
        """PATCH /security/incidents/{id}: 200 with the incident as it is now."""
        body = await json_object(request, **_BAD_BODY)
        with self._world.lock:
            caller = admit(self._world, request, roles=WRITE_INCIDENTS, group="update", quotas=INCIDENTS)
            incident, changes = self._incident(request, caller), in_graph(body)
            check(incident, changes, paired=caller.switches.paired_determinations)
            self._change(caller, incident, changes)
            return answer(caller, request, f"{_LIST.context}/$entity", self._json(incident))

    async def comment(self, request: Request) -> Response:
        """POST /security/incidents/{id}/comments: 200 with all comments, the oldest first."""
        body = await json_object(request, **_BAD_BODY)
        with self._world.lock:
            caller = admit(self._world, request, roles=WRITE_INCIDENTS, group="update", quotas=INCIDENTS)
            incident = self._incident(request, caller)
            self._change(caller, incident, {"comment": comment_in(body)})
            context = f"{_LIST.context}('{incident.id}')/comments"
            return answer(caller, request, context, {"value": incident.value("comments")})

    def _incident(self, request: Request, caller: Caller) -> Incident:
        wanted = request.path_params["id"]
        incident = tenant_now(self._world, caller.tenant_id)[0].incidents.get(wanted)
        if incident is None:
            raise Refused(404, "NotFound", f"Incident with id '{wanted}' was not found.")
        return incident

    def _change(self, caller: Caller, incident: Incident, changes: Mapping[str, Any]) -> None:
        shelf = tenant_now(self._world, caller.tenant_id)[0].incidents
        shelf.change(incident, partial(apply, incident, changes, now=caller.now, by=caller.name))

    def _expands(self, caller: Caller, expand: frozenset[str]) -> bool:
        if expand and caller.switches.expand_alerts_fails:
            raise Refused(500, "InternalServerError", "An error occurred while processing the request.")
        return bool(expand)

    def _json(self, incident: Incident, *, alerts: bool = False) -> dict[str, Any]:
        raw = incident.raw()
        return {**raw, "alerts": members(self._world, incident)} if alerts else raw
