"""Who may call Defender for Cloud Apps, how often, and the switches for what is not verified about it.

Source: "Access with application context", "REST API" (limits, permission scopes) of the product's
documentation. The bodies of its errors are not documented; here they are a `detail` in words.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulator import ticks
from simulator.cloud_apps_alerts import CloudAppsTenant
from simulator.throttle import Quota, Windows
from simulator.world import Denied, World

AUDIENCES = ("05a65629-4c1b-48c1-a78b-804c4abdd4af",)
READ = frozenset({"investigation.read", "investigation.manage", "discovery.read", "discovery.manage"})
CLOSE = frozenset({"investigation.manage", "discovery.manage"})
LIMIT = Quota(30, 60)  # per tenant, whoever calls


class No(Exception):
    """An HTTP error of this API."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers

    def answer(self) -> Response:
        """The response."""
        return JSONResponse({"detail": self.detail}, status_code=self.status, headers=self.headers)


@dataclass
class CloudAppsSwitches:
    """Where the real service is not verified. `page_size` is the most that a page holds."""

    page_size: int = 100
    throttle: bool = True
    retry_after: bool = True  # whether a 429 names a time
    endless_nextlink: bool = False  # fault: the first page again and again, always with hasNext


@dataclass
class CloudAppsState:
    """Everything of this part: switches, counters and what each tenant has."""

    switches: CloudAppsSwitches = field(default_factory=CloudAppsSwitches)
    windows: Windows = field(default_factory=Windows)
    tenants: dict[str, CloudAppsTenant] = field(default_factory=dict)
    seed: int = 0

    def tenant(self, tenant_id: str) -> CloudAppsTenant:
        """The tenant's alerts, made on first use."""
        if tenant_id not in self.tenants:
            self.tenants[tenant_id] = CloudAppsTenant(tenant_id, self.seed)
        return self.tenants[tenant_id]

    def reset(self) -> None:
        """As at the beginning."""
        self.switches, self.windows, self.tenants = CloudAppsSwitches(), Windows(), {}


def cloud_apps(world: World) -> CloudAppsState:
    """This part's state in the world."""
    return world.part("cloud_apps", CloudAppsState)


@dataclass(frozen=True)
class Caller:
    """Who called, already admitted; `now` is the world's time in ticks, and the tenant is settled to it."""

    name: str
    tenant: CloudAppsTenant
    switches: CloudAppsSwitches
    now: int


def admit(world: World, request: Request, roles: Collection[str]) -> Caller:
    """Check token, roles and quota, in that order. The caller holds the world's lock. Raises No (401, 403,
    429)."""
    state = cloud_apps(world)
    claims = _claims(world, request)
    held = {name.lower() for name in (*claims.get("roles", ()), *str(claims.get("scp", "")).split())}
    if not held & set(roles):
        raise No(403, "You do not have permission to perform this action.")
    now = ticks.ticks_of(world.now())
    tenant = state.tenant(claims["tid"])
    tenant.alerts.settle(now)
    if state.switches.throttle:
        _check_quota(state, tenant.tenant_id, world.now().timestamp())
    return Caller(claims.get("upn") or claims["appid"], tenant, state.switches, now)


def _claims(world: World, request: Request) -> dict[str, Any]:
    scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
    if scheme == "token":  # a token made in the portal; nobody here has one
        raise No(401, "Invalid token.")
    try:
        return world.verify(request, audience=AUDIENCES)
    except Denied as why:
        text = "Authentication credentials were not provided." if why.kind == "missing" else "Invalid token."
        raise No(401, text, {"WWW-Authenticate": "Bearer"}) from why


def _check_quota(state: CloudAppsState, key: str, now: float) -> None:
    refusal = state.windows.take(key, (LIMIT,), now)
    if refusal is not None:
        headers = {"Retry-After": str(refusal.retry_after)} if state.switches.retry_after else None
        text = f"Request was throttled. Expected available in {refusal.retry_after} seconds."
        raise No(429, text, headers)
