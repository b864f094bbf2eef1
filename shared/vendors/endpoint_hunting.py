"""Hunting with KQL in Defender for Endpoint (`/api/advancedqueries/run`).

The service looks 30 days back, gives at most 100,000 rows, and takes 45 calls a minute. Microsoft ends it on
1 February 2027 in favour of Graph's; see docs/setup/defender-for-endpoint.md. Source: "Advanced hunting API".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from shared.errors import BadRequest, Unreadable
from shared.vendors.abilities import Column, HuntingResult
from shared.vendors.loose_json import each, fields, portable, text
from shared.vendors.refused import told_to_the_caller
from shared.vendors.vendor import Connection


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
        answer = connection.api.post("/api/advancedqueries/run", {"Query": query})
    return _result(fields(answer))


def _result(found: Mapping[str, Any]) -> HuntingResult:
    listed = found.get("results")
    if not isinstance(listed, list):
        raise Unreadable("Defender for Endpoint answered a query without results. Run it again.")
    rows = tuple(
        {_name(k): _as_given(v) for k, v in row.items()} for row in listed if isinstance(row, Mapping)
    )
    columns = tuple(
        Column(name, text(column.get("type")) or "")
        for column in map(fields, each(found.get("schema")))
        if (name := text(column.get("name"))) is not None
    )
    named = {column.name for column in columns}
    unnamed = dict.fromkeys(name for row in rows for name in row if name not in named)
    return HuntingResult((*columns, *(Column(name, "") for name in unnamed)), rows)


def _name(value: object) -> str:
    return str(portable(str(value)))


def _as_given(value: Any) -> Any:
    """The value, but for what cannot be written as JSON again; empties stay, since a cell is a cell."""
    if isinstance(value, list):
        return [_as_given(part) for part in value]
    if isinstance(value, Mapping):
        return {_name(name): _as_given(part) for name, part in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return portable(value)
