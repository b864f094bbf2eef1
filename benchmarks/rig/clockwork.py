"""A Functions host in simulated time: each function works on so many messages at once, each call it makes
takes a time, and nothing else does. The functions are the product's, on memory stores.

So the answer does not depend on this machine, and what one function's backlog costs another's can be seen to
the millisecond. What it leaves out: instances are not added (more of them hide what this shows), and
functions do not share a processor (on Flex Consumption each scales by itself).
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from devhost.pump import Pump
from shared.bootstrap import Parts
from shared.store.memory import MemoryTables
from shared.store.stores import Change, Message, Row, Rows, Tables

AT_ONCE = 8  # host.json: batchSize


@dataclass
class Clock:
    """Seconds since the beginning; what is done moves it."""

    begin: datetime
    now: float = 0.0

    def __call__(self) -> datetime:
        return self.begin + timedelta(seconds=self.now)

    def spend(self, milliseconds: float) -> None:
        """Let a call take its time."""
        self.now += milliseconds / 1000


@dataclass(frozen=True)
class Costs:
    """Milliseconds: of a storage call and of each row in it, of a vendor's page and of each alert in it, of a
    push (of which the notifier sends eight at once)."""

    storage: float = 8.0
    row: float = 0.3
    page: float = 300.0
    alert: float = 0.3
    push: float = 50.0 / 8


@dataclass
class TimedTables:
    """Tables (see `stores.Tables`) whose calls take time."""

    clock: Clock
    costs: Costs
    tables: Tables = field(default_factory=MemoryTables)

    def get(self, *args: Any) -> Row | None:
        """One row."""
        self.clock.spend(self.costs.storage)
        return self.tables.get(*args)

    def scan(self, *args: Any, **options: Any) -> Rows:
        """One page."""
        page = self.tables.scan(*args, **options)
        self.clock.spend(self.costs.storage + self.costs.row * len(page.rows) / 10)
        return page

    def write(self, table: str, changes: list[Change]) -> list[str]:
        """All changes or none."""
        self.clock.spend(self.costs.storage + self.costs.row * len(changes))
        return self.tables.write(table, changes)


@dataclass
class TimedQueues:
    """Queues as the clockwork drives them. `one_lane` puts a backlog on everybody's way."""

    clock: Clock
    costs: Costs
    one_lane: bool = False
    waiting: dict[str, list[tuple[float, int, str]]] = field(default_factory=lambda: defaultdict(list))
    _number: Any = field(default_factory=itertools.count)

    def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        """Put a message; it is visible when the call is over."""
        self.clock.spend(self.costs.storage)
        name = queue.removesuffix("-backlog") if self.one_lane else queue
        visible = self.clock.now + delay.total_seconds()
        heapq.heappush(self.waiting[name], (visible, next(self._number), body))

    def receive(self, *_: Any, **__: Any) -> list[Message]:
        """Never called: the clockwork hands messages out."""
        raise NotImplementedError

    def delete(self, *_: Any) -> None:
        """Never called."""
        raise NotImplementedError

    def depth(self, queue: str) -> int:
        """How many wait."""
        return len(self.waiting[queue])


class Clockwork:
    """Runs the functions until nothing is left to do."""

    def __init__(self, parts: Parts, clock: Clock, queues: TimedQueues) -> None:
        self._clock, self._queues = clock, queues
        self._pump = Pump(parts)

    def run(self) -> None:
        """Work off every queue. A function's slots take the messages in the order of their visibility."""
        free: dict[str, deque[float]] = defaultdict(lambda: deque([0.0] * AT_ONCE))
        while (next_up := self._next(free)) is not None:
            start, name = next_up
            _, _, body = heapq.heappop(self._queues.waiting[name])
            free[name].popleft()
            self._clock.now = start
            self._pump.handler(name)(body, False)
            self._clock.spend(self._queues.costs.storage)  # the host deletes the message
            free[name].append(self._clock.now)
            free[name] = deque(sorted(free[name]))

    def _next(self, free: Mapping[str, deque[float]]) -> tuple[float, str] | None:
        """Which message is begun next, and when."""
        heads = (
            (max(messages[0][0], free[name][0]), name)
            for name, messages in self._queues.waiting.items()
            if messages
        )
        return min(heads, default=None)
