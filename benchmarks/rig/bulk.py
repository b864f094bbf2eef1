"""A bulk poll in one process: tick, poll, store, announce; each step with what it cost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.data.tables import TableServiceClient

from benchmarks.rig.storage import make_all
from devhost.pump import Pump
from shared.bootstrap import Parts
from shared.nouns.configurations import CloudName, Configuration
from shared.nouns.detections import Channel
from shared.pipeline.messages import RawAlerts
from shared.pipeline.reading import read_alert
from shared.store.detections import Source
from shared.store.stores import TABLES, Change, Insert, Queue, Replace, Row, Rows, Tables
from shared.vendors.vendor import Vendor

# A Wednesday noon: bursts do not fall on the border of two weeks, which are two partitions.
_NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


def wednesday() -> Callable[[], datetime]:
    """A clock that begins at the noon of a Wednesday and goes on from there."""
    began = time.monotonic()
    return lambda: _NOON + timedelta(seconds=time.monotonic() - began)


def work_off(pump: Pump, *queues: str) -> None:
    """Handle what queues hold, and nothing that comes of it. Raises what went wrong. Receives exactly as
    often as there is something: a host's receives on idle queues are not this work's."""
    for queue in queues:
        while pump.parts.queues.depth(queue):
            pump.step(queue)
            if pump.failures:
                raise pump.failures[-1]


def without_looking(counts: Counter[str]) -> Counter[str]:
    """The counts without `work_off`'s own looking at how much waits."""
    return Counter({kind: n for kind, n in counts.items() if kind != "queue look"})


@dataclass
class RecordingTables:
    """Tables that keep what was written (see `stores.Tables`)."""

    tables: Tables
    written: list[tuple[str, list[Change]]] = field(default_factory=list)

    def get(self, table: str, partition: str, key: str) -> Row | None:
        """One row, or None."""
        return self.tables.get(table, partition, key)

    def scan(self, *args: Any, **options: Any) -> Rows:
        """One page."""
        return self.tables.scan(*args, **options)

    def write(self, table: str, changes: Sequence[Change]) -> list[str]:
        """Apply, and keep."""
        self.written.append((table, list(changes)))
        return self.tables.write(table, changes)


def queued_batches(parts: Parts) -> list[str]:
    """What waits on raw-alerts, opened and taken off."""
    opened: list[str] = []
    for queue in (Queue.raw_alerts, Queue.raw_alerts_backlog):
        while messages := parts.queues.receive(queue):
            for message in messages:
                opened.append(parts.mailbox.open(message.body))
                parts.queues.delete(queue, message)
    return opened


def store_seconds(parts: Parts, vendor: Vendor, configuration: Configuration, batches: list[str]) -> float:
    """Seconds to normalise, dedupe and store opened raw-alerts messages."""
    began = time.perf_counter()
    for batch in batches:
        message = RawAlerts.model_validate_json(batch)
        entries = [
            (read_alert(vendor, raw.body, Channel.poll, CloudName.commercial), raw) for raw in message.alerts
        ]
        parts.detections.record(Source(configuration, Channel.poll, message.batch), entries)
    return time.perf_counter() - began


def bare_seconds(connection_string: str, written: list[tuple[str, list[Change]]]) -> float:
    """Seconds for the bare SDK to insert the same rows into an empty account, in the same batches."""
    make_all(connection_string)
    with TableServiceClient.from_connection_string(connection_string) as service:
        clients = {table: service.get_table_client(table) for table in TABLES}
        batches = [(table, [("create", _entity(c)) for c in changes]) for table, changes in written]
        for client in clients.values():
            next(iter(client.list_entities(results_per_page=1)), None)  # opens the connection
        began = time.perf_counter()
        for table, operations in batches:
            clients[table].submit_transaction(operations)
        return time.perf_counter() - began


def _entity(change: Change) -> dict[str, Any]:
    if not isinstance(change, Insert | Replace):
        raise TypeError("only inserts can be repeated")
    return {"PartitionKey": change.row.partition, "RowKey": change.row.key, **change.row.values}
