"""The list of a workspace's incidents: `$filter`, `$orderby`, `$top`, one page and the `nextLink`.

The place travels in an opaque `$skipToken`, which here counts rows: incidents that change while a client
walks are missed or come twice. Names are written `properties/<name>`. Which of them can be filtered is not
verified; those of the specification's examples and of public clients can.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request

from simulator.endpoint_access import origin
from simulator.odata import Kind, ODataError, Property, parse_filter, parse_orderby, sort_key
from simulator.refusals import Refused
from simulator.sentinel_access import Admission


def _text(name: str) -> Property:
    return Property(Kind.text, lambda incident: incident.properties.get(name))


SCHEMA: Mapping[str, Property] = {
    "properties/createdtimeutc": Property(Kind.time, lambda incident: incident.created),
    "properties/lastmodifiedtimeutc": Property(Kind.time, lambda incident: incident.modified),
    "properties/incidentnumber": Property(Kind.number, lambda incident: incident.number),
    "properties/status": _text("status"),
    "properties/severity": _text("severity"),
    "properties/title": _text("title"),
    "properties/providerincidentid": _text("providerIncidentId"),
    "name": Property(Kind.text, lambda incident: incident.name),
}
_NEWEST_FIRST = [("properties/createdtimeutc", True)]  # not verified; never promised


def page(admission: Admission, request: Request) -> dict[str, Any]:
    """The page that the query asks for. Raises Refused (400)."""
    params, switches = request.query_params, admission.switches
    try:
        wanted = parse_filter(params["$filter"], SCHEMA).test if "$filter" in params else lambda _: True
        order = parse_orderby(params["$orderby"], SCHEMA) if "$orderby" in params else _NEWEST_FIRST
        size = min(_number(params.get("$top"), switches.page_size), switches.largest_page)
    except ODataError as problem:
        raise Refused(400, "BadRequest", str(problem)) from problem
    rows = [one for one in admission.workspace.incidents.ordered() if wanted(one)]
    for name, descending in reversed(order):
        rows.sort(key=sort_key(name, SCHEMA), reverse=descending)
    place = 0 if switches.endless_nextlink else _place(params.get("$skipToken"))
    body: dict[str, Any] = {"value": [one.raw() for one in rows[place : place + size]]}
    if switches.endless_nextlink or len(rows) > place + size:
        body["nextLink"] = _link(request, place + size)
    return body


def _number(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    if not text.isdecimal() or not int(text):
        raise ODataError(f"Invalid value '{text}' for $top.")
    return int(text)


def _place(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except (binascii.Error, ValueError) as problem:
        raise Refused(400, "BadRequest", "The $skipToken is invalid.") from problem


def _link(request: Request, place: int) -> str:
    token = base64.urlsafe_b64encode(str(place).encode()).decode()
    query = urlencode(dict(request.query_params) | {"$skipToken": token}, quote_via=quote, safe="$")
    return f"{origin(request)}{request.url.path}?{query}"
