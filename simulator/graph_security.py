"""Microsoft Graph's alerts_v2 (list, get, update, comment), and what became of older names.

Strict where a client can be wrong: audience, roles, what can be filtered on, body names and values, quotas.
What is not verified is a switch (graph_access.py). Source: "List alerts_v2", "Update alert", "Create comment
for alert", and the migration guide from the legacy alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator import ticks
from simulator.graph_access import READ_ALERTS, READ_SCORES, WRITE_ALERTS, Caller, admit, answer, route
from simulator.graph_alerts import ALERT_ORDER, ALERT_SCHEMA, GraphAlert, graph_tenant
from simulator.graph_lists import Listing, Query, arranged, page, parse
from simulator.refusals import Refused, json_object
from simulator.world import World

ALERTS = Listing(
    context="security/alerts_v2",
    schema=ALERT_SCHEMA,
    order=ALERT_ORDER,
    top=1000,
    page=100,  # not documented
    newest_first="createddatetime",
    indexed="lastupdatedatetime",
)
_BAD_BODY = {"code": "BadRequest", "message": "Unable to read JSON request payload."}
_COMMENT = "microsoft.graph.security.alertComment"

# What may be written, by property; the metadata's members. None: any text.
_WRITABLE: Mapping[str, frozenset[str] | None] = {
    "status": frozenset({"new", "inProgress", "resolved"}),
    "classification": frozenset(
        {"unknown", "falsePositive", "truePositive", "informationalExpectedActivity"}
    ),
    "determination": frozenset(
        {
            *("unknown", "apt", "malware", "securityPersonnel", "securityTesting", "unwantedSoftware"),
            *("other", "multiStagedAttack", "compromisedAccount", "phishing", "maliciousUserActivity"),
            *("notMalicious", "notEnoughDataToValidate", "confirmedActivity"),
            "lineOfBusinessApplication",
        }
    ),
    "assignedTo": None,
}
# Documents of the update pages still say these.
_OLD_NAMES = {
    "compromiseduser": "compromisedAccount",
    "clean": "notMalicious",
    "insufficientdata": "notEnoughDataToValidate",
    "confirmeduseractivity": "confirmedActivity",
}


def routes(world: World) -> list[Route]:
    """This part's routes."""
    api = GraphSecurity(world)
    alerts = "/v1.0/security/alerts_v2"
    return [
        route(alerts, api.list_alerts, "GET"),
        route(f"{alerts}/{{id}}", api.get_alert, "GET"),
        route(f"{alerts}/{{id}}", api.update_alert, "PATCH"),
        route(f"{alerts}/{{id}}/comments", api.comment, "POST"),
        route("/v1.0/security/alerts", api.legacy_alerts, "GET"),
        route("/v1.0/security/alerts/{id}", api.legacy_alerts, "GET"),
        route("/v1.0/security/{name:path}", api.unknown, "GET"),
    ]


