"""What requirements.txt brings: its packages and theirs, as installed in this environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


@dataclass(frozen=True)
class Brought:
    """One package of the closure: what it is, and the names of those that it needs itself."""

    name: str
    installed: Distribution
    needs: tuple[str, ...]


def closure(requirements: Path) -> list[Brought]:
    """Every package that a clean environment would have after installing that file, by name.

    Raises PackageNotFoundError for one that is not installed here."""
    known: dict[str, set[str]] = {}
    wanted = list(direct(requirements))
    while wanted:
        one = wanted.pop()
        name, extras = canonical(one.name), {"", *one.extras}
        if extras <= known.get(name, set()):
            continue
        known[name] = known.get(name, set()) | extras
        wanted += _needs(distribution(name), known[name])
    return [_brought(name, known[name]) for name in sorted(known)]


def direct(requirements: Path) -> Iterator[Requirement]:
    """The lines of the file that hold for this interpreter."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    for one in (Requirement(line) for line in lines if line.strip() and not line.startswith("#")):
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            yield one


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _brought(name: str, extras: set[str]) -> Brought:
    installed = distribution(name)
    needs = {canonical(one.name) for one in _needs(installed, extras)}
    return Brought(name, installed, tuple(sorted(needs)))


def _needs(installed: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for one in map(Requirement, installed.requires or []):
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
            yield one
