"""The ledger's work: list again what a configuration's vendor has, compare with the store, and send what is
missing to ingest, marked as late.

Every hour each configuration is compared over a day, and once a day over a week, one sweep of it at a time
and without haste: the sweeps of an hour are spread, wait until ingest has done its work, and leave the
vendor's calls to everybody else. Alerts younger than half an hour before the last poll are left alone: they
are the polls' business. A sweep that dies begins again and finds what it had queued stored; what was
recovered is counted by the batches themselves, once each.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.errors import BudgetSpent, Conflict, PocketSOCError, place_of
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Instant, RawAlert, earlier, instant_of
from shared.nouns.ledger import Book, Counts, Span, Sweep
from shared.pipeline.messages import RawAlerts, SweepDue, new_batch
from shared.pipeline.sift import Sifted, Sifter, View
from shared.store.configurations import Configurations, Configured
from shared.store.ledger import Ledger
from shared.store.mailbox import ContentGone, Mailbox
from shared.store.stores import Queue, Queues
from shared.vendors.vendor import Connection, SweepPage, Vendor

GRACE = timedelta(minutes=30)
_WEEKLY = timedelta(hours=23, minutes=30)  # a week's sweep once a day, by a timer that comes every hour
_SPREAD = timedelta(minutes=20)
_TICKET_LIFE = timedelta(minutes=100)
_BUDGET = timedelta(minutes=5)
_WAIT = timedelta(minutes=2)
_MOST_WAITS = 10
_ALERTS_A_MESSAGE = 250
_FORGOTTEN = timedelta(days=120)
_log = logging.getLogger(__name__)


class _EndedEarlyError(Exception):
    """There is more to compare than a sweep may take time for."""


@dataclass(frozen=True)
class Sweeper:
    """Queues sweeps and makes them. `connect` joins a configuration with its way to the vendor."""

    configurations: Configurations
    ledger: Ledger
    sifter: Sifter
    mailbox: Mailbox
    queues: Queues
    vendors: Mapping[str, Vendor]
    connect: Callable[[Configuration], Connection]
    clock: Callable[[], datetime]

    def queue(self) -> int:
        """Every hour: queue a sweep of each configuration that has been read; gives how many."""
        books, now = self.ledger.all(), self.clock()
        every = self.configurations.all()
        for gone in books.keys() - {one.configuration.id for one in every}:
            self.ledger.forget(gone)
        return sum(self._queue(one, books.get(one.configuration.id), now) for one in every)

    def _queue(self, one: Configured, book: Book | None, now: datetime) -> bool:
        waits = book is not None and book.ticket is not None and (book.ticket_until or "") > instant_of(now)
        if not one.configuration.enabled or one.state.read_until is None or waits:
            return False
        ticket, until = new_batch(), instant_of(now + _TICKET_LIFE)
        try:
            whole = self.ledger.book(one.configuration.id)
            self.ledger.save(whole.model_copy(update={"ticket": ticket, "ticket_until": until}))
        except Conflict:
            return False  # somebody else has just queued or finished one
        due = SweepDue(configuration_id=one.configuration.id, ticket=ticket)
        self.mailbox.send(Queue.sweeps, due, _place(one.configuration.id))
        return True

    def sweep(self, body: str) -> None:
        """Do what a message says. Raises only when our own storage fails; then the message comes again."""
        try:
            due = SweepDue.model_validate_json(self.mailbox.open(body))
        except ContentGone:  # it was done, or its ticket ends by itself
            return
        self.make(due)
        self.mailbox.discard(body)

    def make(self, due: SweepDue) -> None:
        """Make a sweep, or a part of it."""
        one, book = self.configurations.get(due.configuration_id), self.ledger.book(due.configuration_id)
        if one is None or not one.configuration.enabled or book.ticket != due.ticket:
            return
        if due.waited < _MOST_WAITS and self._ingest_is_busy():
            self._wait(due, _WAIT)  # what is on its way is neither stored nor missing
            return
        sweep = due.sweep or self._begun(one, book, due)
        if sweep is None:
            return
        work = _Work.of(sweep, due)
        try:
            self._compare(one.configuration, work)
        except _EndedEarlyError:
            if work.reached > work.since:
                self._wait(work.rest(due), timedelta(), waited=0)
                return
            work.trouble = "There is more than one sweep can compare; what was compared is right."
        except BudgetSpent as error:
            if due.waited < _MOST_WAITS:
                self._wait(work.rest(due), timedelta(seconds=error.retry_after or 0))
                return
            work.trouble = str(error)
        except PocketSOCError as error:
            work.trouble = str(error)[:1000]
        except Exception as error:  # a fault in a vendor's file is this configuration's trouble only
            _log.error("sweep of %s failed unexpectedly: %s", due.configuration_id, place_of(error))
            work.trouble = (
                f"Reading failed unexpectedly ({type(error).__name__}); see the log of sweep_vendor."
            )
        self._end(due, work)

    def _wait(self, due: SweepDue, delay: timedelta, *, waited: int = 1) -> None:
        again = due.model_copy(update={"waited": due.waited + waited})
        self.mailbox.send(Queue.sweeps, again, delay)

    def _ingest_is_busy(self) -> bool:
        return any(self.queues.depth(name) for name in (Queue.raw_alerts, Queue.raw_alerts_backlog))

    def _begun(self, one: Configured, book: Book, due: SweepDue) -> Sweep | None:
        """The sweep that is to be made; None when there is nothing to compare."""
        state, now = one.state, self.clock()
        if state.read_until is None:
            return None
        weekly = (book.complete_week or "") <= instant_of(now - _WEEKLY)
        span = Span.week if weekly else Span.day
        # What was made before the first poll looked was never asked for.
        begin = max(instant_of(now - span.length), state.read_from or one.configuration.created or "")
        return Sweep(
            id=due.ticket,
            span=span,
            since=begin,
            until=earlier(min(state.read_until, instant_of(now)), GRACE),
            begun=instant_of(now),
        )

    def _compare(self, configuration: Configuration, work: _Work) -> None:
        started = self.clock()
        for alerts in self._alerts(configuration, work):
            received = instant_of(self.clock())
            missing = work.compare(self.sifter.sift(configuration, alerts, received), received)
            if isinstance(alerts, SweepPage) and alerts.reached:
                work.reached = max(work.reached, alerts.reached)
            if missing:
                self._recover(configuration, work, missing, received)
            if self.clock() - started > _BUDGET:
                raise _EndedEarlyError

    def _alerts(self, configuration: Configuration, work: _Work) -> Iterator[tuple[Any, ...]]:
        vendor = self.vendors[configuration.vendor]
        yield from vendor.sweep(self.connect(configuration), work.since)

    def _recover(
        self, configuration: Configuration, work: _Work, missing: list[View], received: Instant
    ) -> None:
        """Send to ingest what is missing. The sweep is in the ledger before, so that the batches find it."""
        raw: list[RawAlert] = [view.queued(received) for view in missing]
        for start in range(0, len(raw), _ALERTS_A_MESSAGE):
            found = RawAlerts.of(configuration, raw[start : start + _ALERTS_A_MESSAGE])
            message = found.model_copy(update={"late": True, "sweep": work.sweep.id})
            work.queued[message.batch] = len(message.alerts)
            self._note(configuration.id, work)
            self.mailbox.send(Queue.raw_alerts_backlog, message)
        _log.warning("the ledger found %d alerts of %s missing", len(missing), configuration.id)

    def _note(self, configuration_id: str, work: _Work) -> None:
        self.ledger.change(configuration_id, lambda book: book.with_sweep(work.so_far))

    def _end(self, due: SweepDue, work: _Work) -> None:
        ended = work.so_far.model_copy(update={"ended": instant_of(self.clock()), "trouble": work.trouble})

        def done(book: Book) -> Book | None:
            if book.ticket != due.ticket:
                return None
            return book.with_sweep(ended).model_copy(update={"ticket": None, "ticket_until": None})

        self.ledger.change(due.configuration_id, done)
        if ended.span is Span.week:
            self.sifter.filtered.forget(due.configuration_id, instant_of(self.clock() - _FORGOTTEN))


@dataclass
class _Work:
    """A sweep under way. `since` is from when on it asks the vendor, which is later than the sweep's own
    where it goes on; `reached` is from when on it could go on later; `been` are hashes of what was
    compared."""

    sweep: Sweep
    since: Instant
    counts: Counts
    been: set[str]
    reached: Instant = ""
    trouble: str | None = None
    queued: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, sweep: Sweep, due: SweepDue) -> _Work:
        """The sweep that the message begins, or goes on with."""
        return cls(sweep, due.since or sweep.since, sweep.counts, set(due.been))

    @property
    def so_far(self) -> Sweep:
        """The sweep with what was compared."""
        queued = {**self.sweep.queued, **self.queued}
        return self.sweep.model_copy(update={"counts": self.counts, "queued": queued})

    def rest(self, due: SweepDue) -> SweepDue:
        """What is left to be done; all of it, where the vendor does not know how to go on."""
        if self.reached <= self.since:
            return due
        been = tuple(sorted(self.been))
        return due.model_copy(update={"sweep": self.so_far, "since": self.reached, "been": been})

    def compare(self, sifted: Sifted, received: Instant) -> list[View]:
        """Count a page; gives what is missing. Older alerts that came along count only if they are."""
        stored = [v for v in sifted.views if v.seen is not None and self._counts(v, received)]
        missing = [v for v in sifted.views if v.seen is None and self._counts(v, received, also_older=True)]
        filtered = [v for v in sifted.kept_out if self._counts(v, received)]
        self.counts = self.counts.plus(
            len(stored) + len(missing) + len(filtered) + sifted.unreadable,
            len(filtered),
            sifted.unreadable,
            min((view.made(received) for view in missing), default=None),
        )
        return missing

    def _counts(self, view: View, received: Instant, *, also_older: bool = False) -> bool:
        """Whether it is the sweep's business, and here for the first time."""
        made = view.made(received)
        if max(made, view.detection.updated or "") > self.sweep.until:
            return False
        if made < self.sweep.since and not also_older:
            return False
        name = hashlib.sha256(view.name.encode("utf-8", "replace")).hexdigest()[:16]
        known = name in self.been
        self.been.add(name)
        return not known


def _place(configuration_id: str) -> timedelta:
    """When in the hour a configuration has its sweep: always the same time, and not all at once."""
    digest = hashlib.sha256(configuration_id.encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:4], "big") % int(_SPREAD.total_seconds()))