class GraphSecurity:
    """The handlers. Each holds the world's lock while it reads or changes anything."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def list_alerts(self, request: Request) -> Response:
        """GET /security/alerts_v2."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_ALERTS, group="security")
            query = parse(request.query_params, ALERTS, caller)
            rows = _select(self._world, caller, query)
            return page(caller, request, ALERTS, rows, query, GraphAlert.raw)

    async def get_alert(self, request: Request) -> Response:
        """GET /security/alerts_v2/{id}."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_ALERTS, group="security")
            return answer(caller, request, f"{ALERTS.context}/$entity", self._alert(caller, request).raw())

    async def update_alert(self, request: Request) -> Response:
        """PATCH /security/alerts_v2/{id}: 200 with the alert as it is now."""
        body = await json_object(request, **_BAD_BODY)
        with self._world.lock:
            caller = admit(self._world, request, roles=WRITE_ALERTS, group="security")
            alert = self._alert(caller, request)
            self._change(caller, alert, checked(body))
            return answer(caller, request, f"{ALERTS.context}/$entity", alert.raw())

    async def comment(self, request: Request) -> Response:
        """POST /security/alerts_v2/{id}/comments: 200 with all comments, the oldest first."""
        body = await json_object(request, **_BAD_BODY)
        with self._world.lock:
            caller = admit(self._world, request, roles=WRITE_ALERTS, group="security")
            alert = self._alert(caller, request)
            written = {
                "@odata.type": f"#{_COMMENT}",
                "comment": comment_in(body),
                "createdByDisplayName": caller.name,
                "createdDateTime": ticks.text_of(caller.now),
            }
            comments = [*(alert.raw().get("comments") or ()), written]
            self._change(caller, alert, {"comments": comments})
            context = f"{ALERTS.context}('{alert.id}')/comments"
            return answer(caller, request, context, {"value": comments})

    async def legacy_alerts(self, request: Request) -> Response:
        """GET /security/alerts: it returns no data any more. How the service words that is not verified."""
        with self._world.lock:
            admit(self._world, request, roles=READ_SCORES, group="security")
            text = "The legacy alerts API is retired. Use /security/alerts_v2 or /security/incidents."
            raise Refused(410, "Gone", text)

    async def unknown(self, request: Request) -> Response:
        """GET of a name that the metadata does not have, as /security/vulnerabilities."""
        segment = request.path_params["name"].split("/")[0]
        raise Refused(400, "BadRequest", f"Resource not found for the segment '{segment}'.")

    def _alert(self, caller: Caller, request: Request) -> GraphAlert:
        name = request.path_params["id"]
        alert = graph_tenant(self._world, caller.tenant_id).alerts.get(name)
        if alert is None:
            raise Refused(404, "NotFound", f"Alert with id '{name}' was not found.")
        return alert

    def _change(self, caller: Caller, alert: GraphAlert, changes: Mapping[str, Any]) -> None:
        shelf = graph_tenant(self._world, caller.tenant_id).alerts
        shelf.change(alert, partial(apply, alert, changes, now=caller.now))


def checked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The changes with their documented spelling; members of enums are taken in any casing, as examples of
    the documentation write them. Raises Refused (400)."""
    changes: dict[str, Any] = {}
    for name, value in body.items():
        if name.startswith("@"):
            continue
        if name not in _WRITABLE:
            raise Refused(400, "BadRequest", f"The property '{name}' cannot be updated.")
        members = _WRITABLE[name]
        changes[name] = value if members is None or value is None else _member(name, value, members)
    if not changes:
        raise Refused(400, "BadRequest", "The request body holds nothing to update.")
    return changes


def comment_in(body: Mapping[str, Any]) -> str:
    """The text of a comment. Raises Refused (400)."""
    text = body.get("comment")
    kind = str(body.get("@odata.type", _COMMENT)).lstrip("#")
    if not isinstance(text, str) or not text.strip() or kind != _COMMENT:
        raise Refused(400, "BadRequest", "A comment with text is required.")
    return text


def apply(alert: GraphAlert, changes: Mapping[str, Any], *, now: int) -> None:
    """Change the alert and stamp it."""
    fields = dict(changes)
    if "status" in fields:
        fields["resolvedDateTime"] = ticks.text_of(now) if fields["status"] == "resolved" else None
    alert.fields.update(fields)
    alert.updated = max(alert.updated, now)


def _member(name: str, value: Any, members: frozenset[str]) -> str:
    known = {member.lower(): member for member in members} | (_OLD_NAMES if name == "determination" else {})
    found = known.get(str(value).lower())
    if found is None:
        raise Refused(400, "BadRequest", f"The value '{value}' is not valid for the property '{name}'.")
    return found


def _select(world: World, caller: Caller, query: Query) -> Iterable[GraphAlert]:
    bounds, alerts = query.filter.bounds, graph_tenant(world, caller.tenant_id).alerts
    rows = alerts.between((bounds.low, 0), (bounds.high + 1, 0))
    if query.order == (("lastupdatedatetime", False),):
        return filter(query.filter.test, rows)  # already in this order: a page costs only the page
    return arranged(rows, query, ALERTS)
