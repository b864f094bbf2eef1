"""The storage contract's tables on Azure Table Storage (see `stores.Tables`).

Tables are made when a write first finds them missing; a table that is missing reads as empty. Whole numbers
are kept as 64-bit, so that what is written is what is read and what a filter compares.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.data.tables import EdmType, EntityProperty, TableClient, TableServiceClient, UpdateMode

from shared.errors import BadRequest, RowChanged, RowExists
from shared.settings import Settings
from shared.store import limits
from shared.store.account import Once, code_of, connect, storage_errors, translated
from shared.store.filters import filter_text
from shared.store.stores import Change, Delete, Insert, Row, Rows, Span, Value, Where

_RETRIES = {"retry_total": 2, "retry_backoff_factor": 0.4, "retry_backoff_max": 2}


def azure_tables(settings: Settings) -> AzureTables:
    """The tables of the storage account that the settings name. Opens nothing yet."""
    return AzureTables(lambda: connect(TableServiceClient, settings, "table", **_RETRIES))


class AzureTables:
    """Tables in a storage account. `service_factory` is called once, on first use."""

    def __init__(self, service_factory: Callable[[], TableServiceClient]) -> None:
        self._service = Once(service_factory)
        self._clients: dict[str, TableClient] = {}

    def get(self, table: str, partition: str, key: str) -> Row | None:
        """One row, or None."""
        with storage_errors("table"):
            try:
                return _row(self._client(table).get_entity(partition, key), partition, key)
            except HttpResponseError as error:
                if error.status_code == 404:
                    return None
                raise

    def scan(
        self,
        table: str,
        span: Span = Span(),  # noqa: B008 - frozen
        *,
        where: Sequence[Where] = (),
        select: Sequence[str] | None = None,
        limit: int = 1000,
        token: str | None = None,
    ) -> Rows:
        """One page of the span, in order, for one storage call. Raises BadRequest for a bad token."""
        limits.check_page(limit, select)
        columns = None if select is None else ["PartitionKey", "RowKey", *select]
        text = filter_text(span, where)
        place = None if token is None else _read_token(token)
        client = self._client(table)
        if text:
            found = client.query_entities(text, results_per_page=limit, select=columns)
        else:
            found = client.list_entities(results_per_page=limit, select=columns)
        pages: Any = found.by_page(place)  # type: ignore[arg-type]  # the SDK's token is a mapping, whatever it says
        with storage_errors("table"):
            try:
                rows = tuple(_row(e, e["PartitionKey"], e["RowKey"]) for e in next(pages))
            except HttpResponseError as error:
                if code_of(error) == "TableNotFound":
                    return Rows(())
                if error.status_code == 400 and token:
                    raise BadRequest(_BAD_TOKEN) from error
                raise
        return Rows(rows, _token(pages.continuation_token))

    def write(self, table: str, changes: Sequence[Change]) -> list[str]:
        """Apply all changes or none; gives the new etags. Raises RowExists, RowChanged, TryLater,
        ValueError."""
        limits.check_changes(changes)
        left = dict(enumerate(changes))
        etags = dict.fromkeys(left, "")
        made = False
        while left:
            try:
                sent = _send(self._client(table), list(left.values()))
                etags.update(zip(left, sent, strict=True))
                break
            except HttpResponseError as error:
                if code_of(error) == "TableNotFound" and not made:
                    made = self._make(table)
                    continue
                at = next(islice(left, getattr(error, "index", 0), None), None)
                if error.status_code != 404 or at is None or not _needless(left[at]):
                    raise _refusal(error, table) from error
                del left[at]  # already gone, and the service refuses the whole transaction for it
            except AzureError as error:
                raise translated(error, "table") from error
        return list(etags.values())

    def _client(self, table: str) -> TableClient:
        client = self._clients.get(table)
        if client is None:
            with storage_errors("table"):
                client = self._clients.setdefault(table, self._service().get_table_client(table))
        return client

    def _make(self, table: str) -> bool:
        with storage_errors("table"), suppress(ResourceExistsError):
            self._service().create_table(table)
        return True


def _send(client: TableClient, changes: Sequence[Change]) -> list[str]:
    """One call for all; gives the etags. A single change goes by itself: a third of the SDK's time for a
    transaction."""
    operations = [_operation(change) for change in changes]
    verb, entity, *options = operations[0]
    # A conditional delete goes as a transaction: alone, the SDK keeps quiet about a row that is gone.
    if len(operations) > 1 or (verb == "delete" and options):
        answers = client.submit_transaction(operations)
    else:
        answers = [getattr(client, f"{verb}_entity")(entity, **(options[0] if options else {}))]
    return [str((answer or {}).get("etag") or "") for answer in answers]


def _operation(change: Change) -> tuple[Any, ...]:
    if isinstance(change, Delete):
        keys = {"PartitionKey": change.partition, "RowKey": change.key}
        return ("delete", keys, _if_unchanged(change.etag)) if change.etag else ("delete", keys)
    row = change.row
    entity: dict[str, Any] = {"PartitionKey": row.partition, "RowKey": row.key}
    for column, value in row.values.items():
        value = limits.plain(value)
        entity[column] = (value, EdmType.INT64) if type(value) is int else value
    if isinstance(change, Insert):
        return "create", entity
    if row.etag:
        return "update", entity, {"mode": UpdateMode.REPLACE, **_if_unchanged(row.etag)}
    return "upsert", entity, {"mode": UpdateMode.REPLACE}


def _if_unchanged(etag: str) -> dict[str, Any]:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _needless(change: Change) -> bool:
    return isinstance(change, Delete) and not change.etag


def _refusal(error: HttpResponseError, table: str) -> Exception:
    if code_of(error) == "EntityAlreadyExists":
        return RowExists(f"a row of table {table} exists already")
    if error.status_code in (404, 412) and code_of(error) != "TableNotFound":
        return RowChanged(f"a row of table {table} was changed by somebody else")
    return translated(error, "table")


def _row(entity: Mapping[str, Any], partition: str, key: str) -> Row:
    values: dict[str, Value] = {}
    for column, value in entity.items():
        if type(value) is EntityProperty:
            value = value.value
        if value is not None and column not in ("PartitionKey", "RowKey"):
            values[column] = value
    metadata: Mapping[str, Any] = entity.metadata  # type: ignore[attr-defined]  # a TableEntity has it
    return Row(partition, key, values, str(metadata["etag"]))


_BAD_TOKEN = "the continuation token is not one that this service gave: start from the first page"


def _token(place: Mapping[str, str | None] | None) -> str | None:
    if not place:
        return None
    text = json.dumps([place["PartitionKey"], place["RowKey"]])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_token(token: str) -> dict[str, str | None]:
    try:
        partition, key = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        if not all(part is None or isinstance(part, str) for part in (partition, key)):
            raise ValueError
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise BadRequest(_BAD_TOKEN) from None
    return {"PartitionKey": partition, "RowKey": key}
