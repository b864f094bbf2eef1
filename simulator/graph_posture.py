"""Microsoft Graph's secure scores and their control profiles.

One score a day, the newest first. The profiles' nextLink is a switch: for months the real one answered 400.
Source: "secureScore", "secureScoreControlProfile", and issues of the SDKs about that link.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator import ticks
from simulator.graph_access import READ_SCORES, Caller, admit, route
from simulator.graph_lists import Listing, arranged, page, parse
from simulator.odata import Kind, Property
from simulator.refusals import Refused
from simulator.templates import fixture
from simulator.world import World

_DAYS = 90
_TIME = {"createddatetime": Property(Kind.time, lambda score: ticks.parse(score["createdDateTime"]))}


def _text(name: str) -> Property:
    return Property(Kind.text, lambda profile: profile[name])


_PROFILE: Mapping[str, Property] = {
    name.lower(): _text(name) for name in ("id", "controlCategory", "service", "title")
}
SCORES = Listing(
    "security/secureScores", schema=_TIME, order=_TIME, top=1000, page=100, newest_first="createddatetime"
)
PROFILES = Listing("security/secureScoreControlProfiles", schema=_PROFILE, order=_PROFILE, top=1000, page=100)


def routes(world: World) -> list[Route]:
    """This part's routes."""

    async def list_scores(request: Request) -> Response:
        """GET /security/secureScores."""
        with world.lock:
            caller = admit(world, request, roles=READ_SCORES, group="security")
            query = parse(request.query_params, SCORES, caller)
            rows = arranged(_scores(caller), query, SCORES)
            return page(caller, request, SCORES, rows, query, dict)

    async def list_profiles(request: Request) -> Response:
        """GET /security/secureScoreControlProfiles."""
        with world.lock:
            caller = admit(world, request, roles=READ_SCORES, group="security")
            if caller.switches.skiptoken_refused and "$skiptoken" in request.query_params:
                raise Refused(400, "BadRequest", "Query option 'SkipToken' is not allowed.")
            query = parse(request.query_params, PROFILES, caller)
            profiles = [
                one | {"azureTenantId": caller.tenant_id} for one in fixture("graph_control_profiles")
            ]
            return page(caller, request, PROFILES, arranged(profiles, query, PROFILES), query, dict)

    return [
        route("/v1.0/security/secureScores", list_scores, "GET"),
        route("/v1.0/security/secureScoreControlProfiles", list_profiles, "GET"),
    ]


def _scores(caller: Caller) -> list[dict[str, Any]]:
    latest, today = fixture("graph_secure_score"), ticks.moment_of(caller.now).date()
    return [
        {
            "id": f"{caller.tenant_id}_{day}",
            **latest,
            "azureTenantId": caller.tenant_id,
            "createdDateTime": f"{day}T00:00:00Z",
            "currentScore": round(latest["currentScore"] - 0.25 * ago, 2),
        }
        for ago in range(_DAYS)
        for day in [today - timedelta(days=ago)]
    ]
