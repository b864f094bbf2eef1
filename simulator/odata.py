"""The part of OData v4 that Defender for Endpoint is seen to understand: `$filter` and `$orderby`. Anything
else is an `ODataError`.

`eq ne gt ge lt le in and or not`, `startswith`, `contains` and parentheses; property names in any case; text
and enums quoted, times and numbers not. Sources: the vendor's "OData queries" samples. Not verified with the
vendor: `lt le or not in`, that enum values are compared with their exact case, that a time needs its zone,
and the wording of the errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from simulator import ticks


class ODataError(ValueError):
    """A query that the service answers with 400; the text says what is wrong."""


class Kind(Enum):
    """What a property holds, which decides how a literal for it is written."""

    text = "text"
    folded = "folded"  # text that is compared without regard to case: `read` gives lower case
    number = "number"
    time = "time"


@dataclass(frozen=True)
class Property:
    """A filterable property: its kind and how to read it from a record (times as ticks). `operators`: those
    that it takes; empty for all but `contains`, which is taken only where it is named."""

    kind: Kind
    read: Callable[[Any], Any]
    operators: frozenset[str] = frozenset()


Schema = Mapping[str, Property]  # keys in lower case
Test = Callable[[Any], bool]


@dataclass(frozen=True)
class Bounds:
    """Between which ticks (both included) a record can lie to match at all."""

    low: int = 0
    high: int = ticks.NEWEST

    def both(self, other: Bounds) -> Bounds:
        """What is left when both hold."""
        return Bounds(max(self.low, other.low), min(self.high, other.high))


@dataclass(frozen=True)
class Filter:
    """A parsed `$filter`: the test, and the bounds it puts on the indexed time property."""

    test: Test
    bounds: Bounds = Bounds()


_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<time>\d{4}-\d\d-\d\d[T\d:.]*(?:Z|[+-]\d\d:\d\d)?)|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*(?:/\w+)*)|(?P<mark>[(),]))",
    re.IGNORECASE,
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: a is not None and b is not None and bool(a > b),
    "ge": lambda a, b: a is not None and b is not None and bool(a >= b),
    "lt": lambda a, b: a is not None and b is not None and bool(a < b),
    "le": lambda a, b: a is not None and b is not None and bool(a <= b),
}
_FUNCTIONS: Mapping[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "contains": str.__contains__,
}
_BOUNDS: Mapping[str, Callable[[int], Bounds]] = {
    "eq": lambda t: Bounds(t, t),
    "gt": lambda t: Bounds(low=t + 1),
    "ge": lambda t: Bounds(low=t),
    "lt": lambda t: Bounds(high=t - 1),
    "le": lambda t: Bounds(high=t),
}


def parse_filter(text: str, schema: Schema, *, indexed: str = "") -> Filter:
    """Parse `$filter`. `indexed` names the time property (lower case) whose bounds the caller can use.
    Raises ODataError.
    """
    return _Parser(text, schema, indexed).parse()


def parse_orderby(text: str, schema: Schema) -> list[tuple[str, bool]]:
    """Parse `$orderby` to (property in lower case, descending). Raises ODataError."""
    order = []
    for part in text.split(","):
        words = part.split()
        direction = words[1].lower() if len(words) == 2 else "asc"
        if len(words) not in (1, 2) or direction not in ("asc", "desc"):
            raise ODataError(f"Syntax error in '$orderby': '{text}'.")
        order.append((_known(words[0], schema), direction == "desc"))
    return order


def sort_key(name: str, schema: Schema) -> Callable[[Any], tuple[bool, Any]]:
    """A key for `sorted`: null comes first in ascending order."""
    read = schema[name].read

    def key(record: Any) -> tuple[bool, Any]:
        value = read(record)
        return (value is not None, value)

    return key


def _known(name: str, schema: Schema) -> str:
    if name.lower() not in schema:
        raise ODataError(f"Could not find a property named '{name}'.")
    return name.lower()


class _Parser:
    """Recursive descent over the tokens; each rule returns a Filter."""

    def __init__(self, text: str, schema: Schema, indexed: str) -> None:
        self._text, self._schema, self._indexed = text, schema, indexed
        self._tokens = self._split(text)
        self._at = 0

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens, at = [], 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise ODataError(f"Syntax error at position {at} in '{text}'.")
            tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()
        return [*tokens, ("end", "")]

    def parse(self) -> Filter:
        whole = self._either()
        self._expect("")
        return whole

    def _either(self) -> Filter:
        left = self._both()
        while self._take("or"):
            left = _either(left, self._both())
        return left

    def _both(self) -> Filter:
        left = self._one()
        while self._take("and"):
            left = _both(left, self._one())
        return left

    def _one(self) -> Filter:
        if self._take("not"):
            inner = self._one().test
            return Filter(lambda record: not inner(record))
        if self._take("("):
            inside = self._either()
            self._expect(")")
            return inside
        return self._comparison()

    def _comparison(self) -> Filter:
        kind, word = self._next()
        if kind != "word":
            raise self._error()
        if word.lower() in _FUNCTIONS and self._take("("):
            return self._function(word.lower())
        name = _known(word, self._schema)
        operator = self._next()[1].lower()
        self._allow(name, operator)
        if operator == "in":
            return self._membership(name)
        if operator not in _COMPARE:
            raise self._error()
        value, read, compare = self._literal(name), self._schema[name].read, _COMPARE[operator]
        narrow = name == self._indexed and operator in _BOUNDS and value is not None
        return Filter(
            lambda record: compare(read(record), value), _BOUNDS[operator](value) if narrow else Bounds()
        )

    def _allow(self, name: str, operator: str) -> None:
        allowed = self._schema[name].operators
        if operator not in allowed and (allowed or operator == "contains"):
            raise ODataError(f"The operator '{operator}' is not supported for the property '{name}'.")

    def _function(self, function: str) -> Filter:
        name = _known(self._next()[1], self._schema)
        self._allow(name, function)
        self._expect(",")
        value, read = self._literal(name), self._schema[name].read
        self._expect(")")
        if not isinstance(value, str):
            raise ODataError(f"No function signature for {function} matches '{name}'.")
        return Filter(lambda record: _FUNCTIONS[function](str(read(record) or ""), value))

    def _membership(self, name: str) -> Filter:
        self._expect("(")
        values = {self._literal(name)}
        while self._take(","):
            values.add(self._literal(name))
        self._expect(")")
        read = self._schema[name].read
        return Filter(lambda record: read(record) in values)

    def _literal(self, name: str) -> Any:
        kind, text = self._next()
        wanted = self._schema[name].kind
        if (kind, text) == ("word", "null"):
            return None
        if kind == "string" and wanted in (Kind.text, Kind.folded):
            plain = text[1:-1].replace("''", "'")
            return plain.lower() if wanted is Kind.folded else plain
        if (kind, wanted) == ("number", Kind.number):
            return float(text) if "." in text else int(text)
        when = ticks.parse(text) if (kind, wanted) == ("time", Kind.time) and _zoned(text) else None
        if when is None:
            raise ODataError(f"A literal with an incompatible type was given for '{name}': {text}.")
        return when

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take(self, word: str) -> bool:
        kind, text = self._tokens[self._at]
        if kind in ("word", "mark") and text.lower() == word:
            self._at += 1
            return True
        return False

    def _expect(self, mark: str) -> None:
        kind, text = self._next()
        if text != mark or kind not in ("mark", "end"):
            raise self._error()

    def _error(self) -> ODataError:
        return ODataError(f"Syntax error in '{self._text}'.")


def _zoned(text: str) -> bool:
    return text[-1] in "Zz" or text[-6:-5] in ("+", "-")


def _both(left: Filter, right: Filter) -> Filter:
    one, other = left.test, right.test
    return Filter(lambda record: one(record) and other(record), left.bounds.both(right.bounds))


def _either(left: Filter, right: Filter) -> Filter:
    one, other = left.test, right.test
    wide = Bounds(min(left.bounds.low, right.bounds.low), max(left.bounds.high, right.bounds.high))
    return Filter(lambda record: one(record) or other(record), wide)
