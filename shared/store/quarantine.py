"""What could not be read or kept failing: kept whole with the reason, counted, shown, replayable. The same
content is kept once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import uuid4

from shared.errors import NotFound
from shared.nouns.detections import Instant, instant_of
from shared.store.stores import (
    Blobs,
    Container,
    Delete,
    Insert,
    Replace,
    Row,
    Span,
    Table,
    Tables,
    Value,
    every_row,
    key_safe,
    until_first,
)

_PARTITION = "quarantine"
_NOTHING = "There is nothing in quarantine under that id."


class Kind(StrEnum):
    """What is in quarantine."""

    alert = "alert"
    event = "event"
    incident = "incident"
    message = "message"


@dataclass(frozen=True)
class Quarantined:
    """One thing in quarantine. `source` is a configuration id, or a queue (message)."""

    id: str
    kind: Kind
    reason: str
    source: str
    received: Instant
    size: int


class Quarantine:
    """Everything in quarantine; content in blobs, a row for each."""

    def __init__(self, *, tables: Tables, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        self._tables = tables
        self._blobs = blobs
        self._clock = clock

    def put(self, kind: Kind, content: bytes, *, reason: str, source: str) -> str:
        """Keep content (the raw JSON, the message's text); gives its id. `reason` is for the operator."""
        id = hashlib.sha256(f"{kind}\n{source}\n".encode() + content).hexdigest()[:32]

        def attempt() -> None:
            row = self._tables.get(Table.quarantine, _PARTITION, id)
            if row is None:
                self._insert(id, kind, content, reason=reason, source=source)
            elif row.values.get("handed_out"):  # being replayed, and here again: it stays
                stays = {name: value for name, value in row.values.items() if name != "handed_out"}
                self._tables.write(Table.quarantine, [Replace(Row(row.partition, id, stays, row.etag))])

        until_first(attempt, "Others kept writing the same thing in quarantine; it is tried again.")
        return id

    def _insert(self, id: str, kind: Kind, content: bytes, *, reason: str, source: str) -> None:
        # A name of its own for each: who takes out an earlier one must not delete this one's content.
        blob = f"{id}/{uuid4().hex}"
        self._blobs.put(Container.quarantine, blob, content)
        values: dict[str, Value] = {
            "kind": kind.value,
            "reason": reason[:1000],
            "source": source,
            "received": instant_of(self._clock()),
            "size": len(content),
            "blob": blob,
        }
        self._tables.write(Table.quarantine, [Insert(Row(_PARTITION, id, values))])

    def count(self) -> int:
        """How many things are in quarantine."""
        return len(self._rows(select=()))

    def all(self) -> list[Quarantined]:
        """All of them, newest first."""
        return sorted((_quarantined(row) for row in self._rows()), key=lambda q: q.received, reverse=True)

    def get(self, id: str) -> Quarantined | None:
        """One of them, or None."""
        row = self._tables.get(Table.quarantine, _PARTITION, key_safe(id))
        return _quarantined(row) if row else None

    def content(self, id: str) -> bytes:
        """What it is, byte for byte. Raises NotFound."""
        row = self._tables.get(Table.quarantine, _PARTITION, key_safe(id))
        content = self._blobs.get(Container.quarantine, str(row.values["blob"])) if row else None
        if content is None:
            raise NotFound(_NOTHING)
        return content

    def hand_out(self, id: str) -> str:
        """Note that it is being replayed; gives its version for `remove`. Should the same be put here again
        meanwhile, that is another version. Raises NotFound."""

        def attempt() -> str:
            row = self._tables.get(Table.quarantine, _PARTITION, key_safe(id))
            if row is None:
                raise NotFound(_NOTHING)
            marked = {**row.values, "handed_out": uuid4().hex}
            return self._tables.write(
                Table.quarantine, [Replace(Row(row.partition, row.key, marked, row.etag))]
            )[0]

        return until_first(attempt, "Others keep replaying the same thing from quarantine; try again.")

    def remove(self, id: str, *, version: str = "") -> None:
        """Take it out, after it was replayed or looked at; with a version, only that one. Raises Conflict
        when it was put here again since."""
        row = self._tables.get(Table.quarantine, _PARTITION, key_safe(id))
        if row is not None:
            self._tables.write(Table.quarantine, [Delete(row.partition, row.key, version or row.etag)])
            self._blobs.delete(Container.quarantine, str(row.values["blob"]))

    def _rows(self, select: Sequence[str] | None = None) -> list[Row]:
        return list(every_row(self._tables, Table.quarantine, Span.within(_PARTITION), select=select))


def _quarantined(row: Row) -> Quarantined:
    return Quarantined(
        id=row.key,
        kind=Kind(str(row.values["kind"])),
        reason=str(row.values["reason"]),
        source=str(row.values["source"]),
        received=str(row.values["received"]),
        size=int(row.values.get("size", 0)),
    )
