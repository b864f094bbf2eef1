"""Advanced hunting over what the simulated tenant has: the few words of KQL that a first query uses.

`Table | where Name == "x" and ... | where Timestamp > ago(7d) | project A, B | sort by A desc | take 10 |
count`, with the tables AlertInfo and DeviceInfo. Anything else is refused, as the service refuses what it
cannot resolve; its exact words are not verified.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from simulator import ticks
from simulator.endpoint_access import endpoint
from simulator.graph_alerts import graph_tenant
from simulator.refusals import Refused
from simulator.world import World

Row = dict[str, Any]
Table = tuple[dict[str, str], list[Row]]  # (column to type, rows)

_LONGEST = timedelta(days=30)
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_CONDITION = re.compile(
    r"(\w+)\s*(==|!=|=~|has|contains|>=|<=|>|<)\s*(\"[^\"]*\"|'[^']*'|ago\(\d+[dhms]\)|-?\d+)"
)
_ALERT_COLUMNS = {
    "Timestamp": "createdDateTime",
    "AlertId": "id",
    "Title": "title",
    "Category": "category",
    "Severity": "severity",
    "ServiceSource": "productName",
    "DetectionSource": "detectionSource",
}
_DEVICE_COLUMNS = {
    "Timestamp": "lastSeen",
    "DeviceId": "id",
    "DeviceName": "computerDnsName",
    "OSPlatform": "osPlatform",
    "PublicIP": "lastExternalIpAddress",
}


def run(world: World, tenant_id: str, query: str) -> Table:
    """The result's columns and rows. The caller holds the world's lock. Raises Refused (400)."""
    source, *steps = [part.strip() for part in query.strip().rstrip(";").split("|")]
    now = ticks.ticks_of(world.now())
    columns, rows = _table(world, tenant_id, source)
    rows = [row for row in rows if _time(row) >= now - ticks.span(_LONGEST)]
    for step in steps:
        word, _, rest = step.partition(" ")
        do = _STEPS.get(word.lower())
        if do is None:
            raise _bad(f"Query could not be parsed at '{word}'.")
        columns, rows = do((columns, rows), rest.strip(), now)
    return columns, rows


def _table(world: World, tenant_id: str, name: str) -> Table:
    if name == "AlertInfo":
        alerts = [alert.raw() for alert in graph_tenant(world, tenant_id).alerts.ordered()]
        return _typed(_ALERT_COLUMNS), [_row(_ALERT_COLUMNS, alert) for alert in alerts]
    if name == "DeviceInfo":
        machines = endpoint(world).tenant(tenant_id).machines.values()
        return _typed(_DEVICE_COLUMNS), [_row(_DEVICE_COLUMNS, machine) for machine in machines]
    raise _bad(
        f"'{name}' could not be resolved. Failed to resolve table or column expression named '{name}'."
    )


def _typed(columns: Mapping[str, str]) -> dict[str, str]:
    return {name: "DateTime" if name == "Timestamp" else "String" for name in columns}


def _row(columns: Mapping[str, str], source: Mapping[str, Any]) -> Row:
    return {name: source.get(field) for name, field in columns.items()}


def _where(table: Table, text: str, now: int) -> Table:
    columns, rows = table
    for part in re.split(r"\s+and\s+", text):
        match = _CONDITION.fullmatch(part.strip())
        if match is None:
            raise _bad(f"Query could not be parsed at '{part}'.")
        name, operator, literal = match.groups()
        _known(name, columns)
        wanted = _literal(literal, now)
        rows = [row for row in rows if _holds(row[name], operator, wanted)]
    return columns, rows


def _literal(text: str, now: int) -> Any:
    if text.startswith("ago("):
        length = timedelta(**{_UNITS[text[-2]]: int(text[4:-2])})
        return now - ticks.span(length)
    return text[1:-1] if text[0] in "\"'" else int(text)


def _holds(value: Any, operator: str, wanted: Any) -> bool:
    if isinstance(wanted, int) and isinstance(value, str):
        value = ticks.parse(value) or 0
    if isinstance(wanted, str):
        value = str(value or "")
    return bool(_COMPARE[operator](value, wanted))


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "=~": lambda a, b: str(a).lower() == str(b).lower(),
    "has": lambda a, b: str(b).lower() in str(a).lower(),
    "contains": lambda a, b: str(b).lower() in str(a).lower(),
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


def _project(table: Table, text: str, _now: int) -> Table:
    columns, rows = table
    names = [name.strip() for name in text.split(",")]
    for name in names:
        _known(name, columns)
    return {name: columns[name] for name in names}, [{name: row[name] for name in names} for row in rows]


def _sort(table: Table, text: str, _now: int) -> Table:
    name, _, direction = text.removeprefix("by ").strip().partition(" ")
    _known(name, table[0])
    rows = sorted(table[1], key=lambda row: str(row[name] or ""), reverse=direction.strip() != "asc")
    return table[0], rows


def _take(table: Table, text: str, _now: int) -> Table:
    if not text.isdecimal():
        raise _bad(f"Query could not be parsed at '{text}'.")
    return table[0], table[1][: int(text)]


def _count(table: Table, _text: str, _now: int) -> Table:
    return {"Count": "Int64"}, [{"Count": len(table[1])}]


_STEPS: Mapping[str, Callable[[Table, str, int], Table]] = {
    "where": _where,
    "project": _project,
    "sort": _sort,
    "order": _sort,
    "take": _take,
    "limit": _take,
    "count": _count,
}


def _known(name: str, columns: Mapping[str, str]) -> None:
    if name not in columns:
        raise _bad(f"'{name}' could not be resolved. Failed to resolve scalar expression named '{name}'.")


def _time(row: Row) -> int:
    return ticks.parse(str(row.get("Timestamp") or "")) or ticks.NEWEST


def _bad(text: str) -> Refused:
    return Refused(400, "BadRequest", text)
