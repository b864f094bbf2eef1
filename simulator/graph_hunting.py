"""Microsoft Graph's advanced hunting: POST /security/runHuntingQuery with `Query` and, if wanted, `Timespan`.

The tables are those of the Defender XDR API (hunting.py). 45 calls a minute for a tenant, 100,000 rows, 30
days unless the time span says less. Source: "security: runHuntingQuery".
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator import hunting, ticks
from simulator.graph_access import HUNT, HUNTING, admit, answer, route
from simulator.refusals import Refused, json_object
from simulator.world import World

_BAD_BODY = {"code": "BadRequest", "message": "Unable to read JSON request payload."}
_LENGTH = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_MOST_ROWS = 100_000
_LONGEST = timedelta(days=30)


def routes(world: World) -> list[Route]:
    """This part's routes."""

    async def run_query(request: Request) -> Response:
        """POST /security/runHuntingQuery. Names in the body are taken in any casing."""
        body = {name.lower(): value for name, value in (await json_object(request, **_BAD_BODY)).items()}
        with world.lock:
            caller = admit(world, request, roles=HUNT, group="hunting", quotas=HUNTING, by_tenant=True)
            query, span = body.get("query"), body.get("timespan")
            if not isinstance(query, str) or not query.strip():
                raise Refused(400, "BadRequest", "Query cannot be empty.")
            since, until = _between(span, caller.now)
            columns, rows = hunting.run(world, caller.tenant_id, query, since=since, until=until)
            answered = {
                "schema": [{"name": name, "type": kind} for name, kind in columns.items()],
                "results": rows[:_MOST_ROWS],
            }
            return answer(caller, request, "microsoft.graph.security.huntingQueryResults", answered)

    return [
        route("/v1.0/security/runHuntingQuery", run_query, "POST"),
        route("/v1.0/security/microsoft.graph.security.runHuntingQuery", run_query, "POST"),
    ]


def _between(span: Any, now: int) -> tuple[int, int]:
    """From when to when (ticks) a time span is: a length up to now, a start, or two of both."""
    if span is None:
        return now - ticks.span(_LONGEST), now
    first, _, second = str(span).partition("/")
    start, end = _part(first), _part(second) if second else now
    if isinstance(start, timedelta):
        until = end if isinstance(end, int) else now
        return until - ticks.span(start), until
    return start, start + ticks.span(end) if isinstance(end, timedelta) else end


def _part(text: str) -> timedelta | int:
    length, when = _LENGTH.fullmatch(text), ticks.parse(text)
    if length is not None and any(length.groups()):
        days, hours, minutes, seconds = (int(one or 0) for one in length.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if when is None:
        raise Refused(400, "BadRequest", f"The time span '{text[:40]}' is not in ISO 8601.")
    return when
