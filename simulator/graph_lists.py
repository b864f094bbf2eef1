"""A list of Microsoft Graph's: `$filter`, `$orderby`, `$top`, `$skip`, `$count`, `$select`, one page and
the link to the next.

What a list can do is said by its `Listing`. The place in the list travels in an opaque `$skiptoken`, which
counts rows, as the real one is seen to do: rows that move while a client walks are missed or come twice.
Sources: each list's page in the reference, its annotations in the metadata, and "Security API: constraints".
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse

from simulator.graph_access import Caller, answer, origin
from simulator.odata import Filter, ODataError, Schema, parse_filter, parse_orderby, sort_key
from simulator.refusals import Refused

_OPTIONS = frozenset({"$filter", "$orderby", "$top", "$skip", "$skiptoken", "$count", "$select"})
_EVERYTHING = Filter(lambda _: True)


@dataclass(frozen=True)
class Listing:
    """One list: its `context` in the metadata and what it understands.

    `schema`: what can be filtered on; `order`: what can be ordered by. `top`: the largest page, to which
    more is cut, or with `too_much` refused; `page`: rows without `$top`. `skip`: the largest `$skip`.
    `newest_first`: the property (lower case) that orders without `$orderby`. `indexed`: the time property
    whose bounds the caller can use. `expandable`: what `$expand` may name.
    """

    context: str
    schema: Schema
    order: Schema
    top: int
    page: int
    skip: int = 500
    too_much: bool = False
    newest_first: str = ""
    indexed: str = ""
    expandable: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Query:
    """What a list was asked for. `order` is (property in lower case, descending), most important first."""

    filter: Filter
    order: tuple[tuple[str, bool], ...]
    size: int
    place: int
    count: bool
    select: tuple[str, ...]
    expand: frozenset[str]


def parse(params: Mapping[str, str], listing: Listing, caller: Caller) -> Query:
    """Read the query options. Raises Refused (400)."""
    try:
        _refuse_unknown(params, listing)
        order = params.get("$orderby")
        default = ((listing.newest_first, True),) if listing.newest_first else ()
        return Query(
            filter=parse_filter(params["$filter"], listing.schema, indexed=listing.indexed)
            if "$filter" in params
            else _EVERYTHING,
            order=tuple(parse_orderby(order, listing.order)) if order else default,
            size=_size(params, listing, caller),
            place=_place(params, listing),
            count=params.get("$count", "").lower() == "true",
            select=tuple(part.strip() for part in params.get("$select", "").split(",") if part.strip()),
            expand=_expansions(params, listing),
        )
    except ODataError as problem:
        raise Refused(400, "BadRequest", str(problem)) from problem


def page(
    caller: Caller,
    request: Request,
    listing: Listing,
    rows: Iterable[Any],
    query: Query,
    raw: Callable[[Any], dict[str, Any]],
) -> JSONResponse:
    """The page that the query asks for out of `rows`, which are filtered and in order."""
    switches = caller.switches
    found = list(rows) if query.count else rows
    place = 0 if switches.endless_nextlink else query.place
    cut = list(islice(found, place, place + query.size + 1))
    body: dict[str, Any] = {"@odata.count": len(found)} if isinstance(found, list) and query.count else {}
    if switches.endless_nextlink or (len(cut) > query.size and switches.nextlink == "always"):
        body["@odata.nextLink"] = _link(request, place + query.size)
    body["value"] = [_selected(raw(row), query.select) for row in cut[: query.size]]
    return answer(caller, request, listing.context, body)


def arranged(rows: Iterable[Any], query: Query, listing: Listing) -> list[Any]:
    """The rows that the filter lets through, in the order asked for; equal ones keep their order."""
    result = [row for row in rows if query.filter.test(row)]
    for name, descending in reversed(query.order):
        result.sort(key=sort_key(name, listing.order), reverse=descending)
    return result


def _refuse_unknown(params: Mapping[str, str], listing: Listing) -> None:
    known = _OPTIONS | ({"$expand"} if listing.expandable else frozenset())
    for name in params:
        if name.startswith("$") and name not in known:
            raise ODataError(f"The query parameter '{name}' is not supported.")


def _size(params: Mapping[str, str], listing: Listing, caller: Caller) -> int:
    largest = caller.switches.largest_page or listing.top
    asked = _number(params, "$top")
    if asked is None:
        return min(caller.switches.page_size or listing.page, largest)
    if listing.too_much and asked > listing.top:
        raise ODataError(
            f"The limit of '{listing.top}' for Top query has been exceeded. The value from the "
            f"incoming request is '{asked}'."
        )
    return min(asked, largest)


def _place(params: Mapping[str, str], listing: Listing) -> int:
    token = params.get("$skiptoken")
    if token is not None:
        return _read(token)
    skip = _number(params, "$skip") or 0
    if skip > listing.skip:
        raise ODataError(
            f"The limit of '{listing.skip}' for Skip query has been exceeded. The value from the "
            f"incoming request is '{skip}'."
        )
    return skip


def _number(params: Mapping[str, str], name: str) -> int | None:
    text = params.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise ODataError(
            f"Invalid value '{text}' for {name} query option found. The {name} query option requires a "
            "non-negative integer value."
        )
    return int(text)


def _expansions(params: Mapping[str, str], listing: Listing) -> frozenset[str]:
    wanted = frozenset(part.strip().lower() for part in params.get("$expand", "").split(",") if part.strip())
    for name in sorted(wanted - listing.expandable):
        raise ODataError(f"Parsing OData Select and Expand failed: Could not find a property named '{name}'.")
    return wanted


def _selected(body: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: body[name] for name in ("id", *names) if name in body} if names else body


def _link(request: Request, place: int) -> str:
    params = {key: value for key, value in request.query_params.items() if key != "$skip"}
    params["$skiptoken"] = base64.urlsafe_b64encode(json.dumps({"row": place}).encode()).decode()
    query = urlencode(params, quote_via=quote, safe="$':,()")
    return f"{origin(request)}{request.url.path}?{query}"


def _read(token: str) -> int:
    try:
        return int(json.loads(base64.urlsafe_b64decode(token))["row"])
    except (binascii.Error, ValueError, KeyError, TypeError) as problem:
        raise ODataError("Invalid $skiptoken.") from problem
