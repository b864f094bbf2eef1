"""Defender for Cloud over Azure Resource Manager: alerts (list, get, change state, simulate) and locations.

The list knows no filter, no order and no top: it is walked whole. It is ordered by name, which is by start
of the alert, so an alert that is published late appears deep in the list. What is not verified is a switch
(cloud_access.py) or said where it is.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator import ticks
from simulator.cloud_access import VERSIONS, Admission, admit
from simulator.cloud_alerts import STATUS_OF, CloudAlert
from simulator.cloud_samples import BUNDLES, simulate
from simulator.endpoint_access import origin
from simulator.refusals import Refused, json_object, route
from simulator.world import World

_SUBSCRIPTION = "/subscriptions/{subscription}"
_GROUP = f"{_SUBSCRIPTION}/resourceGroups/{{group}}"
_PROVIDER = "/providers/Microsoft.Security"
_READ = "Microsoft.Security/alerts/read"


def routes(world: World) -> list[Route]:
    """This part's routes."""
    api = CloudApi(world)
    made = [
        route(f"{_SUBSCRIPTION}{_PROVIDER}/locations", api.list_locations, "GET"),
        route(
            f"{_SUBSCRIPTION}{_PROVIDER}/locations/{{location}}/alerts/default/simulate", api.simulate, "POST"
        ),
        route(
            f"{_SUBSCRIPTION}{_PROVIDER}/locations/{{location}}/operationResults/{{operation}}",
            api.operation,
            "GET",
        ),
    ]
    for scope in (_SUBSCRIPTION, _GROUP):
        alerts = f"{scope}{_PROVIDER}/locations/{{location}}/alerts"
        made.append(route(f"{scope}{_PROVIDER}/alerts", api.list_alerts, "GET"))
        made.append(route(alerts, api.list_alerts, "GET"))
        made.append(route(f"{alerts}/{{name}}", api.get_alert, "GET"))
        made.append(route(f"{alerts}/{{name}}/{{verb}}", api.set_state, "POST"))
    return made


class CloudApi:
    """The handlers. Each holds the world's lock while it looks at or changes state."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def list_alerts(self, request: Request) -> Response:
        """GET .../alerts of a subscription or resource group, of all locations or one."""
        with self._world.lock:
            admission = admit(self._world, request, versions=VERSIONS, action=_READ)
            page, last = _page(admission, request)
            numbering = admission.subscription.numbering()
            body: dict[str, Any] = {"value": [alert.raw(numbering) for alert in page]}
            if admission.state.switches.endless_nextlink:
                body["nextLink"] = f"{origin(request)}{request.url.path}?{request.url.query}"
            elif last is not None:
                body["nextLink"] = _next_link(request, last)
            return JSONResponse(body, headers=admission.headers)

    async def get_alert(self, request: Request) -> Response:
        """GET one alert, in its own location (and resource group)."""
        with self._world.lock:
            admission = admit(self._world, request, versions=VERSIONS, action=_READ)
            alert = _alert(admission, request)
            return JSONResponse(alert.raw(admission.subscription.numbering()), headers=admission.headers)

    async def set_state(self, request: Request) -> Response:
        """POST dismiss, resolve, activate or inProgress: 204. Every change of state is allowed (no rule is
        published).
        """
        verb = request.path_params["verb"].lower()
        if verb not in STATUS_OF:
            raise Refused(
                404,
                "InvalidResourceType",
                "The resource type could not be found in the namespace 'Microsoft.Security'.",
            )
        versions = VERSIONS[:1] if verb == "inprogress" else VERSIONS  # InProgress came with 2022-01-01
        action = f"Microsoft.Security/locations/alerts/{verb}/action"
        with self._world.lock:
            admission = admit(self._world, request, versions=versions, action=action, write=True)
            alert = _alert(admission, request)
            same = (
                alert.raw(admission.subscription.numbering())["properties"].get("status") == STATUS_OF[verb]
            )
            alert.fields["status"] = STATUS_OF[verb]
            return Response(
                status_code=admission.state.switches.same_state if same else 204, headers=admission.headers
            )

    async def simulate(self, request: Request) -> Response:
        """POST .../alerts/default/simulate: 202 with Location and Retry-After; sample alerts appear shortly
        after.
        """
        bad = {"code": "InvalidRequestContent", "message": "The request content is not a list of bundles."}
        bundles = _bundles(await json_object(request, **bad))
        if not bundles:
            raise Refused(400, bad["code"], bad["message"])
        action = "Microsoft.Security/locations/alerts/simulate/action"
        with self._world.lock:
            admission = admit(self._world, request, versions=VERSIONS, action=action, write=True)
            location = _location(admission, request)
            operation = simulate(admission, location, bundles)
            scope = f"/subscriptions/{admission.subscription.id}{_PROVIDER}/locations/{location}"
            link = f"{origin(request)}{scope}/operationResults/{operation}?api-version={VERSIONS[0]}"
            return Response(
                status_code=202, headers=admission.headers | {"Location": link, "Retry-After": "1"}
            )

    async def operation(self, request: Request) -> Response:
        """GET a long-running operation: 202 while it runs, then 200. Path and bodies are not verified;
        clients follow `Location`.
        """
        with self._world.lock:
            admission = admit(self._world, request, versions=VERSIONS, action=_READ)
            done = admission.state.operations.get(request.path_params["operation"])
            if done is None:
                raise Refused(404, "ResourceNotFound", "The operation was not found.")
            if admission.now < done:
                again = {"Location": str(request.url), "Retry-After": "1"}
                return Response(status_code=202, headers=admission.headers | again)
            return JSONResponse({}, headers=admission.headers)

    async def list_locations(self, request: Request) -> Response:
        """GET the locations in which this subscription's alerts are stored."""
        action = "Microsoft.Security/locations/read"
        with self._world.lock:
            admission = admit(self._world, request, versions=("2015-06-01-preview",), action=action)
            prefix = f"/subscriptions/{admission.subscription.id}{_PROVIDER}/locations"
            value = [
                {
                    "id": f"{prefix}/{name}",
                    "name": name,
                    "type": "Microsoft.Security/locations",
                    "properties": {"homeRegionName": name},
                }
                for name in admission.subscription.locations
            ]
            return JSONResponse({"value": value}, headers=admission.headers)


