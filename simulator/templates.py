"""The fixtures as moulds: an alert of any age is a fixture whose times are all moved by the same amount.

A fixture is read once, on first use. Its ids are the sample world's, and are replaced where the alert
belongs to somebody else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from simulator import ticks

FOLDER = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class _Moment:
    """A time inside a template, as ticks."""

    ticks: int


@dataclass(frozen=True, eq=False)
class Template:
    """One fixture. `content` is its JSON with times as `_Moment`s; `name` is the file's."""

    name: str
    content: Mapping[str, Any]

    def moved(self, by: int) -> dict[str, Any]:
        """The fixture's JSON, newly made, with every time moved by so many ticks."""
        return {key: _filled(value, by) for key, value in self.content.items()}

    def moment(self, *path: str) -> int:
        """The ticks of the time at this path. Raises LookupError if there is none."""
        value: Any = self.content
        for key in path:
            value = value[key]
        if not isinstance(value, _Moment):
            raise LookupError(f"no time at {path}")
        return value.ticks


@cache
def templates(folder: str) -> Mapping[str, Template]:
    """All templates of a fixture folder by name, in the order of their names."""
    files = sorted((FOLDER / folder).glob("*.json"))
    return {file.stem: Template(file.stem, _parsed(json.loads(file.read_text("utf-8")))) for file in files}


def mould_of(folder: str, name: str | None, turn: int) -> Template:
    """The template with this name; where none is named, they are taken in turn. Raises LookupError for an
    unknown one."""
    moulds = templates(folder)
    return moulds[name] if name else list(moulds.values())[turn % len(moulds)]


def fixture(path: str) -> Any:
    """A fixture's JSON, freshly read; `path` is relative to the fixtures' folder, without `.json`."""
    return json.loads((FOLDER / f"{path}.json").read_text("utf-8"))


def _parsed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _parsed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_parsed(inner) for inner in value]
    moment = ticks.parse(value) if isinstance(value, str) and value.endswith("Z") else None
    return value if moment is None else _Moment(moment)


def _filled(value: Any, by: int) -> Any:
    if isinstance(value, _Moment):
        return ticks.text_of(value.ticks + by)
    if isinstance(value, dict):
        return {key: _filled(inner, by) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, by) for inner in value]
    return value
