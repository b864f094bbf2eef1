"""`dev.py bench feed`: the first page of 50, with few and with many stored cards, against the bare SDK's
query for the same rows of the same table.

Azurite looks at the whole table for every query, so that both get slower there; Azure does not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from azure.data.tables import TableServiceClient

from benchmarks.rig.many_cards import fill
from benchmarks.rig.report import Report
from benchmarks.rig.storage import azurite, configure, parts_on
from benchmarks.rig.wire import counted, told
from devhost.azurite import Azurite
from shared.bootstrap import Parts
from shared.store.account import transport
from shared.store.cards import LIST_COLUMNS
from shared.store.feed import FeedQuery
from shared.store.stores import Rows, Table, Tables

_PAGE = 50


class _CountingTables:
    """Tables that count the rows that scans bring (see `stores.Tables`)."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self.rows = tables, 0

    def scan(self, *args: Any, **options: Any) -> Rows:
        """One page, counted."""
        page = self._tables.scan(*args, **options)
        self.rows += len(page.rows)
        return page


def main() -> int:
    """Run it; 1 when a number is missed."""
    parser = argparse.ArgumentParser(prog="dev.py bench feed", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", default="1000,200000", help="numbers of stored cards, separated by commas")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--no-fail", action="store_true", help="exit 0 whatever is missed")
    options = parser.parse_args()
    report = Report()
    for size in map(int, options.sizes.split(",")):
        with azurite() as storage:
            measure(report, storage, size, options.rounds)
    return report.status(fail=not options.no_fail)


def measure(report: Report, storage: Azurite, size: int, rounds: int) -> None:
    """One size, on an Azurite of its own."""
    connection_string = storage.connection_string_of(0)
    parts = parts_on(connection_string)
    began = time.monotonic()
    fill(connection_string, configure(parts, "defender_endpoint"), size)
    report.say(f"First page of {_PAGE} with {size:,} cards (stored in {time.monotonic() - began:.0f} s)")
    _count(report, storage, parts, size)
    with TableServiceClient.from_connection_string(
        connection_string, transport=transport(env=False)
    ) as service:
        client = service.get_table_client(Table.detections)
        columns = ["PartitionKey", "RowKey", *LIST_COLUMNS]

        def bare() -> None:
            pages: Any = client.list_entities(results_per_page=_PAGE, select=columns).by_page()
            list(next(pages))

        ours, theirs = by_turns(lambda: parts.feed.page(FeedQuery(), limit=_PAGE), bare, rounds)
    report.compare(
        f"{size:,} cards, first page",
        1000 * median(ours),
        1000 * median(theirs),
        unit="ms",
        against="bare SDK query",
        sign="<=",
        wanted=1.5,
    )


def _count(report: Report, storage: Azurite, parts: Parts, size: int) -> None:
    counting = _CountingTables(parts.tables)
    watched = Parts(parts.settings, tables=counting, clock=parts.clock)
    with counted(storage.ports) as counts:
        page = watched.feed.page(FeedQuery(), limit=_PAGE)
    if len(page.cards) != min(_PAGE, size) or (page.cursor is None) != (size <= _PAGE):
        raise SystemExit(f"the first page of {size} cards holds {len(page.cards)}")
    report.say(f"  {told(counts)}")
    report.reach(f"{size:,} cards, storage calls", sum(counts.values()), "<=", 1)
    report.reach(f"{size:,} cards, rows read", counting.rows, "<=", _PAGE + 1)


def by_turns(
    first: Callable[[], object], second: Callable[[], object], rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds of each call, by turns, after two of each that do not count."""
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 2):
        for call, times in zip((first, second), taken, strict=True):
            began = time.perf_counter()
            call()
            if turn >= 2:
                times.append(time.perf_counter() - began)
    return taken


if __name__ == "__main__":
    raise SystemExit(main())
