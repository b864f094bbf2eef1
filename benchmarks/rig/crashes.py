"""Processes that die: before or after any call to storage or to a push service.

A `Life` stands between the product's parts and the stores that outlive it. When the `Plan` says so, a call
does not come back; from then on nothing of that life reaches anything, as after `kill -9`. Every place in the
product that makes such a call is a site; the plan sees to it that a process dies before and after each.
"""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shared.nouns.notifications import Installation, Notification, Outcome, Transport
from shared.push.transport import Delivery, PushTransport
from shared.store.stores import Blobs, Queues, Replace, Table, Tables

Answer = TypeVar("Answer")
_EAGER, _LAZY = 0.5, 0.005


class Crash(BaseException):
    """The process died here. Nothing may catch it, so it is no Exception."""


class Plan:
    """When processes die. `between`: at least about this long from one death to the next (simulated)."""

    def __init__(
        self, chance: random.Random, now: Callable[[], datetime], between: timedelta = timedelta(minutes=1)
    ) -> None:
        self._chance, self._now, self._between = chance, now, between
        self._lock = threading.Lock()
        self._not_before = now()
        self.active = True
        self.sites: Counter[str] = Counter()
        self.deaths: Counter[tuple[str, str]] = Counter()
        self.answers_lost = 0

    def due(self, site: str, when: str) -> bool:
        """Whether the process dies now; if so, that is written down."""
        with self._lock:
            self.sites[site] += when == "before"
            if not self.active or self._now() < self._not_before:
                return False
            if self._chance.random() >= (_LAZY if self.deaths[site, when] else _EAGER):
                return False
            self.deaths[site, when] += 1
            self._not_before = self._now() + self._between * self._chance.random() * 2
            return True

    @property
    def never_died_at(self) -> list[str]:
        """Sites at which no process died, with the side of the call."""
        return [
            f"{when} {s}"
            for s in sorted(self.sites)
            for when in ("before", "after")
            if not self.deaths[s, when]
        ]


class Life:
    """One process's. `spared`: it is not to die now, so that a message is not given up after five deaths."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.dead, self.spared = False, False
        self._unnoted: set[tuple[str, str]] = set()

    def call(self, site: str, do: Callable[[], Answer]) -> Answer:
        """Make a call, unless the process dies before. Raises Crash."""
        self._pass(site, "before")
        answer = do()
        self._pass(site, "after")
        return answer

    def _pass(self, site: str, when: str) -> None:
        if not self.dead and not self.spared and self._plan.due(site, when):
            self.dead = True
        if self.dead:
            raise Crash(site)

    def pushed(self, installation: str, notification: str) -> None:
        """A push service took it; nothing of ours says so yet."""
        self._unnoted.add((installation, notification))

    def noted(self, installation: str, notification: str) -> None:
        """Now something does."""
        self._unnoted.discard((installation, notification))

    def bury(self) -> None:
        """Count the pushes whose answer died with this life: they will go out again."""
        self._plan.answers_lost += len(self._unnoted)
        self._unnoted.clear()


def _site(call: str) -> str:
    """The call with the product's functions that make it, nearest first, at most three."""
    names: list[str] = []
    frame: Any = sys._getframe(2)
    while frame is not None and len(names) < 3:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("shared.") and not frame.f_code.co_name.startswith("<"):
            names.append(f"{module.removeprefix('shared.')}.{frame.f_code.co_name}")
        frame = frame.f_back
    return f"{call} in {' < '.join(names)}"


class DyingTables:
    """Tables (see `stores.Tables`) as a process that may die sees them."""

    def __init__(self, life: Life, tables: Tables) -> None:
        self._life, self._tables = life, tables

    def get(self, table: str, *args: Any) -> Any:
        """One row."""
        return self._life.call(_site(f"get {table}"), lambda: self._tables.get(table, *args))

    def scan(self, table: str, *args: Any, **options: Any) -> Any:
        """One page."""
        return self._life.call(_site(f"scan {table}"), lambda: self._tables.scan(table, *args, **options))

    def write(self, table: str, changes: Any) -> Any:
        """All changes or none."""

        def do() -> list[str]:
            etags = self._tables.write(table, changes)
            for change in changes if table == Table.deliveries else ():
                if isinstance(change, Replace):
                    self._life.noted(change.row.partition, change.row.key)
            return etags

        return self._life.call(_site(f"write {table}"), do)


class DyingQueues:
    """Queues (see `stores.Queues`), likewise. Receiving and deleting are the host's."""

    def __init__(self, life: Life, queues: Queues) -> None:
        self._life, self._queues = life, queues

    def send(self, queue: str, *args: Any, **options: Any) -> None:
        """Put a message."""
        self._life.call(_site(f"send {queue}"), lambda: self._queues.send(queue, *args, **options))

    def receive(self, *args: Any, **options: Any) -> Any:
        """Take messages."""
        return self._queues.receive(*args, **options)

    def delete(self, *args: Any) -> None:
        """Remove a message."""
        self._queues.delete(*args)

    def depth(self, queue: str) -> int:
        """How many wait."""
        return self._queues.depth(queue)


class DyingBlobs:
    """Blobs (see `stores.Blobs`), likewise."""

    def __init__(self, life: Life, blobs: Blobs) -> None:
        self._life, self._blobs = life, blobs

    def put(self, container: str, *args: Any) -> None:
        """Write."""
        self._life.call(_site(f"put blob {container}"), lambda: self._blobs.put(container, *args))

    def get(self, container: str, name: str) -> bytes | None:
        """Read."""
        return self._life.call(_site(f"get blob {container}"), lambda: self._blobs.get(container, name))

    def delete(self, container: str, name: str) -> None:
        """Delete."""
        self._life.call(_site(f"delete blob {container}"), lambda: self._blobs.delete(container, name))


class DyingTransport:
    """A push service, likewise."""

    name = Transport.webpush

    def __init__(self, life: Life, transport: PushTransport) -> None:
        self._life, self._transport = life, transport

    def validate(self, registration: dict[str, Any]) -> dict[str, Any]:
        """The registration, checked."""
        return self._transport.validate(registration)

    def public_key(self) -> str | None:
        """What a browser needs."""
        return self._transport.public_key()

    def send(self, notification: Notification, installation: Installation) -> Delivery:
        """Hand over one notification."""

        def do() -> Delivery:
            sent = self._transport.send(notification, installation)
            if sent.outcome is Outcome.delivered:
                self._life.pushed(installation.id, notification.id)
            return sent

        return self._life.call(_site("push"), do)
