"""Answers for people: tables that fit a terminal, and short texts. What comes from the product is printed
without control characters, which could make a terminal do things.

Promises: an id is never cut, so that it can be copied into the next command; a long text goes on in the next
line instead of being cut; without a terminal lines have a hundred columns.
"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_PIPED = 100
_NARROWEST = 8
_LONGEST_WORD = 48
_LONGEST = 1200
_INDENT = "    "
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))
Columns = Mapping[str, str] | Sequence[str]


def plain(value: Any) -> str:
    """One line of text without control characters; times without their fraction."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(name)}={plain(one)}" for name, one in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "-"
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return f"{text[:19]}Z" if len(text) == 28 and text.endswith("Z") and text[10] == "T" else text


def harmless(text: str) -> str:
    """Lines of text without control characters. What comes to the terminal goes through here last."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


def harmless_json(value: Any) -> str:
    """JSON in which control characters are escaped, also those beyond ASCII and those that turn text."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def duration(seconds: float | None) -> str:
    """How long, in the largest unit that leaves a number worth reading; empty when nobody knows."""
    if seconds is None:
        return ""
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def table(
    rows: Iterable[Mapping[str, Any]],
    columns: Columns,
    *,
    under: Columns = (),
    nothing: str = "(nothing)",
) -> str:
    """Rows under headings. `columns` maps a field (dots go into it) to its heading; what no row has is left
    out. `under` are fields that stand on lines of their own beneath their row: ids that are too long for a
    column, and texts."""
    rows, named = list(rows), _named(columns)
    if not rows:
        return nothing
    kept = [name for name in named if any(_field(row, name) not in (None, "", [], {}) for row in rows)]
    cells = [[plain(_field(row, name)) for name in kept] for row in rows]
    heads = [named[name] for name in kept]
    widths = _widths([heads, *cells])
    lines = _lines(heads, widths)
    for row, line in zip(rows, cells, strict=True):
        lines += _lines(line, widths)
        lines += [beneath for name, head in _named(under).items() for beneath in _beneath(row, name, head)]
    return "\n".join(lines)


def facts(record: Mapping[str, Any], names: Iterable[str]) -> str:
    """Some fields of a record, one a line, or as many as a long one needs."""
    shown = [(name.rpartition(".")[2].replace("_", " "), plain(_field(record, name))) for name in names]
    width = max((len(label) for label, _ in shown), default=0)
    return "\n".join(wrapped(text, " " * (width + 2), f"{label:>{width}}  ") for label, text in shown)


def wrapped(text: str, indent: str = "", first: str | None = None) -> str:
    """A text on as many lines as it needs, the first behind `first` if that is given."""
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
    begun = indent if first is None else first
    lines = textwrap.wrap(text, room() - len(indent), break_long_words=False, break_on_hyphens=False)
    return "\n".join((indent if n else begun) + line for n, line in enumerate(lines))


def room() -> int:
    """How many columns a line may have."""
    return max(40, shutil.get_terminal_size((_PIPED, 40)).columns)


def _named(columns: Columns) -> dict[str, str]:
    if isinstance(columns, Mapping):
        return {name: plain(heading).upper() if heading else "" for name, heading in columns.items()}
    return {name: name.rpartition(".")[2].replace("_", " ").upper() for name in columns}


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """As wide as what stands there; if that is too much, the widest give way, but not below a word."""
    columns = list(zip(*lines, strict=True))
    widths = [min(max(map(len, column)), _LONGEST) for column in columns]
    least = [max(_NARROWEST, *(min(_longest_word(text), _LONGEST_WORD) for text in c)) for c in columns]
    over = sum(widths) + 2 * (len(widths) - 1) - room()
    while over > 0:
        give = max(range(len(widths)), key=lambda n: widths[n] - least[n])
        if widths[give] <= least[give]:
            break
        widths[give] -= 1
        over -= 1
    return widths


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _lines(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    parts = [
        textwrap.wrap(text[:_LONGEST], width, break_on_hyphens=False) or [""]
        for text, width in zip(cells, widths, strict=True)
    ]
    return [
        "  ".join(
            (part[n] if n < len(part) else "").ljust(width) for part, width in zip(parts, widths, strict=True)
        ).rstrip()
        for n in range(max(map(len, parts), default=0))
    ]


def _beneath(row: Mapping[str, Any], name: str, heading: str) -> list[str]:
    value = _field(row, name)
    if value in (None, "", [], {}):
        return []
    return [wrapped(f"{heading.lower()}: {plain(value)}" if heading else plain(value), _INDENT)]


def _field(row: Mapping[str, Any], name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
