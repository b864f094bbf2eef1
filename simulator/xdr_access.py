"""Who may call the Defender XDR API, how often, and the switches for what is not verified about it.

Source: the API's pages on access, incidents and advanced hunting. The wording of its errors is not published;
it is that of Defender for Endpoint, whose gateway it shares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from simulator import ticks
from simulator.refusals import Handler, Refused
from simulator.throttle import Quota, Refusal, Windows
from simulator.world import Denied, World

AUDIENCES = (
    "https://api.security.microsoft.com",
    "https://api-gcc.security.microsoft.us",
    "https://api-gov.security.microsoft.us",
)
READ_INCIDENTS = ("Incident.Read.All", "Incident.ReadWrite.All")
WRITE_INCIDENTS = ("Incident.ReadWrite.All",)
HUNT = ("AdvancedHunting.Read.All",)

LISTING = (Quota(50, 60), Quota(1_500, 3_600))  # also of updates
ONE = (Quota(100, 60), Quota(1_500, 3_600))
HUNTING = (Quota(45, 60),)  # per tenant


@dataclass
class XdrSwitches:
    """Where the real service is not verified, or differs from tenant to tenant."""

    nextlink: str = "always"  # when the list was cut; or "never": documents speak of $top and $skip only
    page_size: int = 100  # the service's own maximum; smaller makes tests short
    newest_by: str = "created"  # or "updated": "the most recent incidents are at the top", says the document
    entity_style: str = "mixed"  # "2020": every field, null where empty; "2023": only what is filled
    throttle: bool = True
    # How a 429 says when to come again: "seconds", "span", "moment", or "" for not at all.
    resume: str = "seconds"
    retry_after: bool = False  # the documents promise the time in the body only
    endless_nextlink: bool = False  # fault: the first page again and again, always with a nextLink


@dataclass
class XdrState:
    """Switches and counters of this API. What tenants have is in xdr_incidents.py."""

    switches: XdrSwitches = field(default_factory=XdrSwitches)
    windows: Windows = field(default_factory=Windows)

    def reset(self) -> None:
        """As at the beginning."""
        self.switches, self.windows = XdrSwitches(), Windows()


def xdr(world: World) -> XdrState:
    """This part's state in the world."""
    return world.part("xdr", XdrState)


@dataclass(frozen=True)
class Caller:
    """Who called, already admitted; `now` is the world's time in ticks."""

    name: str
    tenant_id: str
    switches: XdrSwitches
    now: int


def admit(
    world: World, request: Request, *, roles: tuple[str, ...], group: str, quotas: tuple[Quota, ...]
) -> Caller:
    """Check token, roles and quota, in that order. The caller holds the world's lock. Raises Refused (401,
    403, 429).
    """
    state = xdr(world)
    try:
        claims = world.verify(request, audience=AUDIENCES)
    except Denied as why:
        text = "The access token is missing, expired or meant for another resource."
        raise Refused(401, "Unauthorized", text) from why
    _check_roles(claims, roles)
    owner = claims["tid"] if quotas is HUNTING else (claims["appid"], claims["tid"])
    _check_quota(state, (owner, group), quotas, world)
    now = ticks.ticks_of(world.now())
    return Caller(claims.get("upn") or claims["appid"], claims["tid"], state.switches, now)


def answering(handler: Handler) -> Handler:
    """The handler with its refusals answered as this API does: with a `target` that names the request."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as no:
            error = {"code": no.code, "message": no.message, "target": str(uuid4())}
            return JSONResponse({"error": error}, status_code=no.status, headers=no.headers)

    answer.__name__ = getattr(handler, "__name__", "answer")
    return answer


def _check_roles(claims: dict[str, Any], required: tuple[str, ...]) -> None:
    delegated = str(claims.get("scp", "")).split()
    held = [*claims.get("roles", ()), *delegated]
    if set(required) & {*claims.get("roles", ()), *(f"{scope}.All" for scope in delegated)}:
        return
    text = f"Missing application roles. API required roles: {','.join(required)}, "
    raise Refused(403, "Forbidden", f"{text}application roles: {','.join(held)}.")


def _check_quota(state: XdrState, key: object, quotas: tuple[Quota, ...], world: World) -> None:
    if not state.switches.throttle:
        return
    refusal = state.windows.take(key, quotas, world.now().timestamp())
    if refusal is not None:
        headers = {"Retry-After": str(refusal.retry_after)} if state.switches.retry_after else None
        text = (
            f"API calls quota exceeded! maximum allowed {refusal.quota.text}{_resume(state, refusal, world)}"
        )
        raise Refused(429, "TooManyRequests", text, headers)


def _resume(state: XdrState, refusal: Refusal, world: World) -> str:
    wait = refusal.retry_after
    minutes, seconds = divmod(wait, 60)
    moment = ticks.ticks_of(world.now()) + wait * ticks.SECOND
    return {
        "seconds": f". You can send requests again in {wait} seconds.",
        "span": f". Requests will be accepted again in {minutes // 60:02}:{minutes % 60:02}:{seconds:02}",
        "moment": f", the quota is reset at {ticks.text_of(moment)}.",
    }.get(state.switches.resume, "")
