"""Microsoft Sentinel over Azure Resource Manager: incidents (list, get, put, delete), their alerts, entities
and bookmarks (by POST), and their comments.

A PUT replaces what is writable: what it leaves out is gone. One that brings an ETag which is not the current
one is 409. Source: the provider's specification (2025-09-01); the words of errors are not verified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator import ticks
from simulator.refusals import Refused, json_object, route
from simulator.sentinel_access import Admission, admit
from simulator.sentinel_incidents import WRITABLE, SentinelIncident
from simulator.sentinel_lists import page
from simulator.world import World

_BASE = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights"
    "/workspaces/{workspace}/providers/Microsoft.SecurityInsights/incidents"
)
_ENUMS: Mapping[str, set[str | None]] = {
    "status": {"New", "Active", "Closed"},
    "severity": {"High", "Medium", "Low", "Informational"},
    "classification": {"TruePositive", "BenignPositive", "FalsePositive", "Undetermined", None},
    "classificationReason": {
        *("SuspiciousActivity", "SuspiciousButExpected", "IncorrectAlertLogic", "InaccurateData", None)
    },
}
_LONGEST_COMMENT = 3000


def routes(world: World) -> list[Route]:
    """This part's routes."""
    api = SentinelApi(world)
    one = f"{_BASE}/{{name}}"
    table = [
        (_BASE, "GET", api.list_incidents),
        (one, "GET", api.get_incident),
        (one, "PUT", api.put_incident),
        (one, "DELETE", api.delete_incident),
        (f"{one}/alerts", "POST", api.list_alerts),
        (f"{one}/entities", "POST", api.list_entities),
        (f"{one}/bookmarks", "POST", api.list_bookmarks),
        (f"{one}/comments", "GET", api.list_comments),
        (f"{one}/comments/{{comment}}", "PUT", api.put_comment),
    ]
    return [route(path, handler, method) for path, method, handler in table]


