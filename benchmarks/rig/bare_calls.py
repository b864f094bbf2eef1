"""The storage calls and the push that one alert cannot do without, made with the bare SDKs, one after the
other, in the sizes that the product uses."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import requests
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from benchmarks.rig.storage import make_all
from shared.store.account import transport
from shared.store.stores import Queue, Table

_MESSAGE, _ANNOUNCEMENT = "x" * 7_000, "x" * 800
_IDENTITY = {"card": "x" * 30, "by": "x" * 32, "seen": "x" * 60}
_CARD = {"title": "x" * 80, "changed": "x" * 28, "first_seen": "x" * 28, "document": b"x" * 2_500}
_DELIVERY = {"by": "x" * 32, "outcome": ""}


class BareCalls:
    """Ready to be made: clients open, connections kept."""

    def __init__(self, connection_string: str, push_address: str, ca_bundle: str) -> None:
        make_all(connection_string)
        self._queues = QueueServiceClient.from_connection_string(
            connection_string, transport=transport(env=False)
        )
        self._tables = TableServiceClient.from_connection_string(
            connection_string, transport=transport(env=False)
        )
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = ca_bundle
        self._push_address = push_address

    def steps(self) -> list[tuple[str, Callable[[], Any]]]:
        """The calls in order."""
        raw, said = (
            self._queues.get_queue_client(Queue.raw_alerts),
            self._queues.get_queue_client(Queue.notifications),
        )
        return [
            ("queue put", lambda: raw.send_message(_MESSAGE)),
            ("queue receive", lambda: self._received(raw)),
            ("identity insert", lambda: self._insert(Table.identities, _IDENTITY)),
            ("card insert", lambda: self._insert(Table.detections, _CARD)),
            ("queue put", lambda: said.send_message(_ANNOUNCEMENT)),
            ("queue receive", lambda: self._received(said)),
            ("delivery insert", lambda: self._insert(Table.deliveries, _DELIVERY)),
            ("push", self._push),
        ]

    def seconds(self) -> list[tuple[str, float]]:
        """What each call takes. Messages are deleted afterwards, uncounted: nobody waits for that."""
        taken = []
        for name, call in self.steps():
            began = time.perf_counter()
            result = call()
            taken.append((name, time.perf_counter() - began))
            if name == "queue receive":
                queue, message = result
                queue.delete_message(message)
        return taken

    @staticmethod
    def _received(queue: Any) -> Any:
        return queue, next(iter(queue.receive_messages(messages_per_page=8, visibility_timeout=30)))

    def _insert(self, table: str, values: dict[str, Any]) -> None:
        entity = {"PartitionKey": "bare", "RowKey": uuid4().hex, **values}
        self._tables.get_table_client(table).create_entity(entity)

    def _push(self) -> None:
        headers = {"TTL": "86400", "Urgency": "high", "Content-Encoding": "aes128gcm"}
        self._session.post(self._push_address, data=b"x" * 700, headers=headers).raise_for_status()
