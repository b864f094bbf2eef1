"""What is stored, and where: the contract's implementations and the stores of the nouns on top of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from shared.settings import Settings

if TYPE_CHECKING:
    from shared.store.audit import Audit
    from shared.store.budgets import Budgets
    from shared.store.checkups import Checkups
    from shared.store.configurations import Configurations
    from shared.store.deliveries import Deliveries
    from shared.store.detections import Detections
    from shared.store.exported import Exported
    from shared.store.feed import Feed
    from shared.store.filtered import Filtered
    from shared.store.heartbeats import Heartbeats
    from shared.store.incident_list import IncidentList
    from shared.store.incidents import Incidents
    from shared.store.installations import Installations
    from shared.store.inventory import Inventory
    from shared.store.ledger import Ledger
    from shared.store.mailbox import Mailbox
    from shared.store.posture import Posture
    from shared.store.quarantine import Quarantine
    from shared.store.sign_ins import SignIns
    from shared.store.stores import Blobs, Queues, Secrets, Tables
    from shared.store.troubles import Troubles

T = TypeVar("T")


class part(Generic[T]):  # noqa: N801 - reads as what it is: a decorator
    """A property made on first use and kept. Two threads that ask at once get the same one, which functools'
    cached_property has not promised since Python 3.12: two stores of one file would overwrite each other."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, parts: Any, owner: type[Any] | None = None) -> T:
        with parts.lock:
            if self._name not in parts.__dict__:
                parts.__dict__[self._name] = self._make(parts)
            made: T = parts.__dict__[self._name]
            return made


class Stores:
    """Every store, made when first asked for. Storage, secrets and clock can be handed in (tests,
    benchmarks)."""

    def __init__(
        self,
        settings: Settings,
        *,
        tables: Tables | None = None,
        queues: Queues | None = None,
        blobs: Blobs | None = None,
        secrets: Secrets | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.lock = threading.RLock()
        self.settings = settings
        self.clock = clock
        self.sleep = sleep
        handed = {"tables": tables, "queues": queues, "blobs": blobs, "secrets": secrets}
        self.__dict__.update({name: part for name, part in handed.items() if part is not None})

    @part
    def tables(self) -> Tables:
        from shared.store.tables import azure_tables

        return azure_tables(self.settings)

    @part
    def queues(self) -> Queues:
        from shared.store.queues import azure_queues

        return azure_queues(self.settings)

    @part
    def blobs(self) -> Blobs:
        from shared.store.blobs import azure_blobs

        return azure_blobs(self.settings)

    @part
    def secrets(self) -> Secrets:
        from shared.store.secrets import secrets_from

        return secrets_from(self.settings)

    @part
    def mailbox(self) -> Mailbox:
        from shared.store.mailbox import Mailbox

        return Mailbox(self.queues, self.blobs)

    @part
    def configurations(self) -> Configurations:
        from shared.store.configurations import Configurations

        return Configurations(tables=self.tables)

    @part
    def detections(self) -> Detections:
        from shared.store.detections import Detections

        return Detections(tables=self.tables, blobs=self.blobs, clock=self.clock)

    @part
    def feed(self) -> Feed:
        from shared.store.feed import Feed

        return Feed(tables=self.tables, clock=self.clock)

    @part
    def exported(self) -> Exported:
        from shared.store.exported import Exported

        return Exported(
            tables=self.tables,
            blobs=self.blobs,
            inventory=self.inventory,
            configurations=self.configurations,
        )

    @part
    def incidents(self) -> Incidents:
        from shared.store.incidents import Incidents

        return Incidents(tables=self.tables, blobs=self.blobs, clock=self.clock)

    @part
    def incident_list(self) -> IncidentList:
        from shared.store.incident_list import IncidentList

        return IncidentList(tables=self.tables)

    @part
    def inventory(self) -> Inventory:
        from shared.store.inventory import Inventory

        return Inventory(tables=self.tables)

    @part
    def installations(self) -> Installations:
        from shared.store.installations import Installations

        return Installations(tables=self.tables, secrets=self.secrets)

    @part
    def deliveries(self) -> Deliveries:
        from shared.store.deliveries import Deliveries

        return Deliveries(tables=self.tables)

    @part
    def quarantine(self) -> Quarantine:
        from shared.store.quarantine import Quarantine

        return Quarantine(tables=self.tables, blobs=self.blobs, clock=self.clock)

    @part
    def posture(self) -> Posture:
        from shared.store.posture import Posture

        return Posture(tables=self.tables, blobs=self.blobs)

    @part
    def filtered(self) -> Filtered:
        from shared.store.filtered import Filtered

        return Filtered(tables=self.tables)

    @part
    def checkups(self) -> Checkups:
        from shared.store.checkups import Checkups

        return Checkups(tables=self.tables)

    @part
    def sign_ins(self) -> SignIns:
        from shared.store.sign_ins import SignIns

        return SignIns(tables=self.tables, secrets=self.secrets, clock=self.clock)

    @part
    def troubles(self) -> Troubles:
        from shared.store.troubles import Troubles

        return Troubles(tables=self.tables)

    @part
    def heartbeats(self) -> Heartbeats:
        from shared.store.heartbeats import Heartbeats

        return Heartbeats(tables=self.tables)

    @part
    def audit(self) -> Audit:
        from shared.store.audit import Audit

        return Audit(tables=self.tables, clock=self.clock)

    @part
    def ledger(self) -> Ledger:
        from shared.store.ledger import Ledger

        return Ledger(tables=self.tables)

    @part
    def budgets(self) -> Budgets:
        from shared.store.budgets import Budgets

        return Budgets(tables=self.tables, clock=self.clock, sleep=self.sleep)
