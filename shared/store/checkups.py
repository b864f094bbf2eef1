"""The last checkup of each configuration."""

from __future__ import annotations

import logging

from shared.nouns.checkups import Checkup
from shared.store.stores import Delete, Replace, Row, Span, Table, Tables, every_row, key_safe

_CHECK = "check"
_log = logging.getLogger(__name__)


class Checkups:
    """Checkups by configuration; the last one counts."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    def save(self, configuration_id: str, checkup: Checkup) -> None:
        """Keep it in place of the last one."""
        row = Row(key_safe(configuration_id), _CHECK, {"document": checkup.model_dump_json()})
        self._tables.write(Table.credentials, [Replace(row)])

    def get(self, configuration_id: str) -> Checkup | None:
        """The last one; None if there is none. One storage call."""
        row = self._tables.get(Table.credentials, key_safe(configuration_id), _CHECK)
        return None if row is None else _read(row)

    def all(self) -> dict[str, Checkup]:
        """The last one of each configuration, by its id."""
        rows = every_row(self._tables, Table.credentials, Span(key_from=_CHECK, key_to=_CHECK))
        found = {row.partition: _read(row) for row in rows if row.key == _CHECK}
        return {id: checkup for id, checkup in found.items() if checkup is not None}

    def forget(self, configuration_id: str) -> None:
        """Remove what is known of a configuration that is removed."""
        self._tables.write(Table.credentials, [Delete(key_safe(configuration_id), _CHECK)])


def _read(row: Row) -> Checkup | None:
    try:
        return Checkup.model_validate_json(str(row.values["document"]))
    except ValueError:
        _log.error("the checkup of %s cannot be read; was it written by another version?", row.partition)
        return None
