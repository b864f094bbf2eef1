"""Defender for Cloud Apps: list and read alerts, close them, mark them read or unread.

Served as a tenant's own host does (`/api/v1/...`) and as the generic one does (`/cas/api/v1/...`). The list
counts rows (`skip`), so rows that move while a client walks are missed or come twice. Closing answers 200
even for alerts that do not exist, and names them. Source: "Alerts API" of the product's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator import cloud_apps_alerts as alerts
from simulator.cloud_apps_access import CLOSE, READ, Caller, No, admit
from simulator.cloud_apps_alerts import CloudAppsAlert
from simulator.cloud_apps_filters import ids, query, read
from simulator.world import World

_PREFIXES = ("/api/v1", "/cas/api/v1")
# call: (verdict, name of the count in the answer, reasons that may be given)
_CLOSINGS: dict[str, tuple[int, str, frozenset[int]]] = {
    "close_benign": (alerts.BENIGN, "closed_benign", frozenset({2, 4, 5, 6})),
    "close_false_positive": (alerts.FALSE_POSITIVE, "closed_false_positive", frozenset({0, 1, 3, 4})),
    "close_true_positive": (alerts.TRUE_POSITIVE, "closed_true_positive", frozenset()),
    "dismiss_bulk": (alerts.FALSE_POSITIVE, "dismissed", frozenset({0, 1, 3, 4})),
    "resolve": (alerts.TRUE_POSITIVE, "resolved", frozenset()),
}


def routes(world: World) -> list[Route]:
    """This part's routes. Addresses end with a slash; without one there is only a redirect."""
    api = CloudAppsApi(world)
    made = []
    for prefix in _PREFIXES:
        for method in ("GET", "POST"):
            made.append(_route(f"{prefix}/alerts/", api.list_alerts, method))
        for verb in _CLOSINGS:
            made.append(_route(f"{prefix}/alerts/{verb}/", api.close, "POST"))
        made.append(_route(f"{prefix}/alerts/{{id}}/", api.get_alert, "GET"))
        for verb in ("read", "unread", "dismiss"):
            made.append(_route(f"{prefix}/alerts/{{id}}/{verb}/", api.mark, "POST"))
    return made


class CloudAppsApi:
    """The handlers. Each holds the world's lock while it looks at or changes state."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def list_alerts(self, request: Request) -> Response:
        """GET or POST alerts."""
        said = await read(request)
        with self._world.lock:
            caller = admit(self._world, request, READ)
            switches = caller.switches
            wanted = query(said, largest=switches.page_size, now=caller.now)
            found = [one for one in caller.tenant.alerts.ordered() if wanted.test(one)]
            if wanted.by == "severity":
                found.sort(key=_severity)
            if wanted.descending:
                found.reverse()
            skip = 0 if switches.endless_nextlink else wanted.skip
            page = found[skip : skip + wanted.limit]
            more = switches.endless_nextlink or len(found) > skip + len(page)
            body = {"data": [one.raw() for one in page], "hasNext": more}
            return JSONResponse(body | {"max": len(found), "total": len(found), "moreThanTotal": False})

    async def get_alert(self, request: Request) -> Response:
        """GET one alert."""
        with self._world.lock:
            caller = admit(self._world, request, READ)
            return JSONResponse(_found(caller, request).raw())

    async def close(self, request: Request) -> Response:
        """POST close_... with the alerts' ids: how many were closed, and which do not exist."""
        said = await read(request)
        verdict, count, reasons = _CLOSINGS[_verb(request)]
        if said.get("reasonId") is not None and said["reasonId"] not in reasons:
            raise No(400, "The reason is not one of this closing's.")
        with self._world.lock:
            caller = admit(self._world, request, CLOSE)
            wanted = ids(said.get("filters"))
            known = [alert for one in wanted if (alert := caller.tenant.alerts.get(one))]
            for alert in known:
                alert.close(verdict, caller.now, caller.name, said.get("comment"))
            missing = [one for one in wanted if caller.tenant.alerts.get(one) is None]
            return JSONResponse({count: len(known)} | ({"alertsNotFound": missing} if missing else {}))

    async def mark(self, request: Request) -> Response:
        """POST read, unread or (an older way to close) dismiss."""
        verb = _verb(request)
        with self._world.lock:
            caller = admit(self._world, request, CLOSE if verb == "dismiss" else READ)
            alert = _found(caller, request)
            if verb == "dismiss":
                alert.close(alerts.FALSE_POSITIVE, caller.now, caller.name, None)
            else:
                alert.fields["statusValue"] = 1 if verb == "read" else 0
            return JSONResponse({})


def _verb(request: Request) -> str:
    return request.url.path.rstrip("/").rpartition("/")[2].lower()


def _severity(alert: CloudAppsAlert) -> int:
    """Informational is 3 in the JSON and below low in order."""
    value: Any = alert.value("severityValue")
    return -1 if value == 3 else value if isinstance(value, int) else -2


def _found(caller: Caller, request: Request) -> CloudAppsAlert:
    alert = caller.tenant.alerts.get(request.path_params["id"])
    if alert is None:
        raise No(404, "Not found.")
    return alert


def _route(path: str, handler: Callable[[Request], Awaitable[Response]], method: str) -> Route:
    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except No as no:
            return no.answer()

    made = Route(path, answering, methods=[method], name=handler.__name__)
    made.path_regex = re.compile(made.path_regex.pattern, re.IGNORECASE)
    return made
