"""The API of Defender for Endpoint: alerts (list, get, update, update many) here, machines in
endpoint_machines.py, vulnerabilities and scores in endpoint_vulnerabilities.py, KQL in endpoint_hunting.py.

Strict where a client can be wrong: audience, roles, query grammar, body names and values, quotas. Both
`/api/...` (latest) and `/api/v1.0/...` (the only published version). What is not verified is a switch
(endpoint_access.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator import endpoint_hunting, endpoint_machines, endpoint_vulnerabilities
from simulator.endpoint_access import (
    BATCH,
    READ_ALERTS,
    WRITE_ALERTS,
    Caller,
    EndpointSwitches,
    admit,
    found,
)
from simulator.endpoint_alerts import ALERT_SCHEMA, EndpointAlert
from simulator.endpoint_lists import Query, answer, arranged, parse
from simulator.endpoint_updates import apply, checked
from simulator.refusals import Refused, json_object, route
from simulator.world import World

_BAD_BODY = {"code": "InvalidRequestBody", "message": "Request body is incorrect"}


def routes(world: World) -> list[Route]:
    """This part's routes."""
    api = EndpointApi(world)
    made = []
    for prefix in ("/api", "/api/v1.0"):
        made += [
            route(f"{prefix}/alerts", api.list_alerts, "GET"),
            route(f"{prefix}/alerts/batchUpdate", api.update_alerts, "POST"),
            route(f"{prefix}/alerts/{{id}}", api.get_alert, "GET"),
            route(f"{prefix}/alerts/{{id}}", api.update_alert, "PATCH"),
        ]
        made += endpoint_vulnerabilities.routes(world, prefix)
        made += endpoint_machines.routes(world, prefix)
        made += endpoint_hunting.routes(world, prefix)
    return made


class EndpointApi:
    """The handlers. Each holds the world's lock while it looks at or changes state."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def list_alerts(self, request: Request) -> Response:
        """GET /api/alerts. Evidence is empty without `$expand=evidence`."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_ALERTS, group="alerts")
            query = parse(request.query_params, ALERT_SCHEMA, indexed="lastupdatetime", expandable="evidence")
            evidence = "evidence" in query.expand
            rows = _select(caller, query)
            return answer(request, "Alerts", rows, query, caller.switches, lambda a: a.raw(evidence=evidence))

    async def get_alert(self, request: Request) -> Response:
        """GET /api/alerts/{id}."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_ALERTS, group="alerts")
            evidence = "evidence" in parse(request.query_params, ALERT_SCHEMA, expandable="evidence").expand
            return found("Alerts", _alert(caller, request.path_params["id"]).raw(evidence=evidence), request)

    async def update_alert(self, request: Request) -> Response:
        """PATCH /api/alerts/{id}: 200 with the alert as it is now."""
        body = await json_object(request, **_BAD_BODY)
        with self._world.lock:
            caller = admit(self._world, request, roles=WRITE_ALERTS, group="alert update")
            alert = _alert(caller, request.path_params["id"])
            _update(caller, [alert], checked(body, caller.switches))
            return found("Alerts", alert.raw(evidence=False), request)

    async def update_alerts(self, request: Request) -> Response:
        """POST /api/alerts/batchUpdate: 200 with an empty body. Ids that do not exist are passed over (not
        verified).
        """
        body = await json_object(request, **_BAD_BODY)
        with self._world.lock:
            caller = admit(self._world, request, roles=WRITE_ALERTS, group="alert batch", quotas=BATCH)
            ids = _ids(body.pop("alertIds", None), caller.switches)
            changes = checked(body, caller.switches)
            known = [alert for alert in (caller.tenant.alerts.get(one) for one in ids) if alert is not None]
            _update(caller, known, changes)
            return Response(status_code=200)


def _select(caller: Caller, query: Query) -> Iterable[EndpointAlert]:
    bounds, test = query.filter.bounds, query.filter.test
    rows = filter(test, caller.tenant.alerts.between((bounds.low, 0), (bounds.high + 1, 0)))
    if query.order == (("lastupdatetime", False),):
        return rows  # already in this order: a page of a long list costs only the page
    default = (("alertcreationtime", caller.switches.default_order == "newest"),)
    return arranged(rows, query.order or default, ALERT_SCHEMA)


def _alert(caller: Caller, name: str) -> EndpointAlert:
    alert = caller.tenant.alerts.get(name)
    if alert is None:
        raise Refused(404, "ResourceNotFound", f"Alert {name} was not found")
    return alert


def _ids(value: Any, switches: EndpointSwitches) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise Refused(400, "MissingRequiredParameter", "Required parameter alertIds is missing")
    if len(value) > switches.batch_maximum:
        text = f"Maximum batch size exceeded. Received: {len(value)}, allowed: {switches.batch_maximum}"
        raise Refused(400, "MaximumBatchSizeExceeded", text)
    return value


def _update(caller: Caller, alerts: list[EndpointAlert], changes: Mapping[str, Any]) -> None:
    for alert in alerts:
        caller.tenant.alerts.change(alert, partial(apply, alert, changes, now=caller.now, by=caller.name))
