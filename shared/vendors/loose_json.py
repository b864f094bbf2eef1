"""Reading JSON of which nothing can be relied on: other casing, missing fields, other types, broken text.

Promise: no function here raises, whatever JSON it is given, and what it returns can be written as JSON again.
Callers ask for what they hope for and get None (or an empty list) when it is not there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from shared.nouns.detections import Instant, instant, unique

_DEEPEST = 20
_LONGEST_LINE = 300


def text(value: object) -> str | None:
    """A string or number as text without surrounding space; None for everything else and for nothing."""
    if isinstance(value, str):
        return _printable(value).strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value)
    return None


def number(value: object) -> float | None:
    """A finite number, also as text; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def line(value: object) -> str | None:
    """Text on one line, cut at 300 characters. Spaces stay as they are: in a command line they count."""
    whole = text(value)
    if whole is None:
        return None
    joined = " ".join(part.strip() for part in whole.splitlines() if part.strip())
    return joined if len(joined) <= _LONGEST_LINE else joined[: _LONGEST_LINE - 1] + "…"


def fields(value: object) -> dict[str, Any]:
    """The object's fields under lower-case names. Where names differ only in case, the first filled one
    counts."""
    found: dict[str, Any] = {}
    if isinstance(value, Mapping):
        for name, content in value.items():
            if found.get(str(name).lower()) is None:
                found[str(name).lower()] = content
    return found


def each(value: object) -> list[Any]:
    """A list as it is, nothing as an empty list, anything else as a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def words(*values: object, separator: str = ",") -> tuple[str, ...]:
    """The texts in strings, lists of strings or separated strings, each once."""
    parts = (text(part) for value in values for part in each(value))
    return unique(word for part in parts if part for word in part.split(separator))


def when(value: object) -> Instant | None:
    """A time; None for what is no time and for the zero that .NET writes where it knows none (year 1)."""
    found = instant(value)
    return found if found and found.isascii() and found[:4] >= "1900" and found[4] == "-" else None


def https_link(value: object) -> str | None:
    """The text if it is an https address that a person may be sent to."""
    address = text(value)
    if address is None or any(c.isspace() for c in address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return address if parts.scheme == "https" and parts.hostname else None


def portable(value: Any, *, reference: Callable[[str], str | None] | None = None, depth: int = 0) -> Any:
    """A copy that can always be written as JSON: broken characters and endless nesting replaced, empties
    left out.

    `reference`: give it to turn `{"$ref": id}` into words and to drop `$id`, whose numbers change from page
    to page.
    """
    if isinstance(value, str):
        return _printable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple | Mapping) and depth >= _DEEPEST:
        return "(nested too deeply)"
    if isinstance(value, list | tuple):
        return [portable(part, reference=reference, depth=depth + 1) for part in value]
    if isinstance(value, Mapping):
        return _portable_object(value, reference, depth)
    return value if value is None or isinstance(value, bool | int) else str(value)


def leftovers(
    value: object, used: Iterable[str], *, reference: Callable[[str], str | None] | None = None
) -> dict[str, Any]:
    """The filled fields that are not among `used` (lower-case names), under the vendor's own names."""
    known = frozenset(used)
    if not isinstance(value, Mapping):
        return {}
    kept = portable({k: v for k, v in value.items() if str(k).lower() not in known}, reference=reference)
    return kept if isinstance(kept, dict) else {}


def _portable_object(
    value: Mapping[Any, Any], reference: Callable[[str], str | None] | None, depth: int
) -> Any:
    if reference is not None and (pointer := text(value.get("$ref"))) is not None:
        return reference(pointer)
    found: dict[str, Any] = {}
    for name, content in value.items():
        if reference is not None and name in ("$id", "$ref"):
            continue
        copy = portable(content, reference=reference, depth=depth + 1)
        if copy not in (None, "", [], {}):
            found[_printable(str(name))] = copy
    return found


def _printable(value: str) -> str:
    # Half of a surrogate pair is legal in JSON text but cannot be encoded, so no store would take it.
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _number(value: int | float) -> str | None:
    try:
        return str(value)
    except ValueError:  # Python refuses to print integers of more than 4,300 digits
        return None
