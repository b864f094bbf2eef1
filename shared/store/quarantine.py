"""What could not be read or kept failing: kept whole with the reason, counted, shown, replayable. The same
content is kept once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.detections import Instant, instant_of
from shared.errors import NotFound, RowExists
from shared.store.stores import Blobs, Container, Delete, Insert, Row, Span, Table, Tables, key_safe

_PARTITION = "quarantine"


class Kind(StrEnum):
    """What is in quarantine."""

    alert = "alert"
    event = "event"
    message = "message"


@dataclass(frozen=True)
class Quarantined:
    """One thing in quarantine. `source` is a configuration id (alert, event) or a queue (message)."""

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
        if self._tables.get(Table.quarantine, _PARTITION, id) is not None:
            return id
        self._blobs.put(Container.quarantine, id, content)
        values = {
            "kind": kind.value,
            "reason": reason[:1000],
            "source": source,
            "received": instant_of(self._clock()),
            "size": len(content),
        }
        try:
            self._tables.write(Table.quarantine, [Insert(Row(_PARTITION, id, values))])
        except RowExists:
            return id
        return id

    def count(self) -> int:
        """How many things are in quarantine."""
        return len(self._rows())

    def all(self) -> list[Quarantined]:
        """All of them, newest first."""
        return sorted((_quarantined(row) for row in self._rows()), key=lambda q: q.received, reverse=True)

    def get(self, id: str) -> Quarantined | None:
        """One of them, or None."""
        row = self._tables.get(Table.quarantine, _PARTITION, key_safe(id))
        return _quarantined(row) if row else None

    def content(self, id: str) -> bytes:
        """What it is, byte for byte. Raises NotFound."""
        content = self._blobs.get(Container.quarantine, id)
        if content is None:
            raise NotFound("There is nothing in quarantine under that id.")
        return content

    def remove(self, id: str) -> None:
        """Take it out, after it was replayed or looked at."""
        self._tables.write(Table.quarantine, [Delete(_PARTITION, key_safe(id))])
        self._blobs.delete(Container.quarantine, id)

    def _rows(self) -> list[Row]:
        rows: list[Row] = []
        token: str | None = None
        while True:
            page = self._tables.scan(Table.quarantine, Span.within(_PARTITION), token=token)
            rows += page.rows
            token = page.token
            if token is None:
                return rows


def _quarantined(row: Row) -> Quarantined:
    return Quarantined(
        id=row.key,
        kind=Kind(str(row.values["kind"])),
        reason=str(row.values["reason"]),
        source=str(row.values["source"]),
        received=str(row.values["received"]),
        size=int(row.values.get("size", 0)),
    )
