"""Filtered alerts are counted once each, whoever counts them at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.errors import TryLater
from shared.store.filtered import Filtered
from shared.store.memory import MemoryTables
from shared.store.stores import Change, Tables

DAY = "2026-11-20T10:00:00.0000000Z"
OLD = "2026-08-01T10:00:00.0000000Z"


def test_each_alert_is_counted_once_for_its_configuration(tables: Tables) -> None:
    """Whatever its name holds, and however many days there are."""
    store = Filtered(tables=tables)
    assert store.total("c/1") == 0
    assert store.note("c/1", [("a#ä\ud800", DAY), ("b", OLD)]) == 2
    assert store.note("c/1", [("b", OLD), ("a#ä\ud800", DAY)]) == 2
    assert store.note("c/1", [("c", DAY)]) == 3
    assert store.note("c2", [("c", DAY)]) == 1
    many = [
        (f"n{d}", f"{2000 + d // 300}-{1 + d % 12:02}-{1 + d % 28:02}T00:00:00.0000000Z") for d in range(500)
    ]
    assert store.note("c3", many) == store.note("c3", many) == store.total("c3") == 500


def test_a_day_of_many_alerts_fits(tables: Tables) -> None:
    """More than one column takes."""
    store = Filtered(tables=tables)
    many = [(f"alert {n}", DAY) for n in range(20_000)]
    assert store.note("c1", many) == 20_000
    assert store.note("c1", [*many[:3], ("one more", DAY)]) == 20_001


def test_what_is_forgotten_stays_counted(tables: Tables) -> None:
    """Only which alerts those were is forgotten."""
    store = Filtered(tables=tables)
    store.note("c1", [("a", OLD), ("b", DAY)])
    store.forget("c1", "2026-11-01T00:00:00.0000000Z")
    assert store.total("c1") == 2
    assert store.note("c1", [("b", DAY)]) == 2


def test_two_who_count_at_once_count_each_alert_once(tables: Tables) -> None:
    """The second reads again."""
    store = Filtered(tables=tables)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.note("c1", [("same", DAY), (f"own {n}", DAY)]), range(8)))
    assert store.total("c1") == 9


class _DiesOnce(MemoryTables):
    """The second write fails."""

    writes = 0

    def write(self, table: str, changes: Sequence[Change]) -> list[str]:
        self.writes += 1
        if self.writes == 2:
            raise TryLater("Storage is away.")
        return super().write(table, changes)


def test_whoever_dies_between_two_writes_counts_each_alert_once() -> None:
    """More days than one transaction takes: what was written is in the total already."""
    days = [f"{2026 - n // 300}-{1 + n % 12:02}-{1 + n % 25:02}T00:00:00.0000000Z" for n in range(600)]
    kept_out = [(f"n{n}", day) for n, day in enumerate(days)]
    store = Filtered(tables=_DiesOnce())
    with pytest.raises(TryLater):
        store.note("c1", kept_out)
    assert store.note("c1", kept_out) == store.total("c1") == 600
