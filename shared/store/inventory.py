"""What tenants have: the items of one kind and configuration in one partition, with the time they were last
read. A reading that found nothing new writes one row.

A reading goes page by page (`Reading`): pages whose content is that of the last complete reading are
neither compared nor written; only where something differs are stored fingerprints read. What a complete
reading did not bring is removed at its end.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Any

from shared.errors import BadRequest
from shared.nouns.detections import Instant
from shared.nouns.inventory import InventoryKind, Item
from shared.store.documents import INLINE
from shared.store.keys import identity_key
from shared.store.stores import (
    Change,
    Delete,
    Replace,
    Row,
    Span,
    Table,
    Tables,
    Value,
    Where,
    as_read,
    every_row,
    key_safe,
    transactions,
)

_STATES = "~readings"
_PAGES = 3800  # fingerprints that a row's column holds
_WORTH = 50  # stored neighbours that a scan reads for each wanted row, at most


@dataclass(frozen=True)
class ReadingState:
    """How one kind of one configuration is doing. `read`: everything that there was at that time is here
    (None: never read whole). `ticket` names the reading that is queued or running, good until
    `ticket_until`."""

    configuration_id: str
    kind: InventoryKind
    read: Instant | None = None
    count: int = 0
    attempted: Instant | None = None
    next_due: Instant | None = None
    error: str | None = None
    failing_since: Instant | None = None
    failures: int = 0
    ticket: str | None = None
    ticket_until: Instant | None = None
    pages: bytes = field(default=b"", repr=False)
    etag: str = ""

    @property
    def row(self) -> Row:
        """As it is stored."""
        texts = ("read", "attempted", "next_due", "error", "failing_since", "ticket", "ticket_until")
        values: dict[str, Value] = {name: getattr(self, name) or "" for name in texts}
        values |= {
            "configuration": self.configuration_id,
            "kind": self.kind.value,
            "count": self.count,
            "failures": self.failures,
            "pages": self.pages,
        }
        return Row(_STATES, _state_key(self.configuration_id, self.kind), values, self.etag)


@dataclass(frozen=True)
class StoredItem:
    """An item with where it came from, and when it was last different."""

    configuration_id: str
    item: Item
    changed: Instant


@dataclass(frozen=True)
class ItemQuery:
    """Which items. Empty fields do not filter; `text` is looked for in names, addresses, operating system,
    owner and id, ignoring case; `machine` is a machine's id."""

    text: str | None = None
    machine: str | None = None
    severities: tuple[str, ...] = ()
    changed_from: Instant | None = None
    changed_after: Instant | None = None
    changed_until: Instant | None = None

    @property
    def conditions(self) -> list[Where]:
        """What the service evaluates."""
        wanted = [
            ("machine", "eq", (self.machine.lower(),) if self.machine else ()),
            ("severity", "eq", self.severities),
            ("changed", "ge", (self.changed_from,) if self.changed_from else ()),
            ("changed", "gt", (self.changed_after,) if self.changed_after else ()),
            ("changed", "le", (self.changed_until,) if self.changed_until else ()),
        ]
        return [Where(column, op, values) for column, op, values in wanted if values]  # type: ignore[arg-type]

    def keeps(self, item: Item) -> bool:
        """Whether the item matches what is evaluated here."""
        if not self.text:
            return True
        words = (item.name, item.dns_name, *item.addresses, item.operating_system, item.owner, item.id)
        return self.text.casefold() in "\n".join(word or "" for word in words).casefold()


@dataclass(frozen=True)
class ItemPage:
    """Some items, and how to go on (None at the end)."""

    items: tuple[StoredItem, ...]
    token: str | None


