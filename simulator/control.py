"""The control API under `/_control/`: everything in the files of scenarios over HTTP, beside faults, clock,
switches and counters.

Scenario bodies are the functions' keyword arguments as JSON, with lengths of time in seconds:
`within_seconds`, `age_seconds`, ... What phones got is at `/_control/pushes` (inbox.py). Never harmed by
faults. A wrong request is 400, an unknown alert or fixture 404, both `{"error": text}`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator import cloud_apps_scenarios, graph_scenarios, scenarios, sentinel_scenarios, xdr_scenarios
from simulator.faults import Fault
from simulator.world import World

ENDLESS = "endless_nextlink"  # a fault of a list rather than of a request, so each vendor does it itself

_SCENARIOS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("endpoint", "alerts"): scenarios.add_endpoint_alerts,
    ("endpoint", "late"): scenarios.late_endpoint_alerts,
    ("endpoint", "tie"): scenarios.tie_endpoint_alerts,
    ("endpoint", "update"): scenarios.update_endpoint_alert,
    ("cloud", "alerts"): scenarios.add_cloud_alerts,
    ("cloud", "late"): scenarios.late_cloud_alerts,
    ("cloud", "update"): scenarios.update_cloud_alert,
    ("cloud", "webhook"): scenarios.webhook_body,
    ("graph", "alerts"): graph_scenarios.add_graph_alerts,
    ("graph", "late"): graph_scenarios.late_graph_alerts,
    ("graph", "tie"): graph_scenarios.tie_graph_alerts,
    ("graph", "update"): graph_scenarios.update_graph_alert,
    ("xdr", "alerts"): xdr_scenarios.add_incidents,
    ("xdr", "incidents"): xdr_scenarios.add_incidents,
    ("xdr", "late"): xdr_scenarios.late_incidents,
    ("xdr", "tie"): xdr_scenarios.tie_incidents,
    ("xdr", "join"): xdr_scenarios.add_alerts_to_incident,
    ("xdr", "update"): xdr_scenarios.update_incident,
    ("xdr", "merge"): xdr_scenarios.merge_incidents,
    ("graph", "mirror"): graph_scenarios.graph_view_of_endpoint,
    ("cloud-apps", "alerts"): cloud_apps_scenarios.add_alerts,
    ("cloud-apps", "late"): cloud_apps_scenarios.late_alerts,
    ("cloud-apps", "tie"): cloud_apps_scenarios.tie_alerts,
    ("cloud-apps", "update"): cloud_apps_scenarios.update_alert,
    ("sentinel", "alerts"): sentinel_scenarios.add_incidents,
    ("sentinel", "late"): sentinel_scenarios.late_incidents,
    ("sentinel", "tie"): sentinel_scenarios.tie_incidents,
    ("sentinel", "update"): sentinel_scenarios.update_incident,
    ("sentinel", "redirect"): sentinel_scenarios.redirect_incident,
    ("sentinel", "join"): sentinel_scenarios.add_alert,
}


_LISTS: Mapping[str, Callable[[World], list[str]]] = {
    "endpoint": scenarios.endpoint_ids,
    "cloud": scenarios.cloud_names,
    "graph": graph_scenarios.graph_ids,
    "cloud-apps": cloud_apps_scenarios.alert_ids,
    "xdr": xdr_scenarios.incident_ids,
    "sentinel": sentinel_scenarios.alert_ids,
}


class _Wrong(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def routes(world: World) -> list[Route]:
    """This part's routes."""
    control = Control(world)
    table = {
        "/scenarios/{vendor}/{name}": {"POST": control.play},
        "/alerts/{vendor}": {"GET": control.list_alerts},
        "/faults": {"GET": control.list_faults, "POST": control.add_fault, "DELETE": control.clear_faults},
        "/faults/{id}": {"DELETE": control.remove_fault},
        "/switches": {"GET": control.read_switches, "PATCH": control.set_switches},
        "/clock": {"GET": control.clock, "POST": control.advance},
        "/requests": {"GET": control.requests},
        "/reset": {"POST": control.reset},
    }
    return [
        Route(f"/_control{path}", _answering(handler), methods=[method])
        for path, handlers in table.items()
        for method, handler in handlers.items()
    ]


