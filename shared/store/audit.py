"""The audit: appended to, never changed. Entries are numbered without gaps and chained by their hashes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.errors import BadRequest
from shared.nouns.audit import GENESIS, AuditEntry
from shared.nouns.detections import instant_of
from shared.store.stores import Insert, Row, Span, Table, Tables, until_first

_PARTITION = "audit"
_LAST = 9_999_999_999
_ATTEMPTS = 30
_LONGEST = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AuditPage:
    """Entries, newest first, and how to go on (None at the end)."""

    entries: tuple[AuditEntry, ...]
    cursor: str | None


class Audit:
    """Every act of an Admin or Responder."""

    def __init__(self, *, tables: Tables, clock: Callable[[], datetime]) -> None:
        self._tables = tables
        self._clock = clock

    def note(
        self,
        action: str,
        subject: str,
        *,
        actor: str,
        name: str = "",
        details: Mapping[str, str | int | bool | None] | None = None,
    ) -> AuditEntry:
        """Append an entry. Raises TryLater when storage is away or too many append at once."""

        def attempt() -> AuditEntry:
            newest = self.page(limit=1).entries
            entry = AuditEntry(
                number=newest[0].number + 1 if newest else 1,
                time=instant_of(self._clock()),
                actor=actor,
                name=_plain(name)[:200],
                action=action,
                subject=_plain(subject)[:400],
                details=_short(details or {}),
                before=newest[0].hash if newest else GENESIS,
            ).sealed()
            self._tables.write(Table.audit, [Insert(_row(entry))])
            # A second place, which who can write the table cannot: what is cut off there, is known here.
            _log.info("audit %d %s", entry.number, entry.hash)
            return entry

        words = "Too many acts at once; this one was not noted in the audit. Try again."
        return until_first(attempt, words, attempts=_ATTEMPTS)

    def page(self, *, limit: int = 200, cursor: str | None = None) -> AuditPage:
        """At most `limit` entries (1-1000) before the cursor, newest first. Raises BadRequest for a cursor
        that is not one of ours."""
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 10):
            raise BadRequest("The cursor is not one of ours; start again without it.")
        start = _key(int(cursor) - 1) if cursor else None
        entries: list[AuditEntry] = []
        token: str | None = None
        while True:
            page = self._tables.scan(
                Table.audit, Span.within(_PARTITION, start), limit=limit - len(entries), token=token
            )
            entries += [AuditEntry.model_validate_json(str(row.values["document"])) for row in page.rows]
            token = page.token
            if token is None or len(entries) == limit:
                break
        more = bool(entries) and entries[-1].number > 1
        return AuditPage(tuple(entries), str(entries[-1].number) if more else None)


def _row(entry: AuditEntry) -> Row:
    return Row(_PARTITION, _key(entry.number), {"document": entry.model_dump_json()})


def _key(number: int) -> str:
    # Inverted, so that the newest comes first. The service orders keys as text.
    return f"{_LAST - number:010d}"


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _short(details: Mapping[str, str | int | bool | None]) -> dict[str, str | int | bool | None]:
    return {k: _plain(v)[:_LONGEST] if isinstance(v, str) else v for k, v in details.items()}
