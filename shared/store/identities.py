"""The dedupe gate: which card an alert's native id belongs to, and what each source last said of it.

Polls read whole feeds again and again; `known` answers for a page of ids with about one storage call for a
thousand neighbours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from shared.errors import RowChanged
from shared.store.keys import identity_key
from shared.store.stores import Insert, Replace, Row, Span, Table, Tables, key_safe

_FEW = 3
_WORTH_SCANNING = (
    0.05  # below this share of wanted rows in a page, point reads are cheaper than more scanning
)


@dataclass(frozen=True)
class Identity:
    """One native id. `seen` maps a source (`configuration:channel`) to the fingerprint it last gave; `by`
    is the batch that inserted it."""

    native_id: str
    card_id: str
    by: str
    seen: Mapping[str, str]
    etag: str = ""

    def row(self, scope: str) -> Row:
        """As it is stored."""
        values = {
            "card": self.card_id,
            "by": self.by,
            "seen": json.dumps(dict(self.seen), separators=(",", ":")),
        }
        return Row(key_safe(scope), identity_key(self.native_id), values, self.etag)


def _identity(native_id: str, row: Row) -> Identity:
    return Identity(
        native_id=native_id,
        card_id=str(row.values["card"]),
        by=str(row.values["by"]),
        seen=json.loads(str(row.values["seen"])),
        etag=row.etag,
    )


class Identities:
    """The identities of every vendor and tenant."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def known(self, scope: str, native_ids: Iterable[str]) -> dict[str, Identity]:
        """Those of the native ids that are known.

        Neighbours are read by range scans that skip from wanted key to wanted key; where neighbours are
        few, by point reads.
        """
        wanted = {identity_key(n): n for n in native_ids}
        found: dict[str, Identity] = {}
        left = sorted(wanted)
        while len(left) > _FEW:
            page = self._tables.scan(Table.identities, Span.within(key_safe(scope), left[0], left[-1]))
            hits = {wanted[r.key]: _identity(wanted[r.key], r) for r in page.rows if r.key in wanted}
            found.update(hits)
            if page.token is None:
                return found
            if not page.rows:  # the service gave up before it found any: nothing is known of these yet
                break
            left = [k for k in left if k > page.rows[-1].key]
            if len(hits) < _WORTH_SCANNING * len(page.rows):
                break
        found.update(self._read_each(scope, {k: wanted[k] for k in left}))
        return found

    def _read_each(self, scope: str, wanted: Mapping[str, str]) -> dict[str, Identity]:
        partition = key_safe(scope)

        def read(key: str) -> tuple[str, Row | None]:
            return wanted[key], self._tables.get(Table.identities, partition, key)

        if len(wanted) <= _FEW:
            rows = [read(key) for key in wanted]
        else:
            with ThreadPoolExecutor(8) as pool:
                rows = list(pool.map(read, wanted))
        return {native: _identity(native, row) for native, row in rows if row is not None}

    def insert(self, scope: str, identities: Iterable[Identity]) -> None:
        """Insert all of them (at most 100) or none. Raises RowExists if any is known."""
        self._tables.write(Table.identities, [Insert(i.row(scope)) for i in identities])

    def note_seen(self, scope: str, identity: Identity, source: str, fingerprint: str) -> None:
        """Remember what a source said last; other sources' notes are kept, whoever writes at the same time.

        When two batches of one source note different things at the same time, nobody knows here which of
        them the card holds. Then neither is kept: the alert is looked at again when it is next read.
        """
        current: Identity | None = identity
        before = identity.seen.get(source)
        wanted = fingerprint
        while current is not None and current.seen.get(source, "") != wanted:
            noted = replace(current, seen={**current.seen, source: wanted})
            try:
                self._tables.write(Table.identities, [Replace(noted.row(scope))])
                return
            except RowChanged:
                current = self.known(scope, [identity.native_id]).get(identity.native_id)
                if current is not None and current.seen.get(source) not in (before, fingerprint):
                    wanted = ""
