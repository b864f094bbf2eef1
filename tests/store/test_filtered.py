"""Filtered alerts are counted once each, whoever counts them at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shared.store.filtered import Filtered
from shared.store.stores import Tables

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
