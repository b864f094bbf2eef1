"""Who may call Microsoft Graph, how often, what its errors look like, and the switches for what is not
verified about it.

Every part of Graph here (alerts, incidents, hunting, scores, Intune, directory) makes its routes with
`route`, asks `admit` first and ends with `answer`. Source: "Microsoft Graph error responses", "Microsoft
Graph throttling guidance", the permissions file of Microsoft's DevX content, and payloads seen in public.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator import ticks
from simulator.refusals import Handler, Refused
from simulator.throttle import Quota, Windows
from simulator.world import Denied, World

AUDIENCES = (
    "https://graph.microsoft.com",
    "00000003-0000-0000-c000-000000000000",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
)

# What is enough for an endpoint: any one of them.
READ_ALERTS = ("SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All")
WRITE_ALERTS = ("SecurityAlert.ReadWrite.All",)
READ_INCIDENTS = ("SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All")
WRITE_INCIDENTS = ("SecurityIncident.ReadWrite.All",)
HUNT = ("ThreatHunting.Read.All",)
READ_SCORES = ("SecurityEvents.Read.All", "SecurityEvents.ReadWrite.All")
READ_DEVICES = ("DeviceManagementManagedDevices.Read.All", "DeviceManagementManagedDevices.ReadWrite.All")
READ_APPLICATIONS = ("Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All")

SECURITY = (Quota(150, 60),)  # alerts and scores
INCIDENTS = (Quota(50, 60), Quota(1_500, 3_600))  # Graph names none; Defender XDR's own
HUNTING = (Quota(45, 60),)  # per tenant
OTHERS = (Quota(2_000, 1),)  # per application, everything

# Members of evolvable enums behind `unknownFutureValue`: shown as that word unless the client prefers
# otherwise.
_SOURCES = frozenset(
    {
        *("microsoftDefenderForCloud", "microsoftSentinel", "microsoftInsiderRiskManagement"),
        *("microsoftThreatIntelligence", "microsoftSecurityForAI"),
    }
)
_DEFENDER_PLANS = "IoT Servers Storage DNS Databases Containers Network AppService KeyVault ResourceManager"
LATER_MEMBERS: Mapping[str, frozenset[str]] = {
    "serviceSource": _SOURCES,
    "detectionSource": frozenset(
        {
            *(f"microsoftDefenderFor{plan}" for plan in _DEFENDER_PLANS.split()),
            *("microsoftDefenderForApiManagement", "microsoftDefenderForCloud", "nrtAlerts"),
            *("scheduledAlerts", "microsoftDefenderThreatIntelligenceAnalytics", "builtInMl"),
            *("microsoftInsiderRiskManagement", "microsoftThreatIntelligence", "securityCopilot"),
            *("microsoftDefenderForAIServices", "microsoftSentinel"),
        }
    ),
    "remediationStatus": frozenset(
        {"active", "pendingApproval", "declined", "unremediated", "running", "partiallyRemediated"}
    ),
    "status": frozenset({"awaitingAction"}),  # of incidents
}
FUTURE = "unknownFutureValue"
_PREFERENCE = "include-unknown-enum-members"


@dataclass
class GraphSwitches:
    """Where the real service is not verified, or differs from tenant to tenant."""

    nextlink: str = "always"  # or "never": a cut list does not say so
    page_size: int = 0  # rows per page without $top; 0: what each list's documentation says
    largest_page: int = 0  # what $top is cut to; 0: what each list's documentation says
    throttle: bool = True
    retry_after: bool = True  # whether a 429 names a time
    skiptoken_refused: bool = False  # 400 on every nextLink of secureScoreControlProfiles, as in June 2024
    endless_nextlink: bool = False  # fault: the first page again and again, always with a nextLink
    paired_determinations: bool = False  # refuse a determination that is not its classification's
    expand_alerts_fails: bool = False  # fault: $expand=alerts on incidents is 500, as for large tenants
    intune_licence: bool = True  # without one, Intune refuses every call


@dataclass
class GraphState:
    """Switches and counters of all of Graph. What tenants have is kept by the parts."""

    switches: GraphSwitches = field(default_factory=GraphSwitches)
    windows: Windows = field(default_factory=Windows)

    def reset(self) -> None:
        """As at the beginning."""
        self.switches, self.windows = GraphSwitches(), Windows()


def graph(world: World) -> GraphState:
    """Graph's state in the world."""
    return world.part("graph", GraphState)


