"""Storage queues as the host speaks to them: connections from settings, the wire's encoding, calls in
threads.

The SDK's own encoding policies are not used: a message that is not base64 must reach the poison queue as it
came.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient

from devhost.refused import Refused

T = TypeVar("T")


@dataclass(frozen=True)
class Delivery:
    """One message as received. `raw` is the text on the wire."""

    id: str
    raw: str
    dequeue_count: int
    receipt: str
    inserted: datetime | None = None
    expires: datetime | None = None
    next_visible: datetime | None = None


def connect(connection: str, environ: Mapping[str, str]) -> QueueServiceClient:
    """The service that a `connection` names: by connection string or by identity. Raises Refused."""
    name = connection or "AzureWebJobsStorage"
    for prefix in (name, f"AzureWebJobs{name}"):
        if text := environ.get(prefix):
            return _by_connection_string(text, prefix)
        if client := _by_identity(prefix, environ):
            return client
    raise Refused(f"The setting {name} is missing: it must hold a storage account's connection string.")


def _by_connection_string(text: str, name: str) -> QueueServiceClient:
    try:
        return QueueServiceClient.from_connection_string(text)
    except ValueError:
        # Not chained: the SDK's text may quote the connection string.
        raise Refused(f"The setting {name} is not a storage account's connection string.") from None


def _by_identity(name: str, environ: Mapping[str, str]) -> QueueServiceClient | None:
    account = environ.get(f"{name}__accountName")
    address = environ.get(f"{name}__queueServiceUri") or (
        account and f"https://{account}.queue.core.windows.net"
    )
    if not address:
        return None
    from azure.identity import DefaultAzureCredential

    client_id = environ.get(f"{name}__clientId")
    return QueueServiceClient(address, DefaultAzureCredential(managed_identity_client_id=client_id))


class StorageQueue:
    """One queue, awaitable. Azure's errors come out as they are, but for those that mean nothing here."""

    def __init__(self, client: QueueClient, threads: ThreadPoolExecutor) -> None:
        self._client, self._threads = client, threads
        self.name: str = client.queue_name

    async def exists(self) -> bool:
        """Whether there is such a queue."""
        try:
            await self._call(self._client.get_queue_properties)
        except ResourceNotFoundError:
            return False
        return True

    async def receive(self, count: int, hidden: float) -> list[Delivery]:
        """Take up to `count` messages; each stays hidden for `hidden` seconds."""

        def page() -> list[Any]:
            pages = self._client.receive_messages(messages_per_page=count, visibility_timeout=int(hidden))
            return list(next(iter(pages.by_page()), ()))

        return [
            Delivery(
                m.id,
                m.content,
                m.dequeue_count,
                m.pop_receipt,
                m.inserted_on,
                m.expires_on,
                m.next_visible_on,
            )
            for m in await self._call(page)
        ]

    async def hide(self, delivery: Delivery, seconds: float) -> str:
        """Make a received message visible after `seconds`; its new receipt."""
        updated = await self._call(
            lambda: self._client.update_message(
                delivery.id, pop_receipt=delivery.receipt, visibility_timeout=int(seconds)
            )
        )
        return str(updated.pop_receipt)

    async def delete(self, delivery: Delivery) -> None:
        """Remove a received message; fine if it is gone or somebody else has it now."""
        try:
            await self._call(lambda: self._client.delete_message(delivery.id, delivery.receipt))
        except HttpResponseError as error:
            if not lost(error):
                raise

    async def add(self, raw: str) -> None:
        """Put a text as it is, making the queue if there is none."""
        try:
            await self._call(lambda: self._client.send_message(raw))
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):  # somebody else was first
                await self._call(self._client.create_queue)
            await self._call(lambda: self._client.send_message(raw))

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(function))


def lost(error: HttpResponseError) -> bool:
    """Whether the message is no longer ours: deleted, or delivered again meanwhile."""
    return error.status_code == 404 or (
        error.status_code == 400 and getattr(error, "error_code", "") == "PopReceiptMismatch"
    )


def encode(body: str | bytes, *, as_base64: bool) -> str:
    """A body as it goes on the wire."""
    content = body.encode() if isinstance(body, str) else body
    return base64.b64encode(content).decode() if as_base64 else content.decode()


def decode(raw: str, *, as_base64: bool) -> bytes:
    """A body off the wire. Raises ValueError if it is not base64."""
    if not as_base64:
        return raw.encode()
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
