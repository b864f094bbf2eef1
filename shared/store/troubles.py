"""The troubles that are open now, each once, with what has been told of it."""

from __future__ import annotations

import logging

from shared.errors import RowExists, TryLater
from shared.nouns.detections import Instant
from shared.nouns.troubles import OpenTrouble, Trouble
from shared.store.stores import Delete, Insert, Replace, Row, Span, Table, Tables, every_row, key_safe

_PARTITION = "open"
_log = logging.getLogger(__name__)


class Troubles:
    """Every open trouble, a row for each."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    def all(self) -> list[OpenTrouble]:
        """All of them, the oldest first; one that cannot be read is left out."""
        rows = every_row(self._tables, Table.troubles, Span.within(_PARTITION))
        found = [one for one in map(_read, rows) if one is not None]
        return sorted(found, key=lambda one: (one.opened, one.trouble.key))

    def open(self, trouble: Trouble, now: Instant) -> OpenTrouble:
        """Keep a new trouble, or give the one that is there: who is first opens it."""
        made = OpenTrouble(trouble=trouble, opened=now)
        try:
            [etag] = self._tables.write(Table.troubles, [Insert(_row(made))])
        except RowExists:
            row = self._tables.get(Table.troubles, _PARTITION, key_safe(trouble.key))
            found = _read(row) if row else None
            if found is None:
                raise TryLater("A trouble that was just noted cannot be read; it is tried again.") from None
            return found
        return made.model_copy(update={"etag": etag})

    def save(self, one: OpenTrouble) -> OpenTrouble:
        """Store it as it was read and changed; gives it back with its new etag. Raises RowChanged when
        somebody else has written it since."""
        [etag] = self._tables.write(Table.troubles, [Replace(_row(one))])
        return one.model_copy(update={"etag": etag})

    def forget(self, one: OpenTrouble) -> None:
        """Take out what is over and told. Raises RowChanged when somebody else has written it since."""
        self._tables.write(Table.troubles, [Delete(_PARTITION, key_safe(one.trouble.key), one.etag)])


def _row(one: OpenTrouble) -> Row:
    return Row(
        _PARTITION,
        key_safe(one.trouble.key),
        {"document": one.model_dump_json(exclude={"etag"})},
        one.etag,
    )


def _read(row: Row) -> OpenTrouble | None:
    try:
        read = OpenTrouble.model_validate_json(str(row.values["document"]))
    except (ValueError, KeyError):
        _log.error("trouble %s cannot be read; was it written by another version?", row.key)
        return None
    return read.model_copy(update={"etag": row.etag})
