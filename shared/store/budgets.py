"""Budgets of API calls that all instances share: a row for each tenant's API, from which processes lease
calls in chunks, so that counting costs little.

A process lets a few calls of polls through by itself, and every call of a user; it reports them when it next
leases, or when there are several. So the count is a little late, and a lease that is not used up counts as
used.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime

from shared.errors import BudgetSpent, Conflict, PocketSOCError
from shared.nouns.budgets import Limit, Spending, Use, Window, seconds_of
from shared.store.stores import Row, Span, Table, Tables, Value, as_read, every_row, key_safe

_PARTITION = "apis"
_FREE = 3  # calls of polls a minute that a process makes without a lease
_UNREPORTED = 10
_LEASE_SECONDS = 30.0
_REFUSED = 30.0
_LONGEST_BLOCK = 3600.0
_ATTEMPTS = 20
_log = logging.getLogger(__name__)


class Budgets:
    """Every API's budget, as it is stored."""

    def __init__(
        self,
        *,
        tables: Tables,
        clock: Callable[[], datetime],
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._tables = tables
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._known: dict[str, ApiBudget] = {}

    def of(self, api: str, limits: Sequence[Limit]) -> ApiBudget:
        """This process's budget of an API: the same one, whoever asks."""
        with self._lock:
            if api not in self._known:
                self._known[api] = ApiBudget(self._tables, api, limits, self._clock, self._sleep)
            return self._known[api]

    def blocked(self) -> set[str]:
        """The APIs that have asked to wait. A storage call for each thousand APIs."""
        now = seconds_of(self._clock())
        rows = every_row(self._tables, Table.budgets, Span.within(_PARTITION))
        return {str(row.values["api"]) for row in rows if _spending(row).blocked_until > now}


class ApiBudget:
    """Keeps the Budget protocol of vendors/budget.py. Thread-safe."""

    def __init__(
        self,
        tables: Tables,
        api: str,
        limits: Sequence[Limit],
        clock: Callable[[], datetime],
        sleep: Callable[[float], object],
    ) -> None:
        self._tables, self._api, self._limits = tables, api, tuple(limits)
        self._clock, self._sleep = clock, sleep
        self._chunk = max(min(min((one.calls for one in limits), default=100) // 10, 10), 1)
        self._lock = threading.Lock()
        self._leased: dict[Use, tuple[int, float]] = {}
        self._minute, self._free = 0, 0
        self._ample = True  # the last lease was given whole
        self._unreported = 0
        self._blocked_until = 0.0

    def ask(self, use: Use) -> None:
        """Before a call. Raises BudgetSpent; never for a user."""
        if use is Use.user:
            self._note_user()
            return
        waited = 0.0
        while not self._has_turn(use):
            blocked = self._blocked()
            wait = self._lease(use) if blocked is None else blocked
            if wait is None:
                continue
            if blocked is not None or waited + wait > use.patience:
                raise BudgetSpent(_why(blocked is not None, wait), retry_after=wait)
            self._sleep(wait)
            waited += max(wait, 0.1)

    def refused(self, retry_after: float | None) -> None:
        """The API has asked to wait."""
        until = seconds_of(self._clock()) + min(retry_after or _REFUSED, _LONGEST_BLOCK)
        with self._lock:
            self._blocked_until = max(self._blocked_until, until)
            self._leased.clear()
        try:
            self._change(lambda s, _: Spending(s.windows, max(s.blocked_until, until), s.limits))
        except PocketSOCError:
            _log.warning("that %s asks to wait could not be noted for the other instances", self._api)

    def _note_user(self) -> None:
        with self._lock:
            self._unreported += 1
            due = self._unreported >= _UNREPORTED
        if due:
            try:
                self._change(lambda s, _: s)
            except PocketSOCError:  # counting must not keep an analyst from acting
                _log.warning("calls to %s could not be counted", self._api)

    def _blocked(self) -> float | None:
        """Seconds until the API, which has asked to wait, may be called again; None when it has not."""
        left = self._blocked_until - seconds_of(self._clock())
        return left if left > 0 else None

    def _has_turn(self, use: Use) -> bool:
        """Take a call that is leased, or one of those that cost no lease."""
        now = seconds_of(self._clock())
        with self._lock:
            if now < self._blocked_until:
                return False
            left, until = self._leased.get(use, (0, 0.0))
            if left and now < until:
                self._leased[use] = (left - 1, until)
                return True
            if int(now // 60) != self._minute:
                self._minute, self._free = int(now // 60), 0
            few = self._free < _FREE and self._unreported < _UNREPORTED
            free = use is Use.poll and self._ample and few
            if free:
                self._free += 1
                self._unreported += 1
            return free

    def _lease(self, use: Use) -> float | None:
        """Lease a chunk; gives the seconds to wait when there is none."""
        got, wait = 0, 0.0

        def lease(spending: Spending, now: float) -> Spending:
            nonlocal got, wait
            got = min(self._chunk, spending.room(use, now))
            wait = 0.0 if got else max(spending.wait(use, now), 0.1)
            return spending.plus(got, now) if got else spending

        after = self._change(lease)
        with self._lock:
            self._blocked_until = after.blocked_until
            self._ample = got == self._chunk
            if got:
                self._leased[use] = (got, seconds_of(self._clock()) + _LEASE_SECONDS)
        return None if got else wait

    def _change(self, change: Callable[[Spending, float], Spending]) -> Spending:
        """Change the row under its ETag, and report in it what is not yet counted. When others keep being
        faster the change is left out: a budget is not worth an error."""
        with self._lock:
            reported, self._unreported = self._unreported, 0
        try:
            return self._changed(change, reported)
        except PocketSOCError:
            with self._lock:
                self._unreported += reported
            raise

    def _changed(self, change: Callable[[Spending, float], Spending], reported: int) -> Spending:
        after = Spending.begun(self._limits)
        for _ in range(_ATTEMPTS):
            row = self._tables.get(Table.budgets, _PARTITION, key_safe(self._api))
            now = seconds_of(self._clock())
            before = Spending.begun(self._limits, _spending(row) if row else None)
            after = change(before.plus(reported, now) if reported else before, now)
            if after == before:
                return after
            try:
                changed = _row(self._api, after, row.etag if row else "")
                self._tables.write(Table.budgets, [as_read(changed)])
                return after
            except Conflict:
                continue
        return after


def _why(blocked: bool, wait: float) -> str:
    what = "has asked to wait" if blocked else "has few calls left, which are kept for analysts"
    return f"The vendor's API {what}; this goes on by itself in {wait:.0f} s."


def _row(api: str, spending: Spending, etag: str) -> Row:
    document = json.dumps([asdict(window) for window in spending.windows], separators=(",", ":"))
    values: dict[str, Value] = {"api": api, "windows": document, "blocked_until": spending.blocked_until}
    return Row(_PARTITION, key_safe(api), values, etag)


def _spending(row: Row) -> Spending:
    windows = tuple(Window(**one) for one in json.loads(str(row.values["windows"])))
    return Spending(windows, float(row.values.get("blocked_until", 0.0)))
