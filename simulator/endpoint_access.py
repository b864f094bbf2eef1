"""Who may call Defender for Endpoint, how often, and the switches for what is not verified about it.

Source: the vendor's common errors page, its limits per API, and 403 and 429 bodies seen in public.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from simulator import ticks
from simulator.endpoint_alerts import EndpointTenant
from simulator.endpoint_posture import Posture
from simulator.refusals import Refused
from simulator.throttle import Quota, Windows
from simulator.world import Denied, World

# A token for one of these serves on every host name of the API; one for another cloud does not verify at all.
AUDIENCES = (
    "https://api.securitycenter.microsoft.com",
    "https://api.securitycenter.windows.com",
    "https://api-gcc.securitycenter.microsoft.us",
    "https://api-gov.securitycenter.microsoft.us",
)
READ_ALERTS = ("Alert.Read.All", "Alert.ReadWrite.All")
WRITE_ALERTS = ("Alert.ReadWrite.All",)
READ_MACHINES = ("Machine.Read.All", "Machine.ReadWrite.All")
READ_VULNERABILITIES = ("Vulnerability.Read.All",)
READ_RECOMMENDATIONS = ("SecurityRecommendation.Read.All",)
READ_SCORES = ("Score.Read.All",)
HUNT = ("AdvancedQuery.Read.All",)

USUAL = (Quota(100, 60), Quota(1_500, 3_600))
BATCH = (Quota(10, 60), Quota(500, 3_600))
HUNTING = (Quota(45, 60), Quota(1_500, 3_600))
EXPORT = (Quota(30, 60), Quota(1_000, 3_600))


@dataclass
class EndpointSwitches:
    """Where the real service is not verified, or differs from tenant to tenant."""

    # "always" (also when $top cut the list), "server_pages" (only when the server did), "never"
    nextlink: str = "server_pages"
    page_size: int = 10_000  # the service's own maximum; smaller makes tests short
    default_order: str = (
        "newest"  # without $orderby: "newest" (inferred from documents) or "oldest"; never promised
    )
    throttle: bool = True
    throttle_code: str = "429"  # seen in real bodies; the documentation says TooManyRequests
    retry_after: bool = True  # whether a 429 names a time
    forbidden_text: str = "2026"  # or "2021"
    body_names: str = (
        "exact"  # names in a PATCH body: "exact" casing as documented, or "any_case" as some clients send
    )
    batch_maximum: int = 100  # exists (MaximumBatchSizeExceeded); the number is not published
    no_machines: int = 200  # an empty list of machines: 200 as in payloads, or 404 as the documentation says
    hunting_cpu_used_up: bool = False  # the tenant's minutes of hunting are spent: 429 for every query
    endless_nextlink: bool = False  # fault: the first page again and again, always with a nextLink


@dataclass
class EndpointState:
    """Everything of this part: switches, counters and what each tenant has."""

    switches: EndpointSwitches = field(default_factory=EndpointSwitches)
    windows: Windows = field(default_factory=Windows)
    tenants: dict[str, EndpointTenant] = field(default_factory=dict)
    postures: dict[str, Posture] = field(default_factory=dict)
    seed: int = 0

    def posture(self, tenant_id: str) -> Posture:
        """What is vulnerable on the tenant's machines, found on first use."""
        if tenant_id not in self.postures:
            self.postures[tenant_id] = Posture.of(self.tenant(tenant_id).machines.values())
        return self.postures[tenant_id]

    def tenant(self, tenant_id: str) -> EndpointTenant:
        """The tenant's alerts and machines, made on first use."""
        if tenant_id not in self.tenants:
            self.tenants[tenant_id] = EndpointTenant(tenant_id, self.seed)
        return self.tenants[tenant_id]

    def reset(self) -> None:
        """As at the beginning."""
        self.switches, self.windows, self.tenants, self.postures = EndpointSwitches(), Windows(), {}, {}


def endpoint(world: World) -> EndpointState:
    """This part's state in the world."""
    return world.part("defender_endpoint", EndpointState)


@dataclass(frozen=True)
class Caller:
    """Who called, already admitted; `now` is the world's time in ticks, and the tenant is settled to it."""

    name: str
    tenant: EndpointTenant
    posture: Posture
    switches: EndpointSwitches
    now: int


def admit(
    world: World, request: Request, *, roles: tuple[str, ...], group: str, quotas: tuple[Quota, ...] = USUAL
) -> Caller:
    """Check token, roles and quota, in that order. The caller holds the world's lock. Raises Refused (401,
    403, 429).
    """
    state = endpoint(world)
    try:
        claims = world.verify(request, audience=AUDIENCES)
    except Denied as why:
        # Code from the error list; the text of this API's own 401 is not verified.
        raise Refused(
            401, "Unauthorized", "The access token is missing, expired or meant for another resource."
        ) from why
    _check_roles(claims, roles, state.switches)
    _check_quota(state, (claims["appid"], claims["tid"], group), quotas, world.now().timestamp())
    now = ticks.ticks_of(world.now())
    tenant = state.tenant(claims["tid"])
    tenant.alerts.settle(now)
    name = claims.get("upn") or claims["appid"]
    return Caller(name, tenant, state.posture(claims["tid"]), state.switches, now)


def _check_roles(claims: dict[str, Any], required: tuple[str, ...], switches: EndpointSwitches) -> None:
    delegated = str(claims.get("scp", "")).split()
    held = [*claims.get("roles", ()), *delegated, *(f"{scope}.All" for scope in delegated)]
    if set(required) & set(held):
        return
    if switches.forbidden_text == "2021":
        names = ", ".join(required)
        text = "The application does not have any of the required application permissions "
        text += f"({names}) to access the resource."
    else:
        text = f"Missing application roles. API required roles: {','.join(required)}, "
        text += f"application roles: {','.join(held)}."
    raise Refused(403, "Forbidden", text)


def _check_quota(state: EndpointState, key: object, quotas: tuple[Quota, ...], now: float) -> None:
    if not state.switches.throttle:
        return
    refusal = state.windows.take(key, quotas, now)
    if refusal is not None:
        headers = {"Retry-After": str(refusal.retry_after)} if state.switches.retry_after else None
        text = f"API calls quota exceeded! maximum allowed {refusal.quota.text}"
        raise Refused(429, state.switches.throttle_code, text, headers)


def found(entity: str, body: dict[str, Any], request: Request) -> JSONResponse:
    """A single entity, with its fields at the top level."""
    context = f"{origin(request)}/api/$metadata#{entity}/$entity"
    return JSONResponse({"@odata.context": context, **body})


def origin(request: Request) -> str:
    """Scheme and host as the client called them: what the service's absolute links begin with."""
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
