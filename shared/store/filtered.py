"""Which alerts a configuration's filters have kept out, so that each is counted once, however often it is
read again and by which way it came. Of an alert only a short hash is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice

from shared.nouns.detections import Instant
from shared.store.stores import (
    Change,
    Delete,
    Row,
    Span,
    Table,
    Tables,
    Value,
    as_read,
    every_row,
    key_safe,
    until_first,
)

_TOTAL = "total"
_DIGEST = 8
_A_COLUMN = 60_000  # a column takes 64 KiB
_MOST = 100_000  # a day's hashes must fit into one row; what is beyond them may be counted again
_DAYS = 50  # in one transaction, which takes 4 MiB


class Filtered:
    """A row for each day's alerts, and one that counts all; a partition for each configuration."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    def note(self, configuration_id: str, kept_out: Iterable[tuple[str, Instant]]) -> int:
        """Count alerts, each by its name and when it was made; gives how many there are now in all. One
        storage call when all are counted already."""
        days: dict[str, set[bytes]] = {}
        for name, made in kept_out:
            digest = hashlib.sha256(name.encode("utf-8", "replace")).digest()[:_DIGEST]
            days.setdefault(made[:10], set()).add(digest)
        total, left = 0, iter(sorted(days.items()))
        while some := dict(islice(left, _DAYS)):
            total = until_first(
                partial(self._noted, configuration_id, some),
                "Others kept counting filtered alerts of the same configuration; it is tried again.",
            )
        return total

    def _noted(self, configuration_id: str, days: Mapping[str, set[bytes]]) -> int:
        """Count these days' alerts, and them in the total, in one transaction."""
        span = Span.within(key_safe(configuration_id), min(days), _TOTAL)
        rows = {row.key: row for row in every_row(self._tables, Table.filtered, span)}
        changes, total = _added(configuration_id, rows, days)
        if changes:
            self._tables.write(Table.filtered, changes)
        return total

    def total(self, configuration_id: str) -> int:
        """How many different alerts were kept out. One storage call."""
        row = self._tables.get(Table.filtered, key_safe(configuration_id), _TOTAL)
        return _count(row)

    def forget(self, configuration_id: str, before: Instant) -> None:
        """Forget which alerts those were that were made before; they stay counted."""
        old = Span.within(key_safe(configuration_id), "", before[:10])
        page = self._tables.scan(Table.filtered, old, select=[], limit=100)
        if page.rows:
            self._tables.write(Table.filtered, [Delete(row.partition, row.key) for row in page.rows])


def _added(
    configuration_id: str, rows: Mapping[str, Row], days: Mapping[str, set[bytes]]
) -> tuple[list[Change], int]:
    """What to write so that these are counted, and how many there are then."""
    total = _count(rows.get(_TOTAL))
    changes: list[Change] = []
    for day, digests in days.items():
        known = _digests(rows[day]) if day in rows else set()
        if digests <= known:
            continue
        total += len(digests - known)
        changes.append(_change(configuration_id, day, _columns(known | digests), rows.get(day)))
    if changes:
        changes.append(_change(configuration_id, _TOTAL, {"count": total}, rows.get(_TOTAL)))
    return changes, total


def _change(configuration_id: str, key: str, values: Mapping[str, Value], before: Row | None) -> Change:
    return as_read(Row(key_safe(configuration_id), key, values, before.etag if before else ""))


def _count(row: Row | None) -> int:
    return int(row.values.get("count", 0)) if row else 0


def _digests(row: Row) -> set[bytes]:
    whole = b"".join(value for _, value in sorted(row.values.items()) if isinstance(value, bytes))
    return {whole[i : i + _DIGEST] for i in range(0, len(whole), _DIGEST)}


def _columns(digests: set[bytes]) -> dict[str, Value]:
    whole = b"".join(sorted(digests)[:_MOST])
    pieces = [whole[i : i + _A_COLUMN] for i in range(0, len(whole), _A_COLUMN)]
    return {f"seen{number:02}": piece for number, piece in enumerate(pieces)}