class Control:
    """The handlers."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def play(self, request: Request) -> Response:
        """POST /scenarios/{vendor}/{name}: `{"result": what the function returned}`."""
        play = _SCENARIOS.get((request.path_params["vendor"], request.path_params["name"]))
        if play is None:
            raise _Wrong(404, "there is no such scenario")
        try:
            return JSONResponse({"result": play(self._world, **_arguments(await _body(request)))})
        except TypeError as problem:
            raise _Wrong(400, str(problem)) from problem
        except LookupError as problem:
            raise _Wrong(404, f"not found: {problem}") from problem

    async def list_alerts(self, request: Request) -> Response:
        """GET /alerts/{vendor}: the ids of every visible alert."""
        vendor = request.path_params["vendor"]
        if vendor not in _LISTS:
            raise _Wrong(404, f"vendor is one of {', '.join(_LISTS)}")
        return JSONResponse({"ids": _LISTS[vendor](self._world)})

    async def list_faults(self, request: Request) -> Response:
        """GET /faults."""
        with self._world.lock:
            return JSONResponse({"faults": [fault.as_json() for fault in self._world.faults]})

    async def add_fault(self, request: Request) -> Response:
        """POST /faults: a Fault's fields, or `{"kind": "endless_nextlink", "vendor": one of STATES}`."""
        body = await _body(request)
        if body.get("kind") == ENDLESS:
            self._switch(str(body.get("vendor")), {ENDLESS: body.get("on", True)})
            return JSONResponse({"id": ENDLESS}, status_code=201)
        try:
            fault = Fault(**body)
        except (TypeError, ValueError) as problem:
            raise _Wrong(400, str(problem)) from problem
        with self._world.lock:
            self._world.faults.append(fault)
        return JSONResponse({"id": fault.id}, status_code=201)

    async def clear_faults(self, request: Request) -> Response:
        """DELETE /faults: all of them, endless nextLinks included."""
        with self._world.lock:
            self._world.faults.clear()
        for vendor in scenarios.STATES:
            scenarios.endless_nextlink(self._world, vendor, False)
        return Response(status_code=204)

    async def remove_fault(self, request: Request) -> Response:
        """DELETE /faults/{id}."""
        with self._world.lock:
            kept = [fault for fault in self._world.faults if fault.id != request.path_params["id"]]
            if len(kept) == len(self._world.faults):
                raise _Wrong(404, "there is no such fault")
            self._world.faults[:] = kept
        return Response(status_code=204)

    async def read_switches(self, request: Request) -> Response:
        """GET /switches: those of every vendor."""
        with self._world.lock:
            return JSONResponse({one: vars(scenarios.switches(self._world, one)) for one in scenarios.STATES})

    async def set_switches(self, request: Request) -> Response:
        """PATCH /switches: `{"endpoint": {name: value}, "cloud": {...}}`."""
        for vendor, values in (await _body(request)).items():
            self._switch(vendor, values)
        return await self.read_switches(request)

    async def clock(self, request: Request) -> Response:
        """GET /clock: the world's time."""
        return JSONResponse({"now": self._world.now().isoformat()})

    async def advance(self, request: Request) -> Response:
        """POST /clock `{"advance_seconds": n}`."""
        seconds = (await _body(request)).get("advance_seconds")
        if not isinstance(seconds, int | float) or seconds < 0:
            raise _Wrong(400, "advance_seconds must be a number of seconds, not negative")
        self._world.advance(seconds)
        return await self.clock(request)

    async def requests(self, request: Request) -> Response:
        """GET /requests: how many came, by method and path."""
        with self._world.lock:
            return JSONResponse({"requests": dict(self._world.requests)})

    async def reset(self, request: Request) -> Response:
        """POST /reset."""
        scenarios.reset(self._world)
        return Response(status_code=204)

    def _switch(self, vendor: str, values: Any) -> None:
        if vendor not in scenarios.STATES or not isinstance(values, dict):
            raise _Wrong(400, f"switches are given by vendor: {', '.join(scenarios.STATES)}")
        with self._world.lock:
            switches = scenarios.switches(self._world, vendor)
            for name, value in values.items():
                if not hasattr(switches, name) or not isinstance(value, type(getattr(switches, name))):
                    raise _Wrong(400, f"there is no such switch or value: {name}")
                setattr(switches, name, value)


def _arguments(body: Mapping[str, Any]) -> dict[str, Any]:
    suffix = "_seconds"
    return {
        key.removesuffix(suffix): timedelta(seconds=value) if key.endswith(suffix) else value
        for key, value in body.items()
    }


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    try:
        body = json.loads(raw or b"{}")
    except ValueError as problem:
        raise _Wrong(400, "the body is not JSON") from problem
    if not isinstance(body, dict):
        raise _Wrong(400, "the body is not a JSON object")
    return body


def _answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except _Wrong as wrong:
            return JSONResponse({"error": str(wrong)}, status_code=wrong.status)

    return answering