class Inventory:
    """The inventory of every configuration."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    def states(self, configuration_id: str | None = None) -> list[ReadingState]:
        """How every kind is doing, or those of one configuration."""
        prefix = None if configuration_id is None else f"{key_safe(configuration_id)}|"
        span = Span.within(_STATES, prefix, prefix and f"{prefix}~")
        return [_state(row) for row in every_row(self._tables, Table.inventory, span)]

    def state(self, configuration_id: str, kind: InventoryKind) -> ReadingState:
        """How one kind is doing; a new state when it was never queued."""
        row = self._tables.get(Table.inventory, _STATES, _state_key(configuration_id, kind))
        return _state(row) if row else ReadingState(configuration_id, kind)

    def save(self, state: ReadingState) -> ReadingState:
        """Store a state as it was read and changed; gives it back with its new etag. Raises Conflict when
        somebody else was first."""
        [etag] = self._tables.write(Table.inventory, [as_read(state.row)])
        return replace(state, etag=etag)

    def get(self, configuration_id: str, kind: InventoryKind, id: str) -> Item | None:
        """One item, or None."""
        row = self._tables.get(Table.inventory, _partition(configuration_id, kind), identity_key(id))
        return _item(row) if row else None

    def page(
        self,
        configuration_id: str,
        kind: InventoryKind,
        query: ItemQuery,
        *,
        limit: int = 200,
        token: str | None = None,
    ) -> ItemPage:
        """At most `limit` items of one configuration; one call. Raises BadRequest for a token that is not
        one."""
        page = self._tables.scan(
            Table.inventory,
            Span.within(_partition(configuration_id, kind)),
            where=query.conditions,
            limit=limit,
            token=token,
        )
        found = (StoredItem(configuration_id, _item(row), str(row.values["changed"])) for row in page.rows)
        return ItemPage(tuple(one for one in found if query.keeps(one.item)), page.token)

    def reading(self, state: ReadingState, started: Instant) -> Reading:
        """A new reading of everything there is of this kind."""
        return Reading(self._tables, state, started)

    def forget(self, configuration_id: str) -> None:
        """Remove everything of a configuration."""
        for state in self.states(configuration_id):
            partition = _partition(configuration_id, state.kind)
            _remove(self._tables, every_row(self._tables, Table.inventory, Span.within(partition), select=()))
            self._tables.write(Table.inventory, [Delete(_STATES, state.row.key)])


class Reading:
    """One walk through everything of a kind. `take` each page, then `finish`; a reading that ends before
    leaves what it has taken, and removes nothing."""

    def __init__(self, tables: Tables, state: ReadingState, started: Instant) -> None:
        self._tables = tables
        self._partition = _partition(state.configuration_id, state.kind)
        self._started = started
        # After a reading that ended before, nobody knows which of its pages are stored.
        pages = state.pages if state.attempted == state.read else b""
        self._before = {pages[n : n + 8] for n in range(0, len(pages), 8)}
        self._pages: list[bytes] = []
        self._seen: set[int] = set()
        self._same = True
        self.count = 0

    def take(self, items: Sequence[Item]) -> int:
        """Store what of a page is new or different; gives how many items that is."""
        rows = {row.key: row for row in (_row(self._partition, item, self._started) for item in items)}
        self.count += len(rows.keys() - self._taken(rows))
        self._seen |= {hash(key) for key in rows}
        content = "\n".join(f"{key} {row.values['print']!s}" for key, row in sorted(rows.items()))
        page = hashlib.sha256(content.encode()).digest()[:8]
        self._pages.append(page)
        if page in self._before or not rows:
            return 0
        self._same = False
        stored = self._prints(sorted(rows))
        changed: list[Change] = [
            Replace(row) for key, row in rows.items() if stored.get(key) != row.values["print"]
        ]
        for batch in transactions(changed):
            self._tables.write(Table.inventory, batch)
        return len(changed)

    def finish(self) -> int:
        """Everything has been taken: remove what is gone; gives how many items that is."""
        if self._same and set(self._pages) == self._before:
            return 0
        rows = every_row(self._tables, Table.inventory, Span.within(self._partition), select=())
        return _remove(self._tables, (row for row in rows if hash(row.key) not in self._seen))

    @property
    def pages(self) -> bytes:
        """What the next reading compares its pages with; nothing where they are too many to be kept."""
        return b"".join(self._pages) if len(self._pages) <= _PAGES else b""

    def _taken(self, rows: dict[str, Row]) -> set[str]:
        return {key for key in rows if hash(key) in self._seen}

    def _prints(self, keys: Sequence[str]) -> dict[str, str]:
        """The stored fingerprints of these keys."""
        found: dict[str, str] = {}
        wanted, token = set(keys), None
        for _ in range(1 + len(keys) * _WORTH // 1000):
            page = self._tables.scan(
                Table.inventory,
                Span.within(self._partition, keys[0], keys[-1]),
                select=("print",),
                token=token,
            )
            found |= {row.key: str(row.values["print"]) for row in page.rows if row.key in wanted}
            token = page.token
            if token is None:
                break
        return found  # what was not reached is written again: that costs a write, never an item


def _remove(tables: Tables, rows: Iterator[Row]) -> int:
    """Remove rows of one partition as they come; gives how many."""
    count = 0
    while batch := [Delete(row.partition, row.key) for row in islice(rows, 100)]:
        tables.write(Table.inventory, batch)
        count += len(batch)
    return count


def _partition(configuration_id: str, kind: InventoryKind) -> str:
    return key_safe(f"{configuration_id}|{kind.value}")


def _state_key(configuration_id: str, kind: InventoryKind) -> str:
    return f"{key_safe(configuration_id)}|{kind.value}"


def _row(partition: str, item: Item, started: Instant) -> Row:
    text = item.model_dump_json(exclude_defaults=True)
    document = zlib.compress(text.encode(), 1)
    if len(document) > INLINE:
        document = zlib.compress(_slim(item).model_dump_json(exclude_defaults=True).encode(), 1)
    machine = item.id if item.kind is InventoryKind.machine else item.machine_id
    values: dict[str, Value] = {
        "print": hashlib.sha256(text.encode()).hexdigest()[:16],
        "changed": started,
        "severity": item.severity.value if item.severity else "",
        "machine": (machine or "").lower()[:200],
        "document": document,
    }
    return Row(partition, identity_key(item.id), values)


def _slim(item: Item) -> Item:
    """What of an item fits into a row whatever it is: one that is too large must not cost all the others."""
    texts = {name: value for name, value in item if isinstance(value, str) and not isinstance(value, StrEnum)}
    return item.model_copy(
        update={
            **{name: value[:1000] for name, value in texts.items()},
            "addresses": tuple(one[:100] for one in item.addresses[:100]),
            "properties": {"left_out": "more than fits into a row"},
        }
    )


def _item(row: Row) -> Item:
    document: Any = row.values["document"]
    return Item.model_validate_json(zlib.decompress(document))


def _state(row: Row) -> ReadingState:
    text = {name: str(row.values.get(name, "")) for name in row.values if name != "pages"}
    pages: Any = row.values.get("pages", b"")
    return ReadingState(
        configuration_id=text["configuration"],
        kind=InventoryKind(text["kind"]),
        read=text["read"] or None,
        count=int(text["count"]),
        attempted=text["attempted"] or None,
        next_due=text["next_due"] or None,
        error=text["error"] or None,
        failing_since=text["failing_since"] or None,
        failures=int(text["failures"]),
        ticket=text["ticket"] or None,
        ticket_until=text["ticket_until"] or None,
        pages=pages,
        etag=row.etag,
    )


def token_text(index: int, token: str | None) -> str:
    """A cursor over several partitions: which one, and where in it."""
    return zlib.compress(json.dumps([index, token]).encode()).hex()


def read_token(cursor: str) -> tuple[int, str | None]:
    """The parts of such a cursor. Raises BadRequest for any other text."""
    try:
        index, token = json.loads(zlib.decompress(bytes.fromhex(cursor)))
    except (ValueError, TypeError, RecursionError, zlib.error) as error:
        raise BadRequest("The cursor is not one of ours; start again without it.") from error
    if type(index) is not int or index < 0 or not (token is None or isinstance(token, str)):
        raise BadRequest("The cursor is not one of ours; start again without it.")
    return index, token