class SentinelApi:
    """The handlers. Each holds the world's lock while it looks at or changes state."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def list_incidents(self, request: Request) -> Response:
        """GET incidents."""
        with self._world.lock:
            admission = admit(self._world, request, "read")
            return JSONResponse(page(admission, request), headers=admission.headers)

    async def get_incident(self, request: Request) -> Response:
        """GET one incident."""
        with self._world.lock:
            admission = admit(self._world, request, "read")
            return JSONResponse(_found(admission, request).raw(), headers=admission.headers)

    async def put_incident(self, request: Request) -> Response:
        """PUT an incident: 201 when it is new, 200 when it was replaced."""
        body = await json_object(request, code="InvalidRequestContent", message="The body is not JSON.")
        properties = _properties(body)
        with self._world.lock:
            admission = admit(self._world, request, "write")
            name, workspace = request.path_params["name"], admission.workspace
            known = workspace.incidents.get(name)
            if known is None:
                made = workspace.create(name, admission.now, properties)
                workspace.incidents.add(made)
                return JSONResponse(made.raw(), status_code=201, headers=admission.headers)
            if body.get("etag") not in (None, "*", known.etag):
                text = f"Newer instance of Incident '{name}' exists for Workspace (incorrect etag)."
                raise Refused(409, "Conflict", text)
            workspace.touch(known, admission.now, **properties)
            return JSONResponse(known.raw(), headers=admission.headers)

    async def delete_incident(self, request: Request) -> Response:
        """DELETE an incident: 200, or 204 when there was none."""
        with self._world.lock:
            admission = admit(self._world, request, "delete")
            incident = admission.workspace.incidents.get(request.path_params["name"])
            if incident is None:
                return Response(status_code=204, headers=admission.headers)
            admission.workspace.incidents.remove(incident)
            return Response(status_code=200, headers=admission.headers)

    async def list_alerts(self, request: Request) -> Response:
        """POST alerts: those of the incident."""
        with self._world.lock:
            admission = admit(self._world, request, "alerts/action")
            body = {"value": _found(admission, request).alerts_raw()}
            return JSONResponse(body, headers=admission.headers)

    async def list_entities(self, request: Request) -> Response:
        """POST entities: a host or account for each alert that names what is compromised."""
        with self._world.lock:
            admission = admit(self._world, request, "entities/action")
            names = [alert.get("compromisedEntity") for alert in _found(admission, request).alerts]
            entities = [_entity(name) for name in dict.fromkeys(filter(None, names))]
            kinds = sorted({entity["kind"] for entity in entities})
            counted = [{"entityKind": k, "count": sum(e["kind"] == k for e in entities)} for k in kinds]
            return JSONResponse({"entities": entities, "metaData": counted}, headers=admission.headers)

    async def list_bookmarks(self, request: Request) -> Response:
        """POST bookmarks: there are none."""
        with self._world.lock:
            admission = admit(self._world, request, "bookmarks/action")
            _found(admission, request)
            return JSONResponse({"value": []}, headers=admission.headers)

    async def list_comments(self, request: Request) -> Response:
        """GET an incident's comments, the newest first."""
        with self._world.lock:
            admission = admit(self._world, request, "comments/read")
            comments = _found(admission, request).comments
            return JSONResponse({"value": comments[::-1]}, headers=admission.headers)

    async def put_comment(self, request: Request) -> Response:
        """PUT a comment: 201 when it is new, 200 when it was replaced."""
        body = await json_object(request, code="InvalidRequestContent", message="The body is not JSON.")
        message = (body.get("properties") or {}).get("message")
        if not isinstance(message, str) or not 0 < len(message) <= _LONGEST_COMMENT:
            raise Refused(400, "BadRequest", "The comment's message is missing or too long.")
        with self._world.lock:
            admission = admit(self._world, request, "comments/write")
            incident, name = _found(admission, request), request.path_params["comment"]
            kept = [one for one in incident.comments if one["name"] != name]
            known = len(kept) < len(incident.comments)
            when = ticks.text_of(admission.now)
            incident.comments[:] = [*kept, _comment(incident, name, message, when, admission)]
            admission.workspace.touch(incident, admission.now)
            status = 200 if known else 201
            return JSONResponse(incident.comments[-1], status_code=status, headers=admission.headers)


def _properties(body: dict[str, Any]) -> dict[str, Any]:
    """What a PUT leaves of the writable properties. Raises Refused (400)."""
    given = body.get("properties")
    if not isinstance(given, dict):
        raise Refused(400, "BadRequest", "The request has no properties.")
    for name in ("title", "severity", "status"):
        if not given.get(name):
            raise Refused(400, "BadRequest", f"Required property '{name}' is missing.")
    for name, words in _ENUMS.items():
        if given.get(name) not in words:
            raise Refused(400, "BadRequest", f"'{given.get(name)}' is not a value of '{name}'.")
    return {name: given.get(name, usual) for name, usual in WRITABLE.items()}


def _found(admission: Admission, request: Request) -> SentinelIncident:
    incident = admission.workspace.incidents.get(request.path_params["name"])
    if incident is None:
        raise Refused(404, "NotFound", f"Incident '{request.path_params['name']}' was not found.")
    return incident


def _entity(name: str) -> dict[str, Any]:
    kind, field = ("Account", "accountName") if "@" in name else ("Host", "hostName")
    return {"kind": kind, "properties": {field: name, "friendlyName": name}}


def _comment(
    incident: SentinelIncident, name: str, message: str, when: str, admission: Admission
) -> dict[str, Any]:
    return {
        "id": f"{incident.id}/Comments/{name}",
        "name": name,
        "type": "Microsoft.SecurityInsights/Incidents/Comments",
        "properties": {
            "message": message,
            "createdTimeUtc": when,
            "lastModifiedTimeUtc": when,
            "author": {"email": None, "userPrincipalName": None, **admission.caller},
        },
    }
