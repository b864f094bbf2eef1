"""When each timer last came to its end, so that a timer that does not come any more is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.nouns.detections import Instant
from shared.store.stores import Replace, Row, Span, Table, Tables, every_row, key_safe

_PARTITION = "timers"


@dataclass(frozen=True)
class Heartbeat:
    """One timer. `expected` is since when it is waited for, `last` when it last came to its end; `counts` is
    what it found then and wants to know the next time."""

    timer: str
    expected: Instant
    last: Instant | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


class Heartbeats:
    """A row for each timer."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    def all(self) -> dict[str, Heartbeat]:
        """Every timer that is known, by name. One storage call."""
        rows = every_row(self._tables, Table.heartbeats, Span.within(_PARTITION))
        return {row.key: _heartbeat(row) for row in rows}

    def expect(self, timers: Iterable[str], now: Instant) -> dict[str, Heartbeat]:
        """Every timer, after noting those that are new: they are waited for from now on."""
        known = self.all()
        for timer in timers:
            if timer not in known:
                known[timer] = Heartbeat(timer, now)
                self._write(known[timer])
        return known

    def note(self, timer: str, now: Instant, *, counts: Mapping[str, int] | None = None) -> None:
        """The timer has come to its end. What it counted before stays unless it has counted again."""
        before = self.all().get(timer)
        kept = before.counts if before and counts is None else counts or {}
        self._write(Heartbeat(timer, before.expected if before else now, now, kept))

    def _write(self, one: Heartbeat) -> None:
        values = {
            "expected": one.expected,
            "last": one.last or "",
            "counts": json.dumps(dict(one.counts), separators=(",", ":")),
        }
        self._tables.write(Table.heartbeats, [Replace(Row(_PARTITION, key_safe(one.timer), values))])


def _heartbeat(row: Row) -> Heartbeat:
    return Heartbeat(
        timer=row.key,
        expected=str(row.values["expected"]),
        last=str(row.values.get("last", "")) or None,
        counts=json.loads(str(row.values.get("counts", "{}"))),
    )
