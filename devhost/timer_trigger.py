"""Timers: each runs its function when its schedule says, one run at a time, and nothing that goes wrong
stops it.

The monitor is a small file that remembers the last run, so that a run missed while the host was off is made
up for at once, as past due. Schedules closer than a minute have none. Times are those of the machine's time
zone (in Azure: UTC). Source: the timer extension's listener and schedule monitor.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from azure.functions.timer import TimerRequest

from devhost.app_index import IndexedFunction
from devhost.invocation import Failed, Invoker
from devhost.ncrontab import Schedule

_log = logging.getLogger("devhost.timers")
_LONGEST_SLEEP = 3600.0  # seconds; then the clock is looked at again, which a sleeping laptop needs


def local_now() -> datetime:
    """The wall clock, without a zone: what schedules are about."""
    return datetime.now(UTC).astimezone().replace(tzinfo=None)


def is_monitored(schedule: Schedule, now: datetime) -> bool:
    """Whether its next runs are all a minute or more apart."""
    times = [now]
    for _ in range(5):
        following = schedule.after(times[-1])
        if following is None:
            break
        times.append(following)
    gaps = [later - earlier for earlier, later in pairwise(times[1:])]
    return all(gap >= timedelta(minutes=1) for gap in gaps)


@dataclass(frozen=True)
class Monitor:
    """The file that remembers a timer's last run and the next one it expected."""

    path: Path

    def missed(self, schedule: Schedule, now: datetime) -> datetime | None:
        """The run that should have been before `now` and was not. Starts remembering if nothing is known."""
        last = self._last()
        if last is None:
            self.note(now)
            return None
        expected = schedule.after(last)
        return expected if expected is not None and expected < now else None

    def note(self, ran: datetime) -> None:
        """Remember a run."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"Last": ran.isoformat()}), encoding="utf-8")

    def _last(self) -> datetime | None:
        try:
            return datetime.fromisoformat(json.loads(self.path.read_text(encoding="utf-8"))["Last"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


class Timer:
    """One timer function. `run` until cancelled by `stop`, which waits for a run that is under way."""

    def __init__(
        self,
        function: IndexedFunction,
        schedule: Schedule,
        invoker: Invoker,
        *,
        monitor: Monitor | None,
        run_on_startup: bool = False,
        now: Callable[[], datetime] = local_now,
    ) -> None:
        self._function, self._schedule, self._invoker = function, schedule, invoker
        self._monitor, self._run_on_startup, self._now = monitor, run_on_startup, now
        self._stopping, self._running = asyncio.Event(), asyncio.Lock()

    async def run(self) -> None:
        """Run the function again and again until `stop`."""
        began = self._now()
        missed = self._monitor.missed(self._schedule, began) if self._monitor else None
        if missed or self._run_on_startup:
            await self._invoke(began, past_due=missed is not None)
        due = self._schedule.after(began)
        while due is not None and await self._reached(due):
            start = max(due, self._now())
            await self._invoke(start, past_due=False)
            # Counted from the run's start: one that outlasts the schedule's step is followed by the next at
            # once.
            due = self._schedule.after(start)

    async def run_now(self) -> None:
        """Run the function once, outside its schedule, when no run is under way."""
        await self._invoke(self._now(), past_due=False)

    def stop(self) -> None:
        """Begin no further run."""
        self._stopping.set()

    async def _reached(self, due: datetime) -> bool:
        while not self._stopping.is_set():
            left = (due.astimezone() - self._now().astimezone()).total_seconds()
            if left <= 0:
                return True
            try:
                await asyncio.wait_for(self._stopping.wait(), min(left, _LONGEST_SLEEP))
            except TimeoutError:
                continue
        return False

    async def _invoke(self, at: datetime, *, past_due: bool) -> None:
        request = TimerRequest(
            past_due=past_due, schedule_status=self._status(at), schedule={"AdjustForDST": True}
        )
        with suppress(Failed):  # logged; the schedule goes on
            async with self._running:
                reason = "Past due" if past_due else "Timer"
                await self._invoker.invoke(self._function, request, reason=reason)
        if self._monitor:
            try:
                self._monitor.note(at)
            except OSError as error:
                _log.error(
                    "The timer's state cannot be written to %s: %s", self._monitor.path, error.strerror
                )

    def _status(self, at: datetime) -> dict[str, Any]:
        following = self._schedule.after(at)
        return {
            "Last": at.isoformat(),
            "Next": following.isoformat() if following else None,
            "LastUpdated": at.isoformat(),
        }
