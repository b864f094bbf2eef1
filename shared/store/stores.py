"""The storage contract: tables, queues, blobs and secrets, as small as the product needs them.

Two implementations keep it: Azure's services (tables.py, queues.py, blobs.py, secrets.py) and memory.py.
One suite (tests/store/) runs on both. What is built on top of it (detections.py, configurations.py, ...)
knows only this page.

The limits of Azure Table Storage are kept here, in our own code, because local emulators do not enforce them:
100 rows and 4 MiB a transaction, one partition each; 1 MiB and 252 values a row; 64 KiB a value; 15
comparisons a filter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, Protocol, TypeVar

from shared.errors import Conflict, TryLater

Value = str | int | float | bool | bytes
T = TypeVar("T")


class Table:
    """Every table, named once. `infra/` creates nothing else and tests compare the two."""

    identities = "identities"
    detections = "detections"
    changes = "changes"
    configurations = "configurations"
    installations = "installations"
    deliveries = "deliveries"
    quarantine = "quarantine"
    posture = "postureevents"
    credentials = "credentials"
    incidents = "incidents"
    inventory = "inventory"
    exports = "exports"
    audit = "audit"
    filtered = "filtered"
    troubles = "troubles"
    heartbeats = "heartbeats"
    ledger = "ledger"
    budgets = "budgets"


class Queue:
    """Every queue, named once. Each has a poison twin, `<queue>-poison`, that the Functions host makes."""

    polls = "polls"
    raw_alerts = "raw-alerts"
    raw_alerts_backlog = "raw-alerts-backlog"
    notifications = "notifications"
    inventory = "inventory"
    notifications_backlog = "notifications-backlog"
    sweeps = "sweeps"


class Container:
    """Every blob container, named once."""

    messages = "messages"
    documents = "documents"
    quarantine = "quarantine"


TABLES = tuple(v for k, v in vars(Table).items() if not k.startswith("_"))
QUEUES = tuple(v for k, v in vars(Queue).items() if not k.startswith("_"))
CONTAINERS = tuple(v for k, v in vars(Container).items() if not k.startswith("_"))


@dataclass(frozen=True, slots=True)
class Row:
    """One table row. Keys may hold anything but `/ \\ # ?` and control characters, at most 1 KiB (see
    `key_safe`). `etag` is what the service said when the row was read; empty for a row that was never
    read."""

    partition: str
    key: str
    values: Mapping[str, Value] = field(default_factory=dict)
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Insert:
    """Insert-if-absent. Fails with RowExists."""

    row: Row


@dataclass(frozen=True, slots=True)
class Replace:
    """Write the whole row. With `row.etag`: only if it is unchanged since it was read, else RowChanged.
    Without: upsert."""

    row: Row


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the row; one that is not there is fine, unless `etag` was given (RowChanged)."""

    partition: str
    key: str
    etag: str = ""


Change = Insert | Replace | Delete


@dataclass(frozen=True, slots=True)
class Span:
    """A range of rows, all bounds inclusive; None is open. Give `partition_from == partition_to` to stay in
    one partition."""

    partition_from: str | None = None
    partition_to: str | None = None
    key_from: str | None = None
    key_to: str | None = None

    @classmethod
    def within(cls, partition: str, key_from: str | None = None, key_to: str | None = None) -> Span:
        """The rows of one partition between two keys."""
        return cls(partition, partition, key_from, key_to)


@dataclass(frozen=True, slots=True)
class Where:
    """A condition that the service evaluates: `column op value`; with several values, any of them. A row
    without the column does not match. Conditions in a scan are all required."""

    column: str
    op: Literal["eq", "ne", "ge", "gt", "le", "lt"]
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a scan. `token` continues it, opaque and safe to hand to a phone; None at the end. A page
    may be empty and still have a token."""

    rows: tuple[Row, ...]
    token: str | None = None


class Tables(Protocol):
    """Rows in tables. Rows come in the order of (partition, key), compared as text."""

    def get(self, table: str, partition: str, key: str) -> Row | None:
        """One row, or None. One storage call."""
        ...

    def scan(
        self,
        table: str,
        span: Span = Span(),
        *,
        where: Sequence[Where] = (),
        select: Sequence[str] | None = None,
        limit: int = 1000,
        token: str | None = None,
    ) -> Rows:
        """One page of at most `limit` (1-1000) rows of the span. Exactly one storage call. `select` names
        the columns wanted (keys and etag always come). Raises BadRequest for a token that is not one."""
        ...

    def write(self, table: str, changes: Sequence[Change]) -> list[str]:
        """Apply 1 to 100 changes of one partition, all or none, in one storage call; gives the new etag of
        each row, empty for one that is deleted. Raises RowExists, RowChanged, TryLater, ValueError for what
        breaks the limits (see `transactions`)."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery of a queue message."""

    id: str
    body: str
    dequeue_count: int
    receipt: str


