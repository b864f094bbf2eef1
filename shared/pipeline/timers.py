"""What each timer starts. A timer notes that it came to its end; one that does not come any more is noticed
by the watch, and the watch itself by the tick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from shared.nouns.detections import Instant, earlier, instant_of
from shared.nouns.troubles import TroubleKind
from shared.pipeline.tick import Ticker
from shared.pipeline.watch import Watcher
from shared.store.heartbeats import Heartbeat, Heartbeats

TIMERS: Mapping[str, timedelta] = {
    "tick": timedelta(minutes=1),
    "watch": timedelta(minutes=5),
    "tick_inventory": timedelta(minutes=10),
    "serve_collector": timedelta(minutes=5),
    "sweep": timedelta(hours=1),
}
"""Every timer of function_app.py, and how often it comes."""

T = TypeVar("T")


def late_since(heartbeat: Heartbeat, now: datetime) -> Instant | None:
    """Since when the timer is late; None while it is in time. A run that was skipped, or takes long, is not
    late yet."""
    every = TIMERS[heartbeat.timer]
    due = earlier(heartbeat.last or heartbeat.expected, -(every * 1.5 + timedelta(minutes=5)))
    return due if due < instant_of(now) else None


@dataclass(frozen=True)
class Timers:
    """Runs what a timer is for."""

    ticker: Ticker
    watcher: Watcher
    heartbeats: Heartbeats
    clock: Callable[[], datetime]

    def tick(self) -> int:
        """Every minute: queue what is due; gives how much. Also see whether the watch still comes."""
        due = self.run("tick", self.ticker.tick)
        watch = self.heartbeats.expect(TIMERS, instant_of(self.clock()))["watch"]
        if late_since(watch, self.clock()):
            self.watcher.watch(TroubleKind.late_timer)
        return due

    def watch(self) -> None:
        """Every five minutes: look for trouble; at the timers last, when this one has noted its run."""
        others = [kind for kind in TroubleKind if kind is not TroubleKind.late_timer]
        self.run("watch", lambda: self.watcher.watch(*others))
        self.watcher.watch(TroubleKind.late_timer)

    def run(self, timer: str, work: Callable[[], T]) -> T:
        """Do what the timer is for, and note that it came to its end. What it raises is raised."""
        done = work()
        self.heartbeats.note(timer, instant_of(self.clock()))
        return done
