"""The dedupe gate: which card each name of an alert belongs to, and what each source last said of it.

All names (`identity.aliases`) of a tenant's alerts stand in one partition, so that one transaction claims an
alert under all of them, or none. Polls read whole feeds again and again; `known` answers for a page of names
with about one storage call for a thousand neighbours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from shared.errors import RowChanged
from shared.store.keys import identity_key
from shared.store.stores import Insert, Replace, Row, Span, Table, Tables, as_read, key_safe, until_first

_FEW = 3
_WORTH_SCANNING = (
    0.05  # below this share of wanted rows in a page, point reads are cheaper than more scanning
)


@dataclass(frozen=True)
class Identity:
    """One name of an alert. `seen` maps a source (`configuration:channel`) to the fingerprint it last gave
    under this name; `by` is the batch that inserted it; `apart` names, by configuration, the card to which a
    person has moved that configuration's view."""

    alias: str
    card_id: str
    by: str
    seen: Mapping[str, str] = field(default_factory=dict)
    apart: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""

    def row(self, scope: str) -> Row:
        """As it is stored."""
        values: dict[str, str | int | float | bool | bytes] = {
            "card": self.card_id,
            "by": self.by,
            "seen": _json(self.seen),
        }
        if self.apart:
            values["apart"] = _json(self.apart)
        return Row(key_safe(scope), identity_key(self.alias), values, self.etag)


def _json(value: Mapping[str, str]) -> str:
    return json.dumps(dict(value), separators=(",", ":"))


def _identity(alias: str, row: Row) -> Identity:
    return Identity(
        alias=alias,
        card_id=str(row.values["card"]),
        by=str(row.values["by"]),
        seen=json.loads(str(row.values["seen"])),
        apart=json.loads(str(row.values.get("apart", "{}"))),
        etag=row.etag,
    )


class Identities:
    """The identities of every tenant."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def known(self, scope: str, names: Iterable[str]) -> dict[str, Identity]:
        """Those of the names that are known.

        Neighbours are read by range scans that skip from wanted key to wanted key; where neighbours are
        few, by point reads.
        """
        wanted = {identity_key(n): n for n in names}
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
        return {name: _identity(name, row) for name, row in rows if row is not None}

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
                current = self.known(scope, [identity.alias]).get(identity.alias)
                if current is not None and current.seen.get(source) not in (before, fingerprint):
                    wanted = ""

    def set_apart(self, scope: str, alias: str, configuration_id: str, card_id: str) -> None:
        """From now on, what this configuration says under this name belongs to that card."""

        def attempt() -> None:
            current = self.known(scope, [alias]).get(alias) or Identity(alias, card_id, "")
            apart = replace(current, apart={**current.apart, configuration_id: card_id})
            self._tables.write(Table.identities, [as_read(apart.row(scope))])

        until_first(attempt, "Other writers kept changing the same alert; try again.")
