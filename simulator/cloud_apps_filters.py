"""What a list of Defender for Cloud Apps is asked for: filters, order, page; as JSON body, form or query.

Filters AND together; within one, `eq` and `neq` take a value or a list. Times are milliseconds since 1970.
Source: "Filters" in the pages on alerts. Whether the service refuses or ignores what it does not know is not
verified; here it refuses, so that a misspelt filter is noticed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

from simulator import ticks
from simulator.cloud_apps_access import No
from simulator.cloud_apps_alerts import CloudAppsAlert, ticks_of

Test = Callable[[CloudAppsAlert], bool]
_DAY = 24 * 3600 * ticks.SECOND


@dataclass(frozen=True)
class Query:
    """A list's question. `by` is date or severity."""

    test: Test
    by: str
    descending: bool
    skip: int
    limit: int


async def read(request: Request) -> dict[str, Any]:
    """What the request says, wherever it says it: the body (JSON or form) before the query. Raises No
    (400)."""
    said: dict[str, Any] = dict(request.query_params)
    body = await request.body()
    if body:
        said |= _body(request, body)
    if isinstance(said.get("filters"), str):
        said["filters"] = _json(said["filters"])
    return said


def _body(request: Request, body: bytes) -> dict[str, Any]:
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    said = _json(body)
    if not isinstance(said, dict):
        raise No(400, "The body must be a JSON object.")
    return said


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise No(400, "Malformed JSON.") from problem


def query(said: Mapping[str, Any], *, largest: int, now: int) -> Query:
    """The question. Raises No (400)."""
    by = said.get("sortField", "date")
    direction = said.get("sortDirection", "desc")
    if by not in ("date", "severity") or direction not in ("asc", "desc"):
        raise No(400, "sortField is date or severity, sortDirection asc or desc.")
    limit = min(_number(said.get("limit", largest), "limit"), largest)
    skip = _number(said.get("skip", 0), "skip")
    return Query(test(said.get("filters"), now), by, direction == "desc", skip, limit)


def test(filters: Any, now: int) -> Test:
    """The filters as one test. Raises No (400)."""
    if filters in (None, ""):
        return lambda alert: True
    if not isinstance(filters, dict) or not all(isinstance(one, dict) for one in filters.values()):
        raise No(400, "filters is an object of objects.")
    tests = [
        _one(name, operator, value, now)
        for name, tests in filters.items()
        for operator, value in tests.items()
    ]
    return lambda alert: all(one(alert) for one in tests)


def ids(filters: Any) -> list[str]:
    """The ids that a call about certain alerts names. Raises No (400)."""
    wanted = filters.get("id", {}).get("eq") if isinstance(filters, dict) else None
    found: list[Any] = wanted if isinstance(wanted, list) else [wanted]
    if not found or not all(isinstance(one, str) for one in found):
        raise No(400, "filters must name alerts by id.")
    return found


def _one(name: str, operator: str, value: Any, now: int) -> Test:
    if name in _TIMES and operator in _TIME_OPERATORS:
        read, inside = _TIMES[name], _TIME_OPERATORS[operator](value, now)
        return lambda alert: (when := read(alert)) is not None and inside(when)
    if name in _VALUES and operator in ("eq", "neq"):
        get, given = _VALUES[name], value if isinstance(value, list) else [value]
        return lambda alert: any(one in given for one in get(alert)) == (operator == "eq")
    raise No(400, f"The filter {name} with {operator} is not known.")


def _number(value: Any, name: str) -> int:
    try:
        found = int(value)
    except (TypeError, ValueError) as problem:
        raise No(400, f"{name} must be a number.") from problem
    if found < 0:
        raise No(400, f"{name} must not be negative.")
    return found


def _range(value: Any, now: int) -> Callable[[int], bool]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise No(400, "range is a list of start and end.")
    spans = [(_at(one.get("start")), _at(one.get("end"))) for one in value]
    return lambda when: any(low <= when <= high for low, high in spans)


def _at(value: Any) -> int:
    return ticks_of(_number(value, "a time"))


def _entity(*kinds: str) -> Callable[[CloudAppsAlert], list[Any]]:
    def read(alert: CloudAppsAlert) -> list[Any]:
        entities = alert.value("entities") or []
        return [one.get("id") for one in entities if not kinds or one.get("type") in kinds]

    return read


def _property(name: str) -> Callable[[CloudAppsAlert], list[Any]]:
    return lambda alert: [alert.value(name)]


_TIMES: Mapping[str, Callable[[CloudAppsAlert], int | None]] = {
    "date": lambda alert: alert.at,
    "resolutionDate": lambda alert: alert.resolved,
}
_TIME_OPERATORS: Mapping[str, Callable[[Any, int], Callable[[int], bool]]] = {
    "gte": lambda value, now: _at(value).__le__,
    "lte": lambda value, now: _at(value).__ge__,
    "gte_ndays": lambda value, now: (now - _number(value, "days") * _DAY).__le__,
    "lte_ndays": lambda value, now: (now - _number(value, "days") * _DAY).__ge__,
    "range": _range,
}
_VALUES: Mapping[str, Callable[[CloudAppsAlert], list[Any]]] = {
    "id": lambda alert: [alert.id],
    "alertOpen": lambda alert: [alert.open],
    "read": lambda alert: [alert.value("statusValue") != 0],
    "severity": _property("severityValue"),
    "resolutionStatus": lambda alert: [alert.value("resolutionStatusValue") or 0],
    "risk": _property("threatScore"),
    "alertType": _property("idValue"),
    "source": _property("source"),
    "entity.entity": _entity("account", "user"),
    "entity.ip": _entity("ip"),
    "entity.service": _entity("service"),
    "entity.policy": _entity("policyRule"),
    "entity.file": _entity("file"),
    "entity.instance": lambda alert: [one.get("inst") for one in alert.value("entities") or []],
}
