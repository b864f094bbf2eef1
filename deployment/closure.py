"""What requirements.txt brings: its packages and theirs, as installed in this environment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


def closure(requirements: Path) -> list[Distribution]:
    """Every distribution that a clean environment would have after installing that file, by name.

    Raises PackageNotFoundError for one that is not installed here."""
    lines = requirements.read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    found: dict[tuple[str, str], Distribution] = {}
    while wanted:
        one = wanted.pop()
        if one.marker and not one.marker.evaluate({"extra": ""}):
            continue
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        for extra in ("", *one.extras):
            if (name, extra) not in found:
                found[name, extra] = known = distribution(one.name)
                wanted += _needs(known, extra)
    return list({name: one for (name, _), one in sorted(found.items(), reverse=True)}.values())[::-1]


def _needs(one: Distribution, extra: str) -> Iterable[Requirement]:
    for line in one.requires or []:
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate({"extra": extra}):
            need.marker = None
            yield need
