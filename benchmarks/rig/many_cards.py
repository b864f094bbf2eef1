"""Fills an account with many cards, fast: real cards of a few alerts, written again under other keys by
hand-made entity group transactions, because the SDK would take several minutes for 200,000."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from shared.nouns.detections import Channel, RawAlert, instant_of
from shared.store.cards import card_row
from shared.store.detections import Detections, Source
from shared.store.keys import card_id, week_of
from shared.store.memory import MemoryBlobs, MemoryTables
from shared.store.stores import Row, Table
from shared.vendors.defender_endpoint import DefenderEndpoint
from simulator import ticks
from simulator.endpoint_alerts import EndpointTenant

_DAYS = 60


def fill(connection_string: str, configuration: Any, count: int) -> None:
    """Store `count` cards, spread evenly over sixty days before now."""
    table = _Table(connection_string)
    batch: list[Row] = []
    for row in _rows(configuration, count):
        if batch and (len(batch) == 100 or batch[0].partition != row.partition):
            table.insert(batch)
            batch = []
        batch.append(row)
    table.insert(batch)
    table.close()


def _rows(configuration: Any, count: int) -> Iterator[Row]:
    """New rows, newest first: each has the list columns and the document of one of ten real cards."""
    now = datetime.now(UTC)
    moulds = _moulds(configuration, now)
    step = timedelta(days=_DAYS) / count
    for number in range(count):
        row, detection = moulds[number % len(moulds)]
        when = instant_of(now - step * number)
        named = detection.model_copy(update={"native_id": f"bench-{number}", "created": when})
        key = card_id(configuration.scope, named.native_id, named, when)
        yield Row(week_of(key), key, {**row.values, "created": when, "changed": when, "first_seen": when})


def _moulds(configuration: Any, now: datetime) -> list[tuple[Row, Any]]:
    tenant, vendor = EndpointTenant(configuration.tenant_id), DefenderEndpoint()
    made = []
    for _ in range(10):
        alert = tenant.make(ticks.ticks_of(now))
        detection = vendor.to_detection(alert.raw(evidence=True))
        raw = RawAlert(body={}, received=instant_of(now))
        store = Detections(tables=MemoryTables(), blobs=MemoryBlobs(), clock=lambda: now)
        card = store.record(Source(configuration, Channel.poll, "bench"), [(detection, raw)]).owned[0]
        made.append((card_row(card, MemoryBlobs()), detection))
    return made


class _Table:
    """One kept connection to the detections table of an emulator's account."""

    def __init__(self, connection_string: str) -> None:
        settings = dict(part.split("=", 1) for part in connection_string.split(";") if part)
        self._account, self._key = settings["AccountName"], base64.b64decode(settings["AccountKey"])
        self._url = settings["TableEndpoint"]
        self._connection = http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=60)

    def insert(self, rows: list[Row]) -> None:
        """Insert up to a hundred rows of one partition. Raises RuntimeError for a refusal."""
        name = uuid4().hex
        body = self._body(name, rows)
        path = f"/{self._account}/$batch"
        date = formatdate(usegmt=True)
        # Shared Key Lite for tables: the date and the canonicalised resource, which names the account twice.
        signed = hmac.new(self._key, f"{date}\n/{self._account}{path}".encode(), hashlib.sha256).digest()
        headers = {
            "x-ms-date": date,
            "x-ms-version": "2019-02-02",
            "DataServiceVersion": "3.0",
            "Content-Type": f"multipart/mixed; boundary=batch_{name}",
            "Authorization": f"SharedKeyLite {self._account}:{base64.b64encode(signed).decode()}",
        }
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        told = answer.read()
        if answer.status != 202 or told.count(b"HTTP/1.1 204") != len(rows):
            raise RuntimeError(f"loading cards failed: {answer.status} {told[:500]!r}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _body(self, name: str, rows: list[Row]) -> bytes:
        lines = [f"--batch_{name}", f"Content-Type: multipart/mixed; boundary=changeset_{name}", ""]
        for row in rows:
            lines += [
                f"--changeset_{name}",
                "Content-Type: application/http",
                "Content-Transfer-Encoding: binary",
                "",
                f"POST {self._url}/{Table.detections} HTTP/1.1",
                "Accept: application/json;odata=minimalmetadata",
                "Content-Type: application/json",
                "Prefer: return-no-content",
                "DataServiceVersion: 3.0",
                "",
                json.dumps(_entity(row)),
            ]
        lines += [f"--changeset_{name}--", f"--batch_{name}--", ""]
        return "\r\n".join(lines).encode()


def _entity(row: Row) -> dict[str, Any]:
    entity: dict[str, Any] = {"PartitionKey": row.partition, "RowKey": row.key}
    for column, value in row.values.items():
        if isinstance(value, bytes):
            entity[f"{column}@odata.type"] = "Edm.Binary"
            entity[column] = base64.b64encode(value).decode()
        elif isinstance(value, int):
            entity[f"{column}@odata.type"] = "Edm.Int64"
            entity[column] = str(value)
        else:
            entity[column] = value
    return entity