@dataclass(frozen=True)
class Caller:
    """Who called, already admitted. `now` is the world's time in ticks; `sees_later_members`: the client
    prefers enum members that are newer than `unknownFutureValue`."""

    name: str
    app_id: str
    tenant_id: str
    switches: GraphSwitches
    now: int
    sees_later_members: bool

    def masked(self, value: Any) -> Any:
        """A copy of a body in which this caller sees later enum members, or does not."""
        return value if self.sees_later_members else _masked(value)


def admit(
    world: World,
    request: Request,
    *,
    roles: tuple[str, ...],
    group: str,
    quotas: tuple[Quota, ...] = SECURITY,
    by_tenant: bool = False,
) -> Caller:
    """Check token, roles and quota, in that order; `group` names what shares a quota, per application and
    tenant (`by_tenant`: per tenant). The caller holds the world's lock. Raises Refused (401, 403, 429).
    """
    state = graph(world)
    claims = _claims(world, request)
    held = [*claims.get("roles", ()), *str(claims.get("scp", "")).split()]
    if not set(roles) & set(held):
        raise Refused(403, "Forbidden", _forbidden(roles, held))
    app_id = str(claims.get("appid") or claims.get("azp"))
    key = (claims["tid"], "" if by_tenant else app_id, group)
    _check_quota(state, key, quotas, world.now().timestamp())
    preferred = _PREFERENCE in re.split(r"[,;\s]+", request.headers.get("prefer", "").lower())
    now = ticks.ticks_of(world.now())
    return Caller(claims.get("upn") or "API Action", app_id, claims["tid"], state.switches, now, preferred)


def route(path: str, handler: Handler, method: str) -> Route:
    """A route for one method whose path matches in any casing. A Refused is answered as Graph does; every
    answer names the request.
    """

    async def answering(request: Request) -> Response:
        ids = _ids(request)
        try:
            response = await handler(request)
        except Refused as no:
            response = _refusal(no, ids)
        response.headers.update(ids)
        return response

    made = Route(path, answering, methods=[method], name=handler.__name__)
    made.path_regex = re.compile(made.path_regex.pattern, re.IGNORECASE)
    return made


def answer(
    caller: Caller, request: Request, context: str, body: Mapping[str, Any], status: int = 200
) -> JSONResponse:
    """A body as Graph sends it: with its context, and enum members as far as the caller sees them."""
    whole = {"@odata.context": f"{origin(request)}/v1.0/$metadata#{context}", **body}
    headers = {"OData-Version": "4.0"}
    if caller.sees_later_members:
        headers["Preference-Applied"] = _PREFERENCE
    return JSONResponse(caller.masked(whole), status_code=status, headers=headers)


def origin(request: Request) -> str:
    """Scheme and host as the client called them: what the service's absolute links begin with."""
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"


def _claims(world: World, request: Request) -> dict[str, Any]:
    try:
        return world.verify(request, audience=AUDIENCES)
    except Denied as why:
        texts = {
            "missing": "Access token is empty.",
            "malformed": "CompactToken parsing failed with error code: 80049217",
            "expired": "Lifetime validation failed, the token is expired.",
            "audience": "Access token validation failure. Invalid audience.",
        }
        text = texts.get(why.kind, "Access token validation failure.")
        raise Refused(401, "InvalidAuthenticationToken", text, {"WWW-Authenticate": "Bearer"}) from why


def _forbidden(roles: tuple[str, ...], held: list[str]) -> str:
    # The text of the security endpoints; Intune and the directory word theirs otherwise, with the same code
    # and status.
    return (
        f"Missing application roles. API required roles: {', '.join(roles)}, application roles: "
        f"{', '.join(held)}."
    )


def _check_quota(state: GraphState, key: object, quotas: tuple[Quota, ...], now: float) -> None:
    if not state.switches.throttle:
        return
    refusal = state.windows.take(key, quotas, now)
    if refusal is not None:
        headers = {"Retry-After": str(refusal.retry_after)} if state.switches.retry_after else None
        raise Refused(429, "TooManyRequests", "Please retry again later.", headers)


def _ids(request: Request) -> dict[str, str]:
    own = str(uuid4())
    return {"request-id": own, "client-request-id": request.headers.get("client-request-id", own)}


def _refusal(no: Refused, ids: Mapping[str, str]) -> JSONResponse:
    inner = {"date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), **ids}
    body = {"error": {"code": no.code, "message": no.message, "innerError": inner}}
    return JSONResponse(body, status_code=no.status, headers=no.headers)


def _masked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _masked(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, name) for inner in value]
    return FUTURE if isinstance(value, str) and value in LATER_MEMBERS.get(name, ()) else value
