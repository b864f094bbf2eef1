"""A list of Defender for Endpoint: `$filter`, `$orderby`, `$top`, `$skip`, `$expand`, one page and the link
to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse

from simulator.endpoint_access import EndpointSwitches, origin
from simulator.odata import Filter, ODataError, Schema, parse_filter, parse_orderby, sort_key
from simulator.refusals import Refused

MAXIMUM = 10_000
_OPTIONS = {"$filter", "$orderby", "$top", "$skip", "$expand"}


@dataclass(frozen=True)
class Query:
    """What a list was asked for. `order` is (property in lower case, descending) in the order of
    importance.
    """

    filter: Filter
    order: tuple[tuple[str, bool], ...]
    top: int | None
    skip: int
    expand: frozenset[str]


def parse(
    params: Mapping[str, str],
    schema: Schema,
    *,
    indexed: str = "",
    expandable: str = "",
    maximum: int = MAXIMUM,
) -> Query:
    """Read the query options. Raises Refused (400 ODataError).

    `$select`, `$count` and `$search` are refused because whether the service knows them is not verified.
    """
    unknown = sorted(name for name in params if name.startswith("$") and name not in _OPTIONS)
    try:
        if unknown:
            raise ODataError(f"The query option '{unknown[0]}' is not supported.")
        return Query(
            parse_filter(params["$filter"], schema, indexed=indexed)
            if "$filter" in params
            else Filter(lambda _: True),
            tuple(parse_orderby(params["$orderby"], schema)) if "$orderby" in params else (),
            _number(params, "$top", maximum),
            _number(params, "$skip", None) or 0,
            _expansions(params, expandable),
        )
    except ODataError as problem:
        raise Refused(400, "ODataError", str(problem)) from problem


def answer(
    request: Request,
    entity: str,
    rows: Iterable[Any],
    query: Query,
    switches: EndpointSwitches,
    raw: Callable[[Any], dict[str, Any]],
    *,
    maximum: int = MAXIMUM,
) -> JSONResponse:
    """The page that the query asks for out of `rows`, which are filtered and in order."""
    size = min(switches.page_size, maximum)
    wanted = size if query.top is None else min(query.top, size)
    skip = 0 if switches.endless_nextlink else query.skip
    page = list(islice(rows, skip, skip + wanted + 1))
    more = len(page) > wanted
    body: dict[str, Any] = {"@odata.context": f"{origin(request)}/api/$metadata#{entity}"}
    body["value"] = [raw(row) for row in page[:wanted]]
    if switches.endless_nextlink:
        body["@odata.nextLink"] = _link(request, dict(request.query_params))
    elif more and _says_more(query, size, switches):
        body["@odata.nextLink"] = _link(request, _following(request, query, wanted, size))
    return JSONResponse(body)


def arranged(rows: Iterable[Any], order: Iterable[tuple[str, bool]], schema: Schema) -> list[Any]:
    """The rows sorted by the properties, most important first; equal ones keep their order."""
    result = list(rows)
    for name, descending in reversed(list(order)):
        result.sort(key=sort_key(name, schema), reverse=descending)
    return result


def _number(params: Mapping[str, str], name: str, maximum: int | None) -> int | None:
    text = params.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise ODataError(
            f"Invalid value '{text}' for {name} query option found. It requires a non-negative integer value."
        )
    if maximum is not None and int(text) > maximum:
        raise ODataError(f"The limit of '{maximum}' for Top query has been exceeded: '{text}'.")
    return int(text)


def _expansions(params: Mapping[str, str], expandable: str) -> frozenset[str]:
    wanted = frozenset(part.strip().lower() for part in params.get("$expand", "").split(",") if part.strip())
    if wanted - {expandable}:
        raise ODataError(f"Could not find a property named '{sorted(wanted - {expandable})[0]}'.")
    return wanted


def _says_more(query: Query, size: int, switches: EndpointSwitches) -> bool:
    cut_by_server = query.top is None or query.top > size
    return switches.nextlink == "always" or (switches.nextlink == "server_pages" and cut_by_server)


def _following(request: Request, query: Query, wanted: int, size: int) -> dict[str, str]:
    params = dict(request.query_params)
    params["$skip"] = str(query.skip + wanted)
    if query.top is not None and query.top > size:
        params["$top"] = str(query.top - wanted)
    return params


def _link(request: Request, params: Mapping[str, str]) -> str:
    query = urlencode(params, quote_via=quote, safe="$':,()")
    return f"{origin(request)}{request.url.path}?{query}"
