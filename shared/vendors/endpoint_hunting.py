"""Hunting with KQL in Defender for Endpoint (`/api/advancedqueries/run`).

The service looks 30 days back, gives at most 100,000 rows, and takes 45 calls a minute. Microsoft ends it on
1 February 2027 in favour of Graph's; see docs/setup/defender-for-endpoint.md. Source: "Advanced hunting API".
"""

from __future__ import annotations

from shared.vendors.abilities import HuntingResult
from shared.vendors.hunting import hunt_by_query
from shared.vendors.vendor import Connection


def hunt(connection: Connection, query: str, timespan: str | None) -> HuntingResult:
    """Run a query. This API takes its time from the query alone, so that a `timespan` is refused rather than
    ignored. Raises BadRequest with the vendor's words, and what `Api.post` raises."""
    return hunt_by_query(connection.api, "/api/advancedqueries/run", query, timespan, "Defender for Endpoint")
