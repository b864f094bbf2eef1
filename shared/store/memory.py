"""The storage contract in memory, for tests. Thread-safe; nothing outlives the process.

It promises what Azure's services promise, limits included (tests/store/ runs the same suite on both).
"""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from shared.errors import BadRequest, RowChanged, RowExists
from shared.store import limits
from shared.store.filters import filter_text, matches, within
from shared.store.stores import Change, Delete, Insert, Message, Row, Rows, Span, Where


class _Table:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.order: list[tuple[str, str]] = []


class MemoryTables:
    """Tables (see `stores.Tables`). `reach` is how many rows a scan looks at before it ends its page early,
    as Azure does after 5 seconds."""

    def __init__(self, *, reach: int = 100_000) -> None:
        self._lock = threading.Lock()
        self._tables: dict[str, _Table] = {}
        self._tags = itertools.count(1)
        self._reach = reach

    def get(self, table: str, partition: str, key: str) -> Row | None:
        """One row, or None."""
        limits.check_key(partition)
        limits.check_key(key)
        with self._lock:
            row = self._table(table).rows.get((partition, key))
        return row and replace(row, values=dict(row.values))

    def scan(
        self,
        table: str,
        span: Span = Span(),  # noqa: B008 - frozen
        *,
        where: Sequence[Where] = (),
        select: Sequence[str] | None = None,
        limit: int = 1000,
        token: str | None = None,
    ) -> Rows:
        """One page of the span, in order. Raises BadRequest for a bad token, ValueError beyond the limits."""
        limits.check_page(limit, select)
        filter_text(span, where)
        found: list[Row] = []
        with self._lock:
            held = self._table(table)
            start = bisect_left(held.order, (span.partition_from or "", span.key_from or ""))
            if token is not None:
                start = max(start, bisect_right(held.order, _read_token(token)))
            end = min(len(held.order), start + self._reach)
            at = start
            while at < end and len(found) < limit:
                place = held.order[at]
                if not _may_follow(span, place):
                    return Rows(tuple(found))
                row = held.rows[place]
                if within(span, *place) and matches(row.values, where):
                    found.append(replace(row, values=limits.columns_of(row.values, select)))
                at += 1
            more = at < len(held.order) and _may_follow(span, held.order[at])
            return Rows(tuple(found), _token(held.order[at - 1]) if more and at > start else None)

    def write(self, table: str, changes: Sequence[Change]) -> list[str]:
        """Apply all changes or none; gives the new etags. Raises RowExists, RowChanged, ValueError."""
        limits.check_changes(changes)
        with self._lock:
            held = self._table(table)
            for change in changes:
                _admit(table, held, change)
            return [self._apply(held, change) for change in changes]

    def _table(self, table: str) -> _Table:
        return self._tables.setdefault(table, _Table())

    def _apply(self, held: _Table, change: Change) -> str:
        place = _place(change)
        if isinstance(change, Delete):
            if held.rows.pop(place, None):
                del held.order[bisect_left(held.order, place)]
            return ""
        if place not in held.rows:
            insort(held.order, place)
        kept = {c: limits.plain(v) for c, v in change.row.values.items()}
        etag = f'W/"{next(self._tags)}"'
        held.rows[place] = replace(change.row, values=kept, etag=etag)
        return etag


def _place(change: Change) -> tuple[str, str]:
    if isinstance(change, Delete):
        return change.partition, change.key
    return change.row.partition, change.row.key


def _admit(table: str, held: _Table, change: Change) -> None:
    there = held.rows.get(_place(change))
    if isinstance(change, Insert):
        if there:
            raise RowExists(f"a row of table {table} exists already")
        return
    wanted = change.etag if isinstance(change, Delete) else change.row.etag
    if wanted and (there is None or there.etag != wanted):
        raise RowChanged(f"a row of table {table} was changed by somebody else")


def _may_follow(span: Span, place: tuple[str, str]) -> bool:
    if span.partition_to is None or place[0] < span.partition_to:
        return True
    return place[0] == span.partition_to and (span.key_to is None or place[1] <= span.key_to)


def _token(place: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_token(token: str) -> tuple[str, str]:
    try:
        partition, key = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        if not (isinstance(partition, str) and isinstance(key, str)):
            raise ValueError
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise BadRequest(
            "the continuation token is not one that this service gave: start from the first page"
        ) from None
    return partition, key


@dataclass(slots=True)
class _Waiting:
    body: str
    visible: datetime
    taken: int = 0
    receipt: str = ""


class MemoryQueues:
    """Queues (see `stores.Queues`). `clock` tells the time by which messages become visible."""

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._lock = threading.Lock()
        self._queues: dict[str, dict[str, _Waiting]] = {}
        self._clock = clock

    def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        """Put a message. Raises ValueError over 48 KiB or 7 days."""
        wait = timedelta(seconds=limits.check_message(body, delay))
        with self._lock:
            self._queues.setdefault(queue, {})[str(uuid4())] = _Waiting(body, self._clock() + wait)

    def receive(
        self, queue: str, *, count: int = 32, visibility: timedelta = timedelta(minutes=10)
    ) -> list[Message]:
        """Take up to `count` visible messages, oldest first."""
        hidden = timedelta(seconds=limits.check_receive(count, visibility))
        with self._lock:
            now = self._clock()
            waiting = self._queues.get(queue, {}).items()
            taken = list(itertools.islice(((i, m) for i, m in waiting if m.visible <= now), count))
            for _, message in taken:
                message.visible, message.taken, message.receipt = (
                    now + hidden,
                    message.taken + 1,
                    str(uuid4()),
                )
            return [Message(i, m.body, m.taken, m.receipt) for i, m in taken]

    def delete(self, queue: str, message: Message) -> None:
        """Remove a received message, unless it is gone or was delivered again."""
        with self._lock:
            waiting = self._queues.get(queue, {})
            held = waiting.get(message.id)
            if held and held.receipt == message.receipt:
                del waiting[message.id]

    def depth(self, queue: str) -> int:
        """How many messages the queue holds, hidden ones included, as in Azure."""
        with self._lock:
            return len(self._queues.get(queue, {}))


class MemoryBlobs:
    """Blobs (see `stores.Blobs`)."""

    def __init__(self) -> None:
        self._contents: dict[tuple[str, str], bytes] = {}

    def put(self, container: str, name: str, content: bytes) -> None:
        """Write, replacing what was there."""
        limits.check_blob(name)
        self._contents[container, name] = bytes(content)

    def get(self, container: str, name: str) -> bytes | None:
        """Read; None if there is no such blob."""
        return self._contents.get((container, name))

    def delete(self, container: str, name: str) -> None:
        """Delete; fine if there is no such blob."""
        self._contents.pop((container, name), None)


class MemorySecrets:
    """Secrets (see `stores.Secrets`). Like Key Vault, it ignores the case of names."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, name: str, *, fresh: bool = False) -> str | None:
        """The value, or None."""
        return self._values.get(limits.check_secret(name))

    def set(self, name: str, value: str) -> None:
        """Write a value."""
        self._values[limits.check_secret(name, value)] = value

    def delete(self, name: str) -> None:
        """Remove; fine if there is none."""
        self._values.pop(limits.check_secret(name), None)