class Queues(Protocol):
    """Storage queues; bodies are text, encoded on the wire as the Functions host expects (base64). At most
    48 KiB of UTF-8."""

    def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        """Put a message; it becomes visible after `delay` (up to 7 days)."""
        ...

    def receive(
        self, queue: str, *, count: int = 32, visibility: timedelta = timedelta(minutes=10)
    ) -> list[Message]:
        """Take up to 32 messages; each comes back after `visibility` unless deleted."""
        ...

    def delete(self, queue: str, message: Message) -> None:
        """Remove a received message; one that is gone or was delivered again is fine."""
        ...

    def depth(self, queue: str) -> int:
        """About how many messages wait (0 for a queue that does not exist)."""
        ...


class Blobs(Protocol):
    """Bytes by name."""

    def put(self, container: str, name: str, content: bytes) -> None:
        """Write, replacing what was there."""
        ...

    def get(self, container: str, name: str) -> bytes | None:
        """Read; None if there is no such blob."""
        ...

    def delete(self, container: str, name: str) -> None:
        """Delete; fine if there is no such blob."""
        ...


class Secrets(Protocol):
    """Named secret values. Names: 1-127 letters, digits and hyphens. Values never appear in an error or a
    log line."""

    def get(self, name: str, *, fresh: bool = False) -> str | None:
        """The newest value; None if there is no such secret. May be up to a minute old, unless `fresh`."""
        ...

    def set(self, name: str, value: str) -> None:
        """Write a new value; `get` returns it at once in this process."""
        ...

    def delete(self, name: str) -> None:
        """Remove; fine if there is no such secret."""
        ...


_TRANSACTION_ROWS, _TRANSACTION_BYTES = 100, 3_500_000
_FORBIDDEN = {ord(c): f"~{ord(c):02x}" for c in "/\\#?~%"} | {
    c: f"~{c:02x}" for c in (*range(32), *range(127, 160))
}


def key_safe(text: str) -> str:
    """Any text as a partition or row key: what Azure forbids in keys becomes `~` and its hex code. Order is
    kept among texts without such characters. Source: "Understanding the Table service data model"."""
    return text.translate(_FORBIDDEN)[:512]


def every_row(
    tables: Tables, table: str, span: Span = Span(), *, select: Sequence[str] | None = None
) -> Iterator[Row]:
    """Every row of the span, in order; a storage call for each thousand."""
    token: str | None = None
    while True:
        page = tables.scan(table, span, select=select, token=token)
        yield from page.rows
        token = page.token
        if token is None:
            return


def as_read(row: Row) -> Insert | Replace:
    """Write a row as it was read and changed, or a new one: fails with Conflict when somebody else was
    faster."""
    return Replace(row) if row.etag else Insert(row)


def until_first(attempt: Callable[[], T], words: str, *, attempts: int = 20) -> T:
    """Read, decide and write anew, until nobody else was faster. Raises TryLater with the words when others
    keep winning."""
    for _ in range(attempts):
        try:
            return attempt()
        except Conflict:
            continue
    raise TryLater(words)


def size_of(row: Row) -> int:
    """About how many bytes the row takes in a transaction."""
    return 400 + sum(
        2 * len(k) + (len(v) * 4 // 3 if isinstance(v, bytes) else len(v) * 2 if isinstance(v, str) else 8)
        for k, v in row.values.items()
    )


def transactions(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Cut changes into lists that one `write` takes: one partition each, at most 100 rows and 3.5 MB."""
    by_partition: dict[str, list[Change]] = {}
    for change in changes:
        partition = change.partition if isinstance(change, Delete) else change.row.partition
        by_partition.setdefault(partition, []).append(change)
    for group in by_partition.values():
        batch: list[Change] = []
        weight = 0
        for change in group:
            size = 400 if isinstance(change, Delete) else size_of(change.row)
            if batch and (len(batch) == _TRANSACTION_ROWS or weight + size > _TRANSACTION_BYTES):
                yield batch
                batch, weight = [], 0
            batch.append(change)
            weight += size
        if batch:
            yield batch
