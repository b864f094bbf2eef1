"""Read one configuration from its cursor to the present and queue what is new or changed.

For each page: compare with the stored identities, queue, and only then store the page's cursor. Trouble
ends in the configuration's health, in words, and in the time of its next poll; it never stops another
configuration.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.errors import BudgetSpent, Conflict, PocketSOCError, TryLater, place_of
from shared.nouns.configurations import Configuration, PollState
from shared.nouns.detections import Channel, RawAlert, instant_of
from shared.pipeline.hearing import heard
from shared.pipeline.incidents import IncidentReader
from shared.pipeline.messages import PollDue, RawAlerts
from shared.pipeline.sift import Sifter
from shared.pipeline.tick import TICKET_LIFE
from shared.store.configurations import Configurations
from shared.store.mailbox import Mailbox
from shared.store.stores import Queue
from shared.vendors.vendor import Connection, Page, Vendor, WebhookVendor

_BUDGET = timedelta(minutes=4)
_SLOWEST = timedelta(minutes=15)
_QUIET = timedelta(seconds=30)
_ALERTS_A_MESSAGE = 250
_log = logging.getLogger(__name__)


class SupersededError(Exception):
    """The configuration was removed or another poll has taken over: stop without a word."""


@dataclass
class _Run:
    """One poll. `queued` counts what it has queued; `left`, what its last page has beyond the most that may
    be."""

    started: datetime
    queued: int = 0
    left: int = 0


@dataclass(frozen=True)
class Poller:
    """Polls. `connect` joins a configuration with its way to the vendor."""

    configurations: Configurations
    sifter: Sifter
    incidents: IncidentReader
    mailbox: Mailbox
    vendors: Mapping[str, Vendor]
    connect: Callable[[Configuration], Connection]
    clock: Callable[[], datetime]

    def poll(self, due: PollDue) -> None:
        """Do what the message says. Raises only when our own storage fails; then the message comes again."""
        configured = self.configurations.get(due.configuration_id)
        if (
            configured is None
            or not configured.configuration.enabled
            or configured.state.ticket != due.ticket
        ):
            return
        run = _Run(self.clock())
        state = configured.state.model_copy(update={"last_attempt": instant_of(run.started)})
        try:
            self._walk(configured.configuration, state, run)
        except SupersededError:
            _log.info("poll of %s: another one has taken over", due.configuration_id)

    def _walk(self, configuration: Configuration, state: PollState, run: _Run) -> None:
        pages, saved = self._pages(configuration, state), run.started
        while True:
            try:
                page = next(pages, None)
            except BudgetSpent as error:
                self._pause(configuration, state, error)
                return
            except PocketSOCError as error:
                self._fail(configuration, state, error)
                return
            except Exception as error:  # a fault in a vendor's file is this configuration's trouble only
                _log.error("poll of %s failed unexpectedly: %s", configuration.id, place_of(error))
                words = f"Reading failed unexpectedly ({type(error).__name__}); see the log of poll_vendor."
                self._fail(configuration, state, PocketSOCError(words))
                return
            if page is None:
                return
            state, queued = self._take(configuration, state, page, run)
            if page.incidents:
                self.incidents.keep(configuration, page.incidents)
            if page.done or run.left:
                self._succeed(configuration, state, run)
                return
            now = self.clock()
            ended = now - run.started > _BUDGET
            # Where a page brought nothing, losing its cursor loses nothing: the page is only read again.
            if queued or ended or now - saved > _QUIET:
                renewed = state.model_copy(update={"ticket_until": instant_of(now + TICKET_LIFE)})
                state, saved = self._save(renewed, ticket=state.ticket or ""), now
            if ended:
                self.mailbox.send(
                    Queue.polls, PollDue(configuration_id=configuration.id, ticket=state.ticket or "")
                )
                return

    def _pages(self, configuration: Configuration, state: PollState) -> Iterator[Page]:
        vendor = self.vendors[configuration.vendor]
        yield from vendor.fetch(self.connect(configuration), state.cursor)

    def _take(
        self, configuration: Configuration, state: PollState, page: Page, run: _Run
    ) -> tuple[PollState, int]:
        """Queue the page's new and changed alerts that are wanted, as many as may be; gives the state
        afterwards, in which the page counts as read unless some of it is left for the next poll, and how many
        were queued."""
        received = instant_of(self.clock())
        sifted = self.sifter.sift(configuration, page.alerts, received)
        source = f"{configuration.id}:{Channel.poll}"
        worth = [view.queued(received) for view in sifted.views if not view.said_by(source)]
        most = configuration.filters.most_per_poll
        now = worth if most is None else worth[: max(most - run.queued, 0)]
        run.left = len(worth) - len(now)
        self._queue(configuration, now, run)
        after: dict[str, Any] = {
            # Not before there is a page: a poll that failed at once has begun no walk.
            "walk_started": state.walk_started or instant_of(run.started),
            "read_from": state.read_from or _first_read(configuration, run.started),
            "alerts_queued": state.alerts_queued + len(now),
        }
        if not run.left:
            after |= {"cursor": page.cursor, "alerts_read": state.alerts_read + len(page.alerts)}
        if sifted.kept_out_in_all is not None:
            after["alerts_filtered"] = sifted.kept_out_in_all
        if isinstance(self.vendors[configuration.vendor], WebhookVendor):
            after |= heard(configuration, state, sifted.views, received)
        return state.model_copy(update=after), len(now)

    def _queue(self, configuration: Configuration, worth: Sequence[RawAlert], run: _Run) -> None:
        """The first of a poll on the way of everybody's news, the rest where a backlog keeps nobody waiting
        but itself."""
        for start in range(0, len(worth), _ALERTS_A_MESSAGE):
            alerts = worth[start : start + _ALERTS_A_MESSAGE]
            first = run.queued < _ALERTS_A_MESSAGE
            to = Queue.raw_alerts if first else Queue.raw_alerts_backlog
            self.mailbox.send(to, RawAlerts.of(configuration, alerts))
            run.queued += len(alerts)

    def _succeed(self, configuration: Configuration, state: PollState, run: _Run) -> None:
        after: dict[str, Any] = {
            "last_success": instant_of(self.clock()),
            "last_error": None,
            "error_kind": None,
            "failing_since": None,
            "failures": 0,
            "ticket": None,
            "ticket_until": None,
            "next_due": instant_of(run.started + timedelta(seconds=configuration.poll_interval)),
        }
        if not run.left:  # else the walk goes on with the next poll
            after |= {"read_until": state.walk_started, "walk_started": None}
        if configuration.filters.choosy:  # the webhook's are counted too
            after["alerts_filtered"] = self.sifter.filtered.total(configuration.id)
        self._save(state.model_copy(update=after), ticket=state.ticket or "")

    def _pause(self, configuration: Configuration, state: PollState, error: BudgetSpent) -> None:
        """Leave what is left of the vendor's calls to the analysts. Nothing has failed."""
        wait = timedelta(seconds=max(error.retry_after or 0, 1))
        _log.info("poll of %s pauses for %d s: %s", configuration.id, wait.total_seconds(), error)
        after = {"ticket": None, "ticket_until": None, "next_due": instant_of(self.clock() + wait)}
        self._save(state.model_copy(update=after), ticket=state.ticket or "")

    def _fail(self, configuration: Configuration, state: PollState, error: PocketSOCError) -> None:
        now = self.clock()
        wait = _wait(configuration, state.failures, error)
        _log.warning("poll of %s failed, next in %d s: %s", configuration.id, wait.total_seconds(), error)
        self._save(
            state.model_copy(
                update={
                    "last_error": str(error)[:2000],
                    "error_kind": type(error).__name__,
                    "failing_since": state.failing_since or instant_of(now),
                    "failures": state.failures + 1,
                    "ticket": None,
                    "ticket_until": None,
                    "next_due": instant_of(now + wait),
                }
            ),
            ticket=state.ticket or "",
        )

    def _save(self, state: PollState, *, ticket: str) -> PollState:
        """Store the state while the ticket is the configuration's; gives it back, ready to be stored again
        when the poll goes on."""
        for _ in range(5):
            try:
                return self.configurations.save_state(state)
            except Conflict:
                state = self._reread(state, ticket)
        raise TryLater("The poll state kept being changed by others; it is tried again.")

    def _reread(self, state: PollState, ticket: str) -> PollState:
        current = self.configurations.get(state.configuration_id)
        if current is None or current.state.ticket != ticket:
            raise SupersededError
        return state.model_copy(update={"etag": current.state.etag})


def _first_read(configuration: Configuration, started: datetime) -> str:
    return instant_of(started - timedelta(days=configuration.first_read_days))


def _wait(configuration: Configuration, failures: int, error: PocketSOCError) -> timedelta:
    """How long until the next try: what the vendor asked for, else longer with each failure."""
    asked = error.retry_after if isinstance(error, TryLater) else None
    if asked is not None:
        return timedelta(seconds=max(asked, 1))
    return min(timedelta(seconds=configuration.poll_interval * 2.0 ** min(failures, 5)), _SLOWEST)
