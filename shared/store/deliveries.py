"""Who sends which notification to which installation, so that each is sent once. The message that claimed a
delivery owns sending it."""

from __future__ import annotations

from collections.abc import Iterable

from shared.errors import RowExists, TryLater
from shared.nouns.notifications import Outcome
from shared.store.stores import (
    Insert,
    Replace,
    Row,
    Span,
    Table,
    Tables,
    every_row,
    key_safe,
    transactions,
)


class Deliveries:
    """One row for each (installation, notification)."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    def claim(self, installation_id: str, notification_ids: Iterable[str], *, by: str) -> set[str]:
        """Those that the batch `by` must send: not claimed before, or claimed by itself with no outcome
        noted. One storage call when none was claimed before."""
        wanted = {key_safe(n): n for n in notification_ids}
        mine: set[str] = set()
        for batch in transactions(
            Insert(Row(key_safe(installation_id), k, {"by": by, "outcome": ""})) for k in wanted
        ):
            keys = [change.row.key for change in batch if isinstance(change, Insert)]
            mine |= {wanted[k] for k in self._claim(key_safe(installation_id), keys, by)}
        return mine

    def _claim(self, partition: str, keys: list[str], by: str) -> set[str]:
        mine: set[str] = set()
        for _ in range(20):
            try:
                if keys:
                    self._tables.write(
                        Table.deliveries, [Insert(Row(partition, k, {"by": by, "outcome": ""})) for k in keys]
                    )
                return mine | set(keys)
            except RowExists:
                known = self._known(partition, keys)
                mine |= {
                    k for k, row in known.items() if row.values["by"] == by and not row.values["outcome"]
                }
                keys = [k for k in keys if k not in known]
        raise TryLater("Deliveries were claimed by others again and again; it is tried again.")

    def _known(self, partition: str, keys: list[str]) -> dict[str, Row]:
        wanted, span = set(keys), Span.within(partition, min(keys), max(keys))
        return {row.key: row for row in every_row(self._tables, Table.deliveries, span) if row.key in wanted}

    def note(
        self, installation_id: str, notification_id: str, outcome: Outcome, *, by: str, reason: str = ""
    ) -> None:
        """Remember what became of it."""
        values = {"by": by, "outcome": outcome.value, "reason": reason[:500]}
        self._tables.write(
            Table.deliveries, [Replace(Row(key_safe(installation_id), key_safe(notification_id), values))]
        )
