"""A little KQL, as much as a hunting query of an analyst needs to be answered: a table, and `where`,
`project`, `distinct`, `sort by`, `top`, `take`, `count`, `summarize count() by` after bars.

Conditions are comparisons (`==`, `!=`, `=~`, `!~`, `<`, `<=`, `>`, `>=`, `contains`, `has`, `startswith`,
`endswith`, `in`) joined by `and`, `or`, with parentheses; values are texts, numbers, `ago(7d)`, `now()` and
`datetime(...)`. Anything else, and any table or column that does not exist, is a `KqlError`: real services
refuse it too. Their wording is not verified.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator import ticks

Row = dict[str, Any]
Test = Callable[[Row], bool]


class KqlError(ValueError):
    """A query that the service answers with 400; the text says what is wrong."""


@dataclass(frozen=True)
class Table:
    """Columns with their types (`String`, `DateTime`, `Int64`), and rows. Times are text, as in answers."""

    columns: Mapping[str, str]
    rows: Sequence[Row]


_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<span>\d+(?:d|h|m|s)\b)|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<mark>==|!=|=~|!~|<=|>=|<|>|\(|\)|,|\||-))"
)
_DATETIME = re.compile(r"datetime\s*\(\s*([^)]*?)\s*\)")
_COMMENT = re.compile(r"//[^\n]*")
_SECONDS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "=~": lambda a, b: str(a).lower() == str(b).lower(),
    "!~": lambda a, b: str(a).lower() != str(b).lower(),
    "<": lambda a, b: a is not None and bool(a < b),
    "<=": lambda a, b: a is not None and bool(a <= b),
    ">": lambda a, b: a is not None and bool(a > b),
    ">=": lambda a, b: a is not None and bool(a >= b),
    "contains": lambda a, b: str(b).lower() in str(a or "").lower(),
    "has": lambda a, b: str(b).lower() in re.split(r"\W+", str(a or "").lower()),
    "startswith": lambda a, b: str(a or "").lower().startswith(str(b).lower()),
    "endswith": lambda a, b: str(a or "").lower().endswith(str(b).lower()),
}


def run(query: str, tables: Mapping[str, Table], *, now: int) -> Table:
    """The table that the query gives. `now` is in ticks. Raises KqlError."""
    return _Query(query, tables, now).run()


class _Query:
    def __init__(self, query: str, tables: Mapping[str, Table], now: int) -> None:
        self._tables, self._now = tables, now
        plain = _COMMENT.sub("", _DATETIME.sub(lambda m: f"'datetime:{m[1]}'", query))
        self._tokens, self._at = _split(plain), 0
        self._columns: dict[str, str] = {}

    def run(self) -> Table:
        name = self._word()
        if name not in self._tables:
            raise KqlError(f"'{name}' could not be resolved: there is no table of this name.")
        table = self._tables[name]
        while self._take("|"):
            table = self._operator(table)
        if self._tokens[self._at][0] != "end":
            raise self._error()
        return table

    def _operator(self, table: Table) -> Table:
        name, self._columns = self._word(), dict(table.columns)
        if name in ("take", "limit"):
            return Table(table.columns, table.rows[: self._count()])
        if name == "count":
            return Table({"Count": "Int64"}, [{"Count": len(table.rows)}])
        if name in ("sort", "order"):
            self._expect("by")
            return self._sorted(table)
        if name == "top":
            most = self._count()
            self._expect("by")
            ordered = self._sorted(table)
            return Table(ordered.columns, ordered.rows[:most])
        known = {"where": self._where, "project": self._project, "distinct": self._distinct}
        known["summarize"] = self._summarize
        if name not in known:
            raise KqlError(f"The operator '{name}' is not recognized.")
        return known[name](table)

    def _where(self, table: Table) -> Table:
        test = self._either()
        return Table(table.columns, [row for row in table.rows if test(row)])

    def _project(self, table: Table) -> Table:
        names = self._names()
        rows = [{name: row.get(name) for name in names} for row in table.rows]
        return Table({name: table.columns[name] for name in names}, rows)

    def _distinct(self, table: Table) -> Table:
        kept = self._project(table)
        return Table(kept.columns, [dict(one) for one in dict.fromkeys(tuple(r.items()) for r in kept.rows)])

    def _summarize(self, table: Table) -> Table:
        for part in ("count", "(", ")", "by"):
            self._expect(part)
        kept = self._project(table)
        counted = Counter(tuple(row.items()) for row in kept.rows)
        rows = [{**dict(key), "count_": number} for key, number in counted.items()]
        return Table({**kept.columns, "count_": "Int64"}, rows)

    def _sorted(self, table: Table) -> Table:
        name, direction = self._column(), "desc"
        if self._tokens[self._at][1] in ("asc", "desc"):
            direction = self._next()[1]
        rows = sorted(table.rows, key=lambda r: (r.get(name) is not None, str(r.get(name))))
        return Table(table.columns, rows[::-1] if direction == "desc" else rows)

    def _either(self) -> Test:
        tests = [self._both()]
        while self._take("or"):
            tests.append(self._both())
        return lambda row: any(test(row) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._take("and"):
            tests.append(self._one())
        return lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._take("("):
            inside = self._either()
            self._expect(")")
            return inside
        name, operator = self._column(), self._next()[1]
        is_time = self._columns[name] == "DateTime"

        def read(row: Row) -> Any:
            return ticks.parse(row.get(name) or "") if is_time else row.get(name)

        if operator == "in":
            self._expect("(")
            values = [self._value()]
            while self._take(","):
                values.append(self._value())
            self._expect(")")
            return lambda row: read(row) in values
        if operator not in _COMPARE:
            raise self._error()
        value, compare = self._value(), _COMPARE[operator]
        if operator in ("<", "<=", ">", ">=") and is_time is not isinstance(value, int):
            raise KqlError(f"Cannot compare '{name}' with a value of another type.")
        return lambda row: compare(read(row), value)

    def _value(self) -> Any:
        kind, text = self._next()
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "text":
            inner = re.sub(r"\\(.)", r"\1", text[1:-1])
            return self._moment(inner) if inner.startswith("datetime:") else inner
        if kind == "word" and text in ("now", "ago"):
            self._expect("(")
            back = 0
            if text == "ago":
                kind, span = self._next()
                if kind != "span":
                    raise self._error()
                back = int(span[:-1]) * _SECONDS[span[-1]] * ticks.SECOND
            self._expect(")")
            return self._now - back
        raise self._error()

    def _moment(self, text: str) -> int:
        found = ticks.parse(text.removeprefix("datetime:"))
        if found is None:
            raise KqlError(f"'{text.removeprefix('datetime:')}' is no datetime.")
        return found

    def _names(self) -> list[str]:
        names = [self._column()]
        while self._take(","):
            names.append(self._column())
        return names

    def _column(self) -> str:
        name = self._word()
        if name not in self._columns:
            raise KqlError(f"Failed to resolve column or scalar expression named '{name}'.")
        return name

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise self._error()
        return text

    def _count(self) -> int:
        kind, text = self._next()
        if kind != "number":
            raise self._error()
        return int(float(text))

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take(self, text: str) -> bool:
        kind, found = self._tokens[self._at]
        if kind in ("word", "mark") and found == text:
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._error()

    def _error(self) -> KqlError:
        return KqlError(f"Query could not be parsed at '{self._tokens[self._at][1] or 'its end'}'.")


def _split(query: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    while query[at:].strip():
        match = _TOKEN.match(query, at)
        if match is None:
            raise KqlError(f"Query could not be parsed at '{query[at:].strip()[:20]}'.")
        tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return [*tokens, ("end", "")]
