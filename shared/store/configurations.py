"""Vendor configurations with their poll states: two rows of one partition, so that one scan shows both."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from shared.errors import Conflict
from shared.nouns.configurations import Configuration, PollState
from shared.store.stores import Delete, Row, Span, Table, Tables, Value, as_read, every_row, key_safe

_log = logging.getLogger(__name__)
_CONFIGURATION, _STATE = "configuration", "state"
_OF_A_WALK = (
    *("cursor", "ticket", "ticket_until", "walk_started", "read_from", "read_until"),
    *("last_error", "error_kind", "failing_since"),
)


@dataclass(frozen=True)
class Configured:
    """A configuration and how it is doing."""

    configuration: Configuration
    state: PollState


def _configured(rows: list[Row]) -> Configured | None:
    by_key = {row.key: row for row in rows}
    stored, state = by_key.get(_CONFIGURATION), by_key.get(_STATE)
    if stored is None:
        return None
    configuration = Configuration.model_validate_json(str(stored.values["document"])).model_copy(
        update={"etag": stored.etag}
    )
    if state is None:
        return Configured(configuration, PollState(configuration_id=configuration.id))
    read = PollState.model_validate_json(str(state.values["document"])).model_copy(
        update={"etag": state.etag}
    )
    return Configured(configuration, read)


def _readable(rows: list[Row]) -> Configured | None:
    try:
        return _configured(rows)
    except ValueError:
        _log.error("configuration %s cannot be read; was it written by another version?", rows[0].partition)
        return None


class Configurations:
    """Every vendor configuration. Holds references of secrets, never secrets."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    def all(self) -> list[Configured]:
        """All of them, in the order of their ids; one that cannot be read is left out, for the sake of the
        others."""
        groups: dict[str, list[Row]] = {}
        for row in every_row(self._tables, Table.configurations):
            groups.setdefault(row.partition, []).append(row)
        return [c for c in map(_readable, groups.values()) if c is not None]

    def get(self, id: str) -> Configured | None:
        """One of them, or None. One storage call, unless the service stops in the middle."""
        return _configured(list(every_row(self._tables, Table.configurations, Span.within(key_safe(id)))))

    def save(self, configuration: Configuration) -> Configuration:
        """Store a new configuration (no etag) or a changed one; gives it back with its new etag. Raises
        Conflict when it exists already or has changed since it was read."""
        row = self._row(
            configuration.id,
            _CONFIGURATION,
            configuration.model_dump_json(exclude={"etag"}),
            configuration.etag,
        )
        [etag] = self._tables.write(Table.configurations, [as_read(row)])
        return configuration.model_copy(update={"etag": etag})

    def remove(self, id: str) -> None:
        """Delete it and its state; fine if there is none."""
        partition = key_safe(id)
        self._tables.write(
            Table.configurations, [Delete(partition, _CONFIGURATION), Delete(partition, _STATE)]
        )

    def save_state(self, state: PollState) -> PollState:
        """Store a poll state as it was read and changed; gives it back with its new etag. Raises Conflict
        when somebody else has written it since."""
        row = self._row(state.configuration_id, _STATE, state.model_dump_json(exclude={"etag"}), state.etag)
        [etag] = self._tables.write(Table.configurations, [as_read(row)])
        return state.model_copy(update={"etag": etag})

    def read_soon(self, id: str, *, anew: bool) -> None:
        """Make it due after a change; `anew`, from the beginning: the old cursor would skip what was never
        read there. Raises Conflict when others keep writing the state."""
        update: dict[str, object] = {"next_due": None}
        if anew:
            update |= dict.fromkeys(_OF_A_WALK)
        for _ in range(5):  # tick and poller write this row too
            found = self.get(id)
            if found is None or not found.state.etag:
                return  # gone meanwhile, or never polled: then it is due anyway
            try:
                self.save_state(found.state.model_copy(update=update))
            except Conflict:
                continue
            return
        raise Conflict("The change is saved, but its poll state is busy: save it again to read at once.")

    @staticmethod
    def _row(id: str, key: str, document: str, etag: str) -> Row:
        values: dict[str, Value] = {"document": document}
        return Row(key_safe(id), key, values, etag)