def _bundles(body: dict[str, Any]) -> list[str]:
    properties = body.get("properties")
    if not isinstance(properties, dict) or properties.get("kind") != "Bundles":
        return []
    bundles = properties.get("bundles")
    return bundles if isinstance(bundles, list) and all(one in BUNDLES for one in bundles) else []


def _page(admission: Admission, request: Request) -> tuple[list[CloudAlert], str | None]:
    alerts = admission.subscription.alerts.ordered()
    after = "" if admission.state.switches.endless_nextlink else _skipped(request)
    oldest = admission.now - ticks.span(timedelta(days=admission.state.switches.retention_days))
    page: list[CloudAlert] = []
    for place in range(bisect_right(alerts, after, key=lambda alert: alert.name), len(alerts)):
        alert = alerts[place]
        if alert.generated < oldest or not _within(alert, request):
            continue
        if len(page) == admission.state.switches.page_size:
            return page, page[-1].name
        page.append(alert)
    return page, None


def _skipped(request: Request) -> str:
    token = request.query_params.get("$skiptoken") or request.query_params.get("$skipToken") or ""
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError) as problem:
        raise Refused(400, "InvalidSkipToken", "The skip token is invalid.") from problem


def _next_link(request: Request, last: str) -> str:
    # The form of the token is the service's own business; this one says after which alert to go on.
    version = quote(request.query_params["api-version"])
    token = quote(base64.urlsafe_b64encode(last.encode()).decode())
    return f"{origin(request)}{request.url.path}?api-version={version}&$skiptoken={token}"


def _within(alert: CloudAlert, request: Request) -> bool:
    group, location = request.path_params.get("group"), request.path_params.get("location")
    if location is not None and location.lower() != alert.location.lower():
        return False
    return group is None or group.lower() == (alert.resource_group or "").lower()


def _alert(admission: Admission, request: Request) -> CloudAlert:
    # The code for an unknown alert is not verified; 404 for a wrong location follows from the path.
    alert = admission.subscription.alerts.get(request.path_params["name"])
    if alert is None or not _within(alert, request):
        raise Refused(404, "ResourceNotFound", "The alert was not found.")
    return alert


def _location(admission: Admission, request: Request) -> str:
    wanted = request.path_params["location"].lower()
    if wanted not in admission.subscription.locations:
        raise Refused(404, "ResourceNotFound", f"The location '{wanted}' was not found.")
    return str(wanted)
