"""Answers for people: tables that fit a terminal, and short texts. What comes from the product is printed
without control characters, which could make a terminal do things."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_WIDEST = 60


def plain(value: Any) -> str:
    """One line of text without control characters; times without their fraction."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "-"
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return f"{text[:19]}Z" if len(text) == 28 and text.endswith("Z") and text[10] == "T" else text


def table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str] | Sequence[str]) -> str:
    """Rows under headings. `columns` maps a field (dots go into it) to its heading."""
    named = columns if isinstance(columns, Mapping) else {name: name.replace("_", " ") for name in columns}
    cells = [[heading.upper() for heading in named.values()]]
    cells += [[plain(_field(row, name)) for name in named] for row in rows]
    if len(cells) == 1:
        return "(nothing)"
    widths = [min(max(len(line[n]) for line in cells), _WIDEST) for n in range(len(named))]
    # What is left of the line belongs to the last column.
    room = shutil.get_terminal_size((160, 40)).columns - sum(widths[:-1]) - 2 * len(widths)
    widths[-1] = max(20, room)
    return "\n".join(
        "  ".join(_fitted(c, w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def facts(record: Mapping[str, Any], names: Iterable[str]) -> str:
    """Some fields of a record, one a line."""
    return "\n".join(f"{name.replace('_', ' '):>16}  {plain(_field(record, name))}" for name in names)


def _fitted(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - 1] + "…"


def _field(row: Mapping[str, Any], name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
