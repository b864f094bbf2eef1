"""Conditions of a scan: as the text that the Table service evaluates, and as the same rule in Python.

Values are written into the text here and nowhere else: never through the SDK's `parameters=`, which breaks on
doubled spaces.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence

from shared.store.limits import check_column, plain
from shared.store.stores import Span, Value, Where

COMPARISONS = 15
"""Most comparisons of one filter. Source: "Querying tables and entities"; emulators do not enforce it."""

_OPERATORS = {
    "eq": operator.eq,
    "ne": operator.ne,
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
}


def filter_text(span: Span, where: Sequence[Where] = ()) -> str:
    """The `$filter` of a scan, empty for all rows. Raises ValueError for more than 15 comparisons, or a value
    that cannot be compared."""
    parts = [*_bounds("PartitionKey", span.partition_from, span.partition_to)]
    parts += _bounds("RowKey", span.key_from, span.key_to)
    count = len(parts)
    for condition in where:
        check_column(condition.column)
        any_of = [comparison for value in condition.values for comparison in _comparisons(condition, value)]
        if not any_of:
            raise ValueError(f"the condition on {condition.column!r} names no value")
        parts.append(any_of[0] if len(any_of) == 1 else f"({' or '.join(any_of)})")
        count += len(any_of)
    if count > COMPARISONS:
        raise ValueError(f"a filter holds at most {COMPARISONS} comparisons, not {count}")
    return " and ".join(parts)


def _bounds(column: str, low: str | None, high: str | None) -> list[str]:
    if low is not None and low == high:
        return [f"{column} eq {literal(low)}"]
    lower = [] if low is None else [f"{column} ge {literal(low)}"]
    return lower if high is None else [*lower, f"{column} le {literal(high)}"]


def _comparisons(condition: Where, value: Value) -> list[str]:
    if condition.op != "ne":
        return [f"{condition.column} {condition.op} {literal(value)}"]
    # Whether a row without the column is "not equal" depends on the service; none finds it less or greater.
    if isinstance(value, bool):
        return [f"{condition.column} eq {literal(not value)}"]
    return [f"{condition.column} {op} {literal(value)}" for op in ("lt", "gt")]


def literal(value: Value) -> str:
    """A value as OData writes it. Whole numbers are 64-bit, as the stores write them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, int):
        return f"{value}L"
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise ValueError(f"a {type(value).__name__} cannot be compared in a filter")


def within(span: Span, partition: str, key: str) -> bool:
    """Whether the keys lie in the span."""
    return (
        (span.partition_from is None or span.partition_from <= partition)
        and (span.partition_to is None or partition <= span.partition_to)
        and (span.key_from is None or span.key_from <= key)
        and (span.key_to is None or key <= span.key_to)
    )


def matches(values: Mapping[str, Value], where: Sequence[Where]) -> bool:
    """Whether a row meets every condition: what the service does with `filter_text`."""
    return all(_meets(values.get(c.column), c) for c in where)


def _meets(value: Value | None, condition: Where) -> bool:
    compare = _OPERATORS[condition.op]
    return any(type(value) is type(w) and bool(compare(value, w)) for w in map(plain, condition.values))
