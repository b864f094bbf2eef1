"""How many calls an API takes, and who may have how many of them. Pure.

A user's action is never refused. Background work takes only a share, the less urgent the smaller, so that
what is left is there when an analyst needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum


class Use(StrEnum):
    """What a call is for, the most urgent first."""

    user = "user"
    poll = "poll"
    inventory = "inventory"
    sweep = "sweep"

    @property
    def share(self) -> float:
        """Up to which part of a limit this use may fill it, together with everybody else."""
        return {Use.user: 1.0, Use.poll: 0.8, Use.inventory: 0.6, Use.sweep: 0.5}[self]

    @property
    def patience(self) -> float:
        """Seconds that a call may wait for its turn. One page may take many calls, and all of them must be
        made before the page counts: without patience it would be begun again and again."""
        return 0.0 if self is Use.user else 90.0


@dataclass(frozen=True)
class Limit:
    """At most so many calls in so many seconds."""

    calls: int
    seconds: int


@dataclass(frozen=True)
class Window:
    """Calls in the window that runs (`index` counts windows since 1970) and in the one before it. What slides
    is their weighted sum: as much of the window before as still lies within the limit's seconds."""

    seconds: int
    index: int = 0
    running: int = 0
    before: int = 0

    def at(self, now: float) -> Window:
        """The same as seen at this time."""
        index = int(now // self.seconds)
        if index == self.index:
            return self
        before = self.running if index == self.index + 1 else 0
        return Window(self.seconds, index, 0, before)

    def used(self, now: float) -> float:
        """About how many calls lie within the last seconds."""
        seen = self.at(now)
        return seen.running + seen.before * (1 - now % self.seconds / self.seconds)

    def free_in(self, now: float, allowed: float) -> float:
        """Seconds until one more call is allowed; 0 when it is."""
        seen, passed = self.at(now), now % self.seconds
        if self.used(now) + 1 <= allowed:
            return 0.0
        if seen.running + 1 <= allowed:
            gone = 1 - (allowed - 1 - seen.running) / seen.before
            return max(gone * self.seconds - passed, 0.1)
        rest = self.seconds - passed
        gone = 1 - max(allowed - 1, 0) / seen.running
        return rest + gone * self.seconds


@dataclass(frozen=True)
class Spending:
    """What is spent of an API's limits, and until when it has asked everybody to wait (seconds since
    1970)."""

    windows: tuple[Window, ...] = ()
    blocked_until: float = 0.0
    limits: tuple[Limit, ...] = field(default=(), compare=False)

    @classmethod
    def begun(cls, limits: Sequence[Limit], known: Spending | None = None) -> Spending:
        """With a window for each limit; what is known of those stays."""
        by_length = {window.seconds: window for window in known.windows} if known else {}
        windows = tuple(by_length.get(one.seconds, Window(one.seconds)) for one in limits)
        return cls(windows, known.blocked_until if known else 0.0, tuple(limits))

    def plus(self, calls: int, now: float) -> Spending:
        """With so many calls more."""
        seen = (window.at(now) for window in self.windows)
        return replace(self, windows=tuple(replace(w, running=w.running + calls) for w in seen))

    def room(self, use: Use, now: float) -> int:
        """How many calls this use may make now."""
        rooms = (
            limit.calls * use.share - window.used(now)
            for limit, window in zip(self.limits, self.windows, strict=True)
        )
        return 0 if now < self.blocked_until else max(int(min(rooms, default=1_000_000)), 0)

    def wait(self, use: Use, now: float) -> float:
        """Seconds until there is room for one call."""
        waits = (
            window.free_in(now, max(limit.calls * use.share, 1))
            for limit, window in zip(self.limits, self.windows, strict=True)
        )
        return max(self.blocked_until - now, *waits, 0.0)


def seconds_of(now: datetime) -> float:
    """Seconds since 1970."""
    return now.timestamp()
