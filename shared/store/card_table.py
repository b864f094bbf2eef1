"""The rows of cards: read, written under their ETags, joined, and made findable by when they changed.

A card that was joined with another leaves a tombstone in its row, which leads to the other: one write, so
that whoever still holds the old row loses its race and looks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.errors import Unreadable
from shared.nouns.cards import Card
from shared.nouns.detections import Instant, earlier, instant_of
from shared.store.cards import card_of, card_row, joined_into, tombstone
from shared.store.documents import document_blob
from shared.store.keys import FRESH, SLOW_WRITERS, day_of, inverted, is_card_id, time_of, week_of
from shared.store.stores import Blobs, Container, Insert, Replace, Row, Table, Tables, transactions

_ATTEMPTS = 20


@dataclass(frozen=True)
class Found:
    """A card's row, and the card; None where its document is lost."""

    row: Row
    card: Card | None


class CardTable:
    """All cards. `clock` gives aware UTC times."""

    def __init__(self, *, tables: Tables, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        self._tables = tables
        self._blobs = blobs
        self._clock = clock

    def read(self, card_id: str) -> Found | None:
        """The card of that id, or the one that it was joined with. A document that is replaced while we read
        is looked for again."""
        etag = None
        while is_card_id(card_id):
            row = self._tables.get(Table.detections, week_of(card_id), card_id)
            if row is None:
                return None
            into = joined_into(row)
            if into is not None:
                card_id, etag = into, None
                continue
            try:
                return Found(row, card_of(row, self._blobs))
            except Unreadable:
                if row.etag == etag:
                    return Found(row, None)
                etag = row.etag
        return None

    def home(self, card_id: str) -> str:
        """The id of the card itself, or of the one that it was joined with."""
        while True:
            row = self._tables.get(Table.detections, week_of(card_id), card_id)
            into = joined_into(row) if row is not None else None
            if into is None:
                return card_id
            card_id = into

    def inserts(self, cards: Iterable[Card]) -> Iterable[list[Insert]]:
        """New cards' rows, in lists that one `write` takes."""
        for batch in transactions(Insert(card_row(card, self._blobs)) for card in cards):
            yield [change for change in batch if isinstance(change, Insert)]

    def write(self, inserts: Sequence[Insert]) -> None:
        """Insert all or none. Raises RowExists."""
        self._tables.write(Table.detections, inserts)

    def insert(self, card: Card) -> None:
        """Insert one. Raises RowExists."""
        self.write([Insert(card_row(card, self._blobs))])

    def replace(self, row: Row, card: Card) -> None:
        """Write the card over the row as it was read. Raises RowChanged."""
        replacement = card_row(card, self._blobs, row.etag)
        self._tables.write(Table.detections, [Replace(replacement)])
        self._drop_document(row, document_blob(replacement))

    def bury(self, card_id: str, found: Found | None, *, into: str) -> None:
        """Leave a tombstone that leads to another card. Raises Conflict when somebody was faster."""
        now = instant_of(self._clock())
        if found is None:
            self._tables.write(
                Table.detections, [Insert(tombstone(Row(week_of(card_id), card_id), into, now))]
            )
            return
        self._tables.write(Table.detections, [Replace(tombstone(found.row, into, now))])
        self._drop_document(found.row, None)

    def _drop_document(self, row: Row, kept: str | None) -> None:
        outdated = document_blob(row)
        if outdated and outdated != kept:
            self._blobs.delete(Container.documents, outdated)

    def found_by_age(self, card_key: str, changed: Instant) -> bool:
        """Whether delta sync finds the change at the feed's newest end: of a new alert, stored in time."""
        return time_of(card_key) >= earlier(changed, FRESH) and self._in_time(changed)

    def _in_time(self, since: Instant) -> bool:
        return instant_of(self._clock()) <= earlier(since, -SLOW_WRITERS / 2)

    def note_changes(self, card_ids: Sequence[str]) -> None:
        """Make cards findable by when they changed (delta sync); again, when storage took too long."""
        for _ in range(_ATTEMPTS if card_ids else 0):
            now = instant_of(self._clock())
            prefix = inverted(now)
            rows = [Replace(Row(day_of(prefix), f"{prefix}-{card_key}", {})) for card_key in card_ids]
            for batch in transactions(rows):
                self._tables.write(Table.changes, batch)
            if self._in_time(now):
                return
