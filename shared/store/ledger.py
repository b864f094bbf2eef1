"""The ledger: for each configuration which sweeps there were and what they found."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable

from shared.nouns.ledger import Book
from shared.store.stores import (
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

_PARTITION = "books"
_SHOWN = 3
_LARGEST = 60_000  # bytes; a column takes 64 KiB
_log = logging.getLogger(__name__)


class Ledger:
    """A row for each configuration: its newest sweeps in one column, all of them in another."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    def all(self) -> dict[str, Book]:
        """Every configuration's book, by its id, with only the newest sweeps."""
        found: dict[str, Book] = {}
        for row in every_row(self._tables, Table.ledger, Span.within(_PARTITION), select=["newest"]):
            book = _book(row, "newest")
            if book is not None:
                found[book.configuration_id] = book
        return found

    def book(self, configuration_id: str) -> Book:
        """One configuration's, whole; an empty one when there is none."""
        row = self._tables.get(Table.ledger, _PARTITION, key_safe(configuration_id))
        if row is None:
            return Book(configuration_id=configuration_id)
        return _book(row, "book") or Book(configuration_id=configuration_id, etag=row.etag)

    def save(self, book: Book) -> None:
        """Store it as it was read and changed. Raises Conflict when somebody else has written it since."""
        whole = _packed(book)
        while len(whole) > _LARGEST and len(book.sweeps) > 1:  # sweeps that had very much to recover
            book = book.model_copy(update={"sweeps": book.sweeps[: len(book.sweeps) // 2]})
            whole = _packed(book)
        newest = book.model_copy(update={"sweeps": book.sweeps[:_SHOWN]})
        values: dict[str, Value] = {"newest": _packed(newest), "book": whole}
        row = Row(_PARTITION, key_safe(book.configuration_id), values, book.etag)
        self._tables.write(Table.ledger, [as_read(row)])

    def change(self, configuration_id: str, change: Callable[[Book], Book | None]) -> Book | None:
        """Change a book, whoever writes it at the same time; `change` gives None to leave it."""

        def attempt() -> Book | None:
            changed = change(self.book(configuration_id))
            if changed is not None:
                self.save(changed)
            return changed

        return until_first(
            attempt, "Others kept writing the ledger of the same configuration; it is tried again."
        )

    def note_recovered(self, configuration_id: str, sweep_id: str, batch: str, count: int) -> None:
        """A batch of what a sweep had found missing is stored: so many of it were new. Noted once, however
        often it is said."""

        def noted(book: Book) -> Book | None:
            sweep = next((one for one in book.sweeps if one.id == sweep_id), None)
            if sweep is None or sweep.recovered_by.get(batch, -1) >= count:
                return None
            done = sweep.model_copy(update={"recovered_by": {**sweep.recovered_by, batch: count}})
            sweeps = tuple(done if one.id == sweep_id else one for one in book.sweeps)
            return book.model_copy(update={"sweeps": sweeps})

        self.change(configuration_id, noted)

    def forget(self, configuration_id: str) -> None:
        """Forget a configuration that is gone."""
        self._tables.write(Table.ledger, [Delete(_PARTITION, key_safe(configuration_id))])


def _packed(book: Book) -> bytes:
    return zlib.compress(book.model_dump_json(exclude={"etag"}).encode(), 6)


def _book(row: Row, column: str) -> Book | None:
    """The book in a column, which earlier versions wrote as text; None if it is damaged: the next sweep
    begins another, and status and watch must not fail for it."""
    value = row.values.get(column)
    try:
        text = zlib.decompress(value) if isinstance(value, bytes) else str(value)
        return Book.model_validate_json(text).model_copy(update={"etag": row.etag})
    except (zlib.error, ValueError):
        _log.error("the book %s of the ledger cannot be read and is begun anew", row.key)
        return None
