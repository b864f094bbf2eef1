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

from shared.errors import Conflict, PocketSOCError, TryLater, Unreadable
from shared.nouns.configurations import Configuration, PollState
from shared.nouns.detections import Channel, RawAlert, instant_of
from shared.nouns.identity import aliases
from shared.pipeline.incidents import IncidentReader
from shared.pipeline.messages import PollDue, RawAlerts
from shared.pipeline.reading import as_bytes, read_alert, storable
from shared.pipeline.tick import TICKET_LIFE
from shared.store.configurations import Configurations
from shared.store.detections import Detections
from shared.store.mailbox import Mailbox
from shared.store.quarantine import Kind, Quarantine
from shared.store.stores import Queue
from shared.vendors.vendor import Connection, Page, Vendor

_BUDGET = timedelta(minutes=4)
_SLOWEST = timedelta(minutes=15)
_QUIET = timedelta(seconds=30)
_ALERTS_A_MESSAGE = 250
_log = logging.getLogger(__name__)


class SupersededError(Exception):
    """The configuration was removed or another poll has taken over: stop without a word."""


@dataclass(frozen=True)
class Poller:
    """Polls. `connect` joins a configuration with its way to the vendor."""

    configurations: Configurations
    detections: Detections
    incidents: IncidentReader
    quarantine: Quarantine
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
        started = self.clock()
        state = configured.state.model_copy(update={"last_attempt": instant_of(started)})
        try:
            self._walk(configured.configuration, state, started)
        except SupersededError:
            _log.info("poll of %s: another one has taken over", due.configuration_id)

    def _walk(self, configuration: Configuration, state: PollState, started: datetime) -> None:
        vendor = self.vendors[configuration.vendor]
        pages, saved = self._pages(vendor, configuration, state), started
        while True:
            try:
                page = next(pages, None)
            except PocketSOCError as error:
                self._fail(configuration, state, error)
                return
            except Exception as error:  # a fault in a vendor's file is this configuration's trouble only
                _log.exception("poll of %s failed unexpectedly", configuration.id)
                words = f"Reading failed unexpectedly ({type(error).__name__}); see the log of poll_vendor."
                self._fail(configuration, state, PocketSOCError(words))
                return
            if page is None:
                return
            queued = self._queue(vendor, configuration, page)
            if page.incidents:
                self.incidents.keep(configuration, page.incidents)
            state = state.model_copy(
                update={
                    "cursor": page.cursor,
                    # Not before there is a page: a poll that failed at once has begun no walk.
                    "walk_started": state.walk_started or instant_of(started),
                    "alerts_read": state.alerts_read + len(page.alerts),
                    "alerts_queued": state.alerts_queued + queued,
                }
            )
            if page.done:
                self._succeed(configuration, state, started)
                return
            now = self.clock()
            ended = now - started > _BUDGET
            # Where a page brought nothing, losing its cursor loses nothing: the page is only read again.
            if queued or ended or now - saved > _QUIET:
                renewed = state.model_copy(update={"ticket_until": instant_of(now + TICKET_LIFE)})
                state, saved = self._save(renewed, ticket=state.ticket or ""), now
            if ended:
                self.mailbox.send(
                    Queue.polls, PollDue(configuration_id=configuration.id, ticket=state.ticket or "")
                )
                return

    def _pages(self, vendor: Vendor, configuration: Configuration, state: PollState) -> Iterator[Page]:
        yield from vendor.fetch(self.connect(configuration), state.cursor)

    def _queue(self, vendor: Vendor, configuration: Configuration, page: Page) -> int:
        """Queue the page's new and changed alerts; quarantine what cannot be read. Gives how many were
        queued."""
        received = instant_of(self.clock())
        prints: list[tuple[Any, str, str]] = []
        for alert in page.alerts:
            try:
                raw = storable(alert)
                detection = read_alert(vendor, raw, Channel.poll, configuration.cloud)
            except Unreadable as error:
                self.quarantine.put(Kind.alert, as_bytes(alert), reason=str(error), source=configuration.id)
                continue
            prints.append((raw, aliases(detection)[0], detection.fingerprint))
        worth = self._worth(configuration, prints, received)
        for start in range(0, len(worth), _ALERTS_A_MESSAGE):
            alerts = tuple(worth[start : start + _ALERTS_A_MESSAGE])
            self.mailbox.send(
                Queue.raw_alerts,
                RawAlerts(
                    configuration_id=configuration.id,
                    channel=Channel.poll,
                    alerts=alerts,
                    scope=configuration.scope,
                ),
            )
        return len(worth)

    def _worth(
        self, configuration: Configuration, prints: Sequence[tuple[Any, str, str]], received: str
    ) -> list[RawAlert]:
        known = self.detections.known(configuration.scope, [name for _, name, _ in prints])
        source = f"{configuration.id}:{Channel.poll}"
        return [
            RawAlert(body=raw, received=received, known_new=name not in known)
            for raw, name, fingerprint in prints
            if name not in known or known[name].seen.get(source) != fingerprint
        ]

    def _succeed(self, configuration: Configuration, state: PollState, started: datetime) -> None:
        self._save(
            state.model_copy(
                update={
                    "last_success": instant_of(self.clock()),
                    "read_until": state.walk_started,
                    "walk_started": None,
                    "last_error": None,
                    "failing_since": None,
                    "failures": 0,
                    "ticket": None,
                    "ticket_until": None,
                    "next_due": instant_of(started + timedelta(seconds=configuration.poll_interval)),
                }
            ),
            ticket=state.ticket or "",
        )

    def _fail(self, configuration: Configuration, state: PollState, error: PocketSOCError) -> None:
        now = self.clock()
        wait = _wait(configuration, state.failures, error)
        _log.warning("poll of %s failed, next in %d s: %s", configuration.id, wait.total_seconds(), error)
        self._save(
            state.model_copy(
                update={
                    "last_error": str(error)[:2000],
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
                self.configurations.save_state(state)
                return state if state.ticket is None else self._reread(state, ticket)
            except Conflict:
                state = self._reread(state, ticket)
        raise TryLater("The poll state kept being changed by others; it is tried again.")

    def _reread(self, state: PollState, ticket: str) -> PollState:
        current = self.configurations.get(state.configuration_id)
        if current is None or current.state.ticket != ticket:
            raise SupersededError
        return state.model_copy(update={"etag": current.state.etag})


def _wait(configuration: Configuration, failures: int, error: PocketSOCError) -> timedelta:
    """How long until the next try: what the vendor asked for, else longer with each failure."""
    asked = error.retry_after if isinstance(error, TryLater) else None
    if asked is not None:
        return timedelta(seconds=max(asked, 1))
    return min(timedelta(seconds=configuration.poll_interval * 2.0 ** min(failures, 5)), _SLOWEST)
