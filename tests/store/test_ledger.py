"""The ledger keeps what it can, however much a sweep had to recover."""

from __future__ import annotations

from uuid import uuid4

from shared.nouns.ledger import Span, Sweep
from shared.store.ledger import Ledger
from shared.store.stores import Tables

T = "2026-11-20T09:00:00.0000000Z"


def _sweep(id: str, batches: int) -> Sweep:
    names = [uuid4().hex for _ in range(batches)]
    queued, recovered_by = dict.fromkeys(names, 250), dict.fromkeys(names, 249)
    return Sweep(
        id=id, span=Span.day, since=T, until=T, begun=T, ended=T, queued=queued, recovered_by=recovered_by
    )


def test_a_book_whose_sweeps_recovered_very_much_is_kept(tables: Tables) -> None:
    """Half a million alerts in one sweep, and many in each of those before it: the oldest sweeps give way."""
    ledger = Ledger(tables=tables)
    for number in range(60):
        ledger.change("c1", lambda book, n=number: book.with_sweep(_sweep(f"s{n}", 40)))  # type: ignore[misc]
    ledger.change("c1", lambda book: book.with_sweep(_sweep("newest", 1000)))

    whole, listed = ledger.book("c1"), ledger.all()["c1"]

    assert whole.sweeps[0].id == listed.sweeps[0].id == "newest"
    assert whole.sweeps[0].recovered == listed.sweeps[0].recovered == 249_000
    assert 1 < len(whole.sweeps) < 61
