"""The inventory, on its own schedule: a look at what is due, and one reading for each kind and
configuration. Trouble is noted with the kind that it concerns; alerts are polled as if nothing were."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.errors import Conflict, OperatorMustAct, PocketSOCError, TryLater, place_of
from shared.nouns.configurations import Configuration
from shared.nouns.detections import instant_of
from shared.nouns.inventory import InventoryKind
from shared.pipeline.messages import InventoryDue, new_batch
from shared.store.configurations import Configurations
from shared.store.inventory import Inventory, ReadingState
from shared.store.mailbox import Mailbox
from shared.store.stores import Queue
from shared.vendors.abilities import InventoryVendor
from shared.vendors.vendor import Connection, Vendor

TICKET_LIFE = timedelta(minutes=20)  # longer than a function may run, and than its messages usually wait
_BUDGET = timedelta(minutes=8)
_SOONEST = timedelta(minutes=15)
_DAILY = (InventoryKind.score, InventoryKind.control)
_log = logging.getLogger(__name__)


def period(configuration: Configuration, kind: InventoryKind) -> timedelta:
    """How often a kind is read: scores change once a day, all else as the configuration says."""
    hours = configuration.inventory_hours
    return timedelta(hours=max(hours, 24) if kind in _DAILY else hours)


@dataclass(frozen=True)
class InventoryTicker:
    """Queues what is due, each with a ticket, so that one kind of a configuration is read by one at a
    time."""

    inventory: Inventory
    configurations: Configurations
    mailbox: Mailbox
    vendors: Mapping[str, Vendor]
    clock: Callable[[], datetime]

    def tick(self) -> int:
        """Queue what is due; gives how many. What belongs to a configuration that is gone is forgotten."""
        states = {(s.configuration_id, s.kind): s for s in self.inventory.states()}
        configured = {c.configuration.id: c.configuration for c in self.configurations.all()}
        for gone in {id for id, _ in states} - configured.keys():
            self.inventory.forget(gone)
        due = [
            states.get((one.id, kind)) or ReadingState(one.id, kind)
            for one in configured.values()
            for kind in self._kinds(one)
            if self._is_due(one, states.get((one.id, kind)))
        ]
        return sum(self._queue(state) for state in due)

    def read_now(self, configuration: Configuration) -> int:
        """Queue every kind of one configuration, due or not; gives how many."""
        states = {s.kind: s for s in self.inventory.states(configuration.id)}
        wanted = (states.get(k) or ReadingState(configuration.id, k) for k in self._kinds(configuration))
        return sum(self._queue(state) for state in wanted if not self._waits(state))

    def _kinds(self, configuration: Configuration) -> tuple[InventoryKind, ...]:
        vendor = self.vendors.get(configuration.vendor)
        wanted = configuration.enabled and isinstance(vendor, InventoryVendor)
        return vendor.inventory_kinds if wanted and isinstance(vendor, InventoryVendor) else ()

    def _is_due(self, configuration: Configuration, state: ReadingState | None) -> bool:
        if state is None:
            return True
        now = instant_of(self.clock())
        changed = (configuration.changed or "") > (state.attempted or "")
        return not self._waits(state) and ((state.next_due or "") <= now or changed)

    def _waits(self, state: ReadingState) -> bool:
        return state.ticket is not None and (state.ticket_until or "") > instant_of(self.clock())

    def _queue(self, state: ReadingState) -> bool:
        ticket = new_batch()
        until = instant_of(self.clock() + TICKET_LIFE)
        try:
            self.inventory.save(replace(state, ticket=ticket, ticket_until=until))
        except Conflict:
            return False  # somebody else has just queued or finished it
        due = InventoryDue(configuration_id=state.configuration_id, kind=state.kind, ticket=ticket)
        self.mailbox.send(Queue.inventory, due)
        return True


@dataclass(frozen=True)
class InventoryReader:
    """Reads. `connect` joins a configuration with its way to the vendor."""

    inventory: Inventory
    configurations: Configurations
    vendors: Mapping[str, Vendor]
    connect: Callable[[Configuration], Connection]
    clock: Callable[[], datetime]

    def read(self, due: InventoryDue) -> None:
        """Do what the message says. Raises only when our own storage fails; then the message comes again."""
        found = self.configurations.get(due.configuration_id)
        state = self.inventory.state(due.configuration_id, due.kind)
        vendor = self.vendors.get(found.configuration.vendor) if found else None
        if found is None or state.ticket != due.ticket or not isinstance(vendor, InventoryVendor):
            return
        try:
            self._read(found.configuration, vendor, state)
        except Conflict:
            _log.info("inventory of %s: another reading has taken over", due.configuration_id)

    def _read(self, configuration: Configuration, vendor: InventoryVendor, state: ReadingState) -> None:
        started = self.clock()
        before = state
        state = self.inventory.save(replace(state, attempted=instant_of(started)))
        try:
            self._walk(configuration, vendor, before, state, started)
        except PocketSOCError as error:
            self._fail(configuration, state, error)
        except Exception as error:  # a fault in a vendor's file is this kind's trouble only
            _log.error("inventory of %s failed unexpectedly: %s", configuration.id, place_of(error))
            words = f"Reading failed unexpectedly ({type(error).__name__}); see the log of read_inventory."
            self._fail(configuration, state, PocketSOCError(words))

    def _walk(
        self,
        configuration: Configuration,
        vendor: InventoryVendor,
        before: ReadingState,
        state: ReadingState,
        started: datetime,
    ) -> None:
        reading = self.inventory.reading(before, instant_of(started))
        for page in vendor.inventory(self.connect(configuration), state.kind):
            reading.take(page)
            if self.clock() - started > _BUDGET:
                raise TryLater(
                    f"There is more than can be read in {_BUDGET.total_seconds() / 60:.0f} minutes: "
                    f"{reading.count} were read and are kept, what is gone is not removed."
                )
        gone = reading.finish()
        _log.info("inventory of %s: %d %s, %d gone", configuration.id, reading.count, state.kind, gone)
        self.inventory.save(
            replace(
                state,
                read=instant_of(started),
                count=reading.count,
                next_due=instant_of(started + period(configuration, state.kind)),
                error=None,
                failing_since=None,
                failures=0,
                ticket=None,
                ticket_until=None,
                pages=reading.pages,
            )
        )

    def _fail(self, configuration: Configuration, state: ReadingState, error: PocketSOCError) -> None:
        now = self.clock()
        wait = _wait(configuration, state, error)
        _log.warning(
            "inventory of %s: %s failed, next in %d s: %s",
            *(configuration.id, state.kind, wait.total_seconds(), error),
        )
        self.inventory.save(
            replace(
                state,
                error=str(error)[:2000],
                failing_since=state.failing_since or instant_of(now),
                failures=state.failures + 1,
                next_due=instant_of(now + wait),
                ticket=None,
                ticket_until=None,
            )
        )


def _wait(configuration: Configuration, state: ReadingState, error: PocketSOCError) -> timedelta:
    """How long until the next try: what the vendor asked for; with each failure longer, up to the kind's own
    period. What a person must change is tried again when the configuration is changed, else once a period."""
    asked = error.retry_after if isinstance(error, TryLater) else None
    longest = period(configuration, state.kind)
    if isinstance(error, OperatorMustAct):
        return longest
    if asked is not None:
        return max(timedelta(seconds=asked), timedelta(minutes=1))
    return min(_SOONEST * 2.0 ** min(state.failures, 6), longest)
