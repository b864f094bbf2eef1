"""Alerts in order, and what is still to happen to them. Made for 100,000: sorted once, searched by
bisection, never copied whole.

A shelf shows only what a client can see. What becomes visible, or changes, later is an appointment that
`settle` keeps when its time has come; so an alert can appear hours after the time that it is stamped with.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import count, islice
from typing import Any, Generic, TypeVar

Record = TypeVar("Record")


class Shelf(Generic[Record]):
    """Records by name and in the order of `key`. Not thread-safe: callers hold the world's lock."""

    def __init__(self, *, name: Callable[[Record], str], key: Callable[[Record], Any]) -> None:
        self._name, self._key = name, key
        self._named: dict[str, Record] = {}
        self._hidden: dict[str, Record] = {}
        self._ordered: list[Record] = []
        self._sorted = True
        self._appointments: list[tuple[int, int, Callable[[], None]]] = []
        self._turn = count()

    def __len__(self) -> int:
        return len(self._named)

    def add(self, record: Record) -> None:
        """Put a record on the shelf, visible at once."""
        self._named[self._name(record)] = record
        self._ordered.append(record)
        self._sorted = False

    def put(self, record: Record, *, visible: int, now: int) -> None:
        """Let clients see the record from `visible` (ticks) on."""
        if visible <= now:
            self.add(record)
            return
        self._hidden[self._name(record)] = record
        self.later(visible, lambda: self.add(self._hidden.pop(self._name(record))))

    def find(self, name: str) -> Record | None:
        """The record with this name, visible or still to become so."""
        return self._named.get(name) or self._hidden.get(name)

    def get(self, name: str) -> Record | None:
        """The visible record with this name."""
        return self._named.get(name)

    def remove(self, record: Record) -> None:
        """Take a visible record off the shelf."""
        del self._named[self._name(record)]
        self._ordered.remove(record)

    def change(self, record: Record, do: Callable[[], None]) -> None:
        """Run `do`, which may change the record's key, and put the record in its new place."""
        if self._name(record) in self._hidden:
            do()
            return
        self._sort()
        place = bisect_left(self._ordered, self._key(record), key=self._key)
        while self._ordered[place] is not record:
            place += 1
        del self._ordered[place]
        do()
        self._ordered.insert(bisect_right(self._ordered, self._key(record), key=self._key), record)

    def at(self, when: int, do: Callable[[], None], *, now: int) -> None:
        """Run `do` at once, or `later` if its time has not come."""
        if when <= now:
            do()
        else:
            self.later(when, do)

    def later(self, when: int, do: Callable[[], None]) -> None:
        """Have `do` run once the world's time (ticks) has reached `when`."""
        heapq.heappush(self._appointments, (when, next(self._turn), do))

    def settle(self, now: int) -> None:
        """Keep every appointment that is due, in order."""
        while self._appointments and self._appointments[0][0] <= now:
            heapq.heappop(self._appointments)[2]()

    @property
    def pending(self) -> int:
        """How many appointments are still to come."""
        return len(self._appointments)

    def ordered(self) -> Sequence[Record]:
        """Every visible record in the order of the key. Read it only while holding the lock."""
        self._sort()
        return self._ordered

    def between(self, low: Any, high: Any) -> Iterable[Record]:
        """The records with low <= key < high, lazily, in order."""
        self._sort()
        first = bisect_left(self._ordered, low, key=self._key)
        last = bisect_left(self._ordered, high, lo=first, key=self._key)
        return (
            islice(self._ordered, first, last)
            if first == 0
            else map(self._ordered.__getitem__, range(first, last))
        )

    def _sort(self) -> None:
        if not self._sorted:
            self._ordered.sort(key=self._key)
            self._sorted = True
