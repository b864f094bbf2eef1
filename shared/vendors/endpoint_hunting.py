"""Hunting with KQL in Defender for Endpoint (`/api/advancedqueries/run`).

The service looks 30 days back, gives at most 100,000 rows, and takes 45 calls a minute. Microsoft ends it on
1 February 2027 in favour of Graph's; see docs/setup/defender-for-endpoint.md. Source: "Advanced hunting API".
"""

from __future__ import annotations

from shared.errors import BadRequest
from shared.vendors.abilities import HuntingResult
from shared.vendors.hunting import result_of
from shared.vendors.refused import told_to_the_caller
from shared.vendors.vendor import Connection

_LONGEST = 205.0  # seconds: the service itself gives up after 200


def hunt(connection: Connection, query: str, timespan: str | None) -> HuntingResult:
    """Run a query. This API takes its time from the query alone, so that a `timespan` is refused rather than
    ignored. Raises BadRequest with the vendor's words, and what `Api.post` raises."""
    if timespan is not None:
        raise BadRequest(
            "Defender for Endpoint takes no time span beside the query. Write it into the query, for example "
            "`| where Timestamp > ago(7d)`."
        )
    if not query.strip():
        raise BadRequest("The query is empty.")
    with told_to_the_caller():
        answer = connection.api.post("/api/advancedqueries/run", {"Query": query}, wait=_LONGEST)
    return result_of(answer, "Defender for Endpoint")
