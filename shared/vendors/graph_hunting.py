"""Hunting with KQL through Microsoft Graph (`/security/runHuntingQuery`).

The service looks 30 days back, gives at most 100,000 rows, and takes 45 calls a minute for a tenant. Source:
"security: runHuntingQuery".
"""

from __future__ import annotations

import re

from shared.errors import BadRequest
from shared.vendors import hunting
from shared.vendors.abilities import HuntingResult
from shared.vendors.vendor import Connection

PERMISSION = "ThreatHunting.Read.All"
WHO = "Microsoft Graph"
_LONGEST = 185.0  # seconds: the service itself gives up after 180
_TIME = r"\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d)?)?"
_LENGTH = r"P(?=\w)(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?"
_SPAN = re.compile(rf"(?:{_TIME}|{_LENGTH})(?:/(?:{_TIME}|{_LENGTH}))?")


def hunt(connection: Connection, query: str, timespan: str | None) -> HuntingResult:
    """Run a query. Raises BadRequest for a time span that is none and, with the vendor's words, for a query
    that it does not take; and what `Api.post` raises."""
    body = {"Query": query}
    if timespan is not None:
        if not _SPAN.fullmatch(timespan.strip()):
            raise BadRequest(
                "The time span is none: give a length (P7D), a start, or two of both with a slash between "
                "(2026-11-01T00:00:00Z/P1D), as ISO 8601 writes them."
            )
        body["Timespan"] = timespan.strip()
    return hunting.hunt(connection.api, "/security/runHuntingQuery", body, WHO, wait=_LONGEST)
