"""The HTTP front: an ASGI application that finds the function, checks the key, converts request and answer.

What the real host answers itself, this one does too: 404 without a matching route (also for a wrong
method), 401 without the key, 500 without a body for a failed invocation and for a function that returns
None or a dict. `POST /admin/functions/<timer>` with the master key runs a timer's function now.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from azure.functions.http import HttpRequest, HttpResponseConverter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from devhost.app_index import IndexedFunction
from devhost.invocation import Failed, Invoker
from devhost.keys import Keys
from devhost.options import HostOptions
from devhost.routing import Route

_log = logging.getLogger("devhost.http")
# The server sets these itself; two of them would contradict each other.
_ADMIN = "/admin/functions/"
_SERVERS_OWN = ("content-length", "transfer-encoding", "connection", "date")


@dataclass(frozen=True)
class Endpoint:
    """One HTTP function and its route. `level` is anonymous, function or admin."""

    function: IndexedFunction
    route: Route
    level: str


def endpoints(functions: Iterable[IndexedFunction], options: HostOptions) -> list[Endpoint]:
    """The HTTP functions with their routes, the most literal first. Raises Refused."""
    found = [_endpoint(one, options) for one in functions if one.trigger["type"] == "httpTrigger"]
    return sorted(found, key=lambda one: one.route.rank)


def _endpoint(function: IndexedFunction, options: HostOptions) -> Endpoint:
    route = function.trigger.get("route")
    route = function.name if route is None else route.lstrip("/")
    template = f"{options.route_prefix}/{route}" if options.route_prefix else route
    level = str(function.trigger.get("authLevel", "function")).lower()
    return Endpoint(function, Route.of(template, function.trigger.get("methods")), level)


class HttpFront:
    """The ASGI application. `timers` are what runs each timer's function now, by name."""

    def __init__(
        self,
        found: Sequence[Endpoint],
        *,
        keys: Keys,
        invoker: Invoker,
        homepage: bool = True,
        timers: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
    ) -> None:
        self._endpoints, self._keys, self._invoker, self._homepage = found, keys, invoker, homepage
        self._timers = timers or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            await (await self._answer(Request(scope, receive)))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode("latin-1")
        for endpoint in self._endpoints:
            values = endpoint.route.match(request.method, path)
            if values is not None:
                return await self._call(endpoint, request, path, values)
        if request.method == "POST" and path.startswith(_ADMIN):
            return await self._run_timer(request, path.removeprefix(_ADMIN))
        if path == "/":
            return Response("The local Functions host is running.") if self._homepage else Response(None, 204)
        return Response(None, 404)

    async def _run_timer(self, request: Request, name: str) -> Response:
        if not self._keys.allow("admin", request.headers, request.query_params):
            return Response(None, 401)
        if name not in self._timers:
            return Response(None, 404)
        await self._timers[name]()
        return Response(None, 202)

    async def _call(
        self, endpoint: Endpoint, request: Request, path: str, values: dict[str, str]
    ) -> Response:
        if not self._keys.allow(endpoint.level, request.headers, request.query_params):
            _log.warning("'%s' was called without its key", endpoint.function.name)
            return Response(None, 401)
        given = _request(request, path, values, await request.body())
        try:
            result = await self._invoker.invoke(endpoint.function, given, reason="HTTP")
        except Failed:
            return Response(None, 500)
        try:
            return _response(result)
        except NotImplementedError:
            _log.error(
                "'%s' returned %s: it must return HttpResponse or str",
                endpoint.function.name,
                type(result).__name__,
            )
            return Response(None, 500)


def _request(request: Request, path: str, values: dict[str, str], body: bytes) -> HttpRequest:
    query = request.scope["query_string"].decode("latin-1")
    host = request.headers.get("host", "localhost")
    return HttpRequest(
        method=request.method,
        url=f"{request.url.scheme}://{host}{path}" + (f"?{query}" if query else ""),
        headers=_joined((k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw),
        params=_joined(parse_qsl(query, keep_blank_values=True)),
        route_params=values,
        body_type="bytes",
        body=body,
    )


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    # The host hands over one text for each name; several are joined with commas.
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _response(result: Any) -> Response:
    datum = HttpResponseConverter.encode(result, expected_type=None)
    if datum.type == "string":
        return Response(datum.value, media_type="text/plain")
    said = datum.value
    response = Response(said["body"].value, int(said["status_code"].value))
    for name, value in said["headers"].items():
        if name.lower() not in _SERVERS_OWN:
            response.headers[name] = value.value
    for cookie in said["cookies"] or ():
        for morsel in cookie.values():
            response.headers.append("set-cookie", morsel.OutputString())
    return response
