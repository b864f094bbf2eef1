"""Hunting with KQL, as far as Defender for Endpoint, Defender XDR and Graph are alike: they answer with the
same table but for the casing of names, and the first two take nothing but a query.

Promise: values stay as the vendor gave them, but for what cannot be written as JSON again; a column that
only rows name is a column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from shared.errors import BadRequest, Unreadable
from shared.vendors.abilities import Column, HuntingResult
from shared.vendors.loose_json import each, fields, portable, text
from shared.vendors.refused import told_to_the_caller
from shared.vendors.vendor import Api

_LONGEST = 205.0  # seconds: Defender itself gives up after 200


def hunt_by_query(api: Api, path: str, query: str, timespan: str | None, who: str) -> HuntingResult:
    """Run a query where only the query can say the time, so that a `timespan` is refused rather than ignored.
    Raises BadRequest with the vendor's words for what it does not take, and what `Api.post` raises."""
    if timespan is not None:
        raise BadRequest(
            f"{who} takes no time span beside the query. Write it into the query, for example "
            "`| where Timestamp > ago(7d)`."
        )
    return hunt(api, path, {"Query": query}, who, wait=_LONGEST)


def hunt(api: Api, path: str, body: Mapping[str, str], who: str, *, wait: float) -> HuntingResult:
    """Run the query in a body. Raises BadRequest as above, and for a query without a word."""
    if not body["Query"].strip():
        raise BadRequest("The query is empty.")
    with told_to_the_caller():
        answer = api.post(path, body, wait=wait)
    return result_of(answer, who)


def result_of(answer: Any, who: str) -> HuntingResult:
    """The table. Raises Unreadable when there are no results at all: that is not an empty table."""
    found = fields(answer)
    listed = found.get("results")
    if not isinstance(listed, list):
        raise Unreadable(f"{who} answered a query without results. Run it again.")
    rows = tuple(
        {_name(k): _as_given(v) for k, v in row.items() if "@odata." not in str(k)}
        for row in listed
        if isinstance(row, Mapping)
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
    """Empties stay, since a cell is a cell."""
    if isinstance(value, list):
        return [_as_given(part) for part in value]
    if isinstance(value, Mapping):
        return {_name(name): _as_given(part) for name, part in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return portable(value)
