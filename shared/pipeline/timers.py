"""What each timer starts. A timer notes that it came to its end; one that does not come any more is noticed
by the watch, and the watch itself by the tick.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from shared.errors import PocketSOCError
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
    "daily_checks": timedelta(hours=1),
}
"""Every timer of function_app.py, and how often it comes."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


def late_since(heartbeat: Heartbeat, now: datetime) -> Instant | None:
    """Since when the timer is late; None while it is in time. A run that was skipped, or takes long, is not
    late yet."""
    every = TIMERS[heartbeat.timer]
    due = earlier(heartbeat.last or heartbeat.expected, -(every * 1.5 + timedelta(minutes=5)))
    return due if due < instant_of(now) else None


@dataclass
class Timers:
    """Runs what a timer is for. `begin` is done once, before the first tick of this process."""

    ticker: Ticker
    watcher: Watcher
    heartbeats: Heartbeats
    clock: Callable[[], datetime]
    begin: Callable[[], object] | None = None

    def tick(self) -> int:
        """Every minute: queue what is due; gives how much. Also see whether the watch still comes."""
        if self.begin is not None:
            try:
                self.begin()
                self.begin = None
            except PocketSOCError as error:  # the configurations that are there must be read all the same
                _log.error("the configurations from the environment could not be made: %s", error)
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
