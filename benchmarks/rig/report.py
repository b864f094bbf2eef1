"""What a benchmark says: each figure beside the limit measured in the same run, and the number to reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Report:
    """Prints figures as they come and remembers which numbers were missed."""

    missed: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """A line that is no figure."""
        print(text, flush=True)

    def show(self, what: str, figure: float, unit: str = "") -> None:
        """A figure without a number to reach."""
        self.figures[what] = figure
        self.say(f"  {what}: {_number(figure)}{unit and ' ' + unit}")

    def reach(self, what: str, figure: float, sign: Literal["<=", ">="], wanted: float) -> None:
        """A figure that must be on the right side of `wanted`."""
        self.figures[what] = figure
        met = figure <= wanted if sign == "<=" else figure >= wanted
        if not met:
            self.missed.append(what)
        verdict = "met" if met else "MISSED"
        self.say(f"  {what}: {_number(figure)}   (reach {sign} {_number(wanted)}: {verdict})")

    def compare(
        self,
        what: str,
        figure: float,
        limit: float,
        *,
        unit: str,
        against: str,
        sign: Literal["<=", ">="],
        wanted: float,
    ) -> None:
        """A figure whose ratio to a limit, measured in the same run, must be on the right side of
        `wanted`."""
        self.say(f"  {what}: {_number(figure)} {unit}; {against}: {_number(limit)} {unit}")
        self.reach(f"{what}, ratio", figure / limit, sign, wanted)

    def status(self, *, fail: bool = True) -> int:
        """The exit status, after a last line; `fail` False: always 0."""
        self.say("every number reached" if not self.missed else "missed: " + "; ".join(self.missed))
        return 1 if self.missed and fail else 0


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) >= 1 else f"{value:.3f}"
