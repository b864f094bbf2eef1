"""The storage contract's queues on Azure Queue Storage (see `stores.Queues`).

Bodies are base64 of UTF-8 on the wire, as the Functions host reads and writes them (`messageEncoding` in
host.json). Messages never expire: what cannot be worked off waits for somebody to look. A queue is made when
a send first finds it missing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.queue import ExponentialRetry, QueueClient, QueueServiceClient

from shared.settings import Settings
from shared.store import limits
from shared.store.account import Once, code_of, connect, storage_errors
from shared.store.stores import Message

_NEVER = -1


def azure_queues(settings: Settings) -> AzureQueues:
    """The queues of the storage account that the settings name. Opens nothing yet."""
    retries = ExponentialRetry(initial_backoff=0, increment_base=1, retry_total=2, random_jitter_range=0)
    return AzureQueues(lambda: connect(QueueServiceClient, settings, "queue", retry_policy=retries))


class AzureQueues:
    """Queues in a storage account. `service_factory` is called once, on first use."""

    def __init__(self, service_factory: Callable[[], QueueServiceClient]) -> None:
        self._service = Once(service_factory)
        self._clients: dict[str, QueueClient] = {}

    def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        """Put a message. Raises ValueError over 48 KiB or 7 days, TryLater."""
        seconds = limits.check_message(body, delay)
        content = base64.b64encode(body.encode()).decode()
        with storage_errors("queue"):
            client = self._client(queue)
            try:
                client.send_message(content, visibility_timeout=seconds, time_to_live=_NEVER)
            except HttpResponseError as error:
                if code_of(error) != "QueueNotFound":
                    raise
                with suppress(ResourceExistsError):
                    client.create_queue()
                client.send_message(content, visibility_timeout=seconds, time_to_live=_NEVER)

    def receive(
        self, queue: str, *, count: int = 32, visibility: timedelta = timedelta(minutes=10)
    ) -> list[Message]:
        """Take up to `count` visible messages in one storage call."""
        seconds = limits.check_receive(count, visibility)
        with storage_errors("queue"):
            try:
                pages = self._client(queue).receive_messages(
                    messages_per_page=count, max_messages=count, visibility_timeout=seconds
                )
                # A second page would be a second call.
                page = list(next(pages.by_page(), ()))
            except HttpResponseError as error:
                if code_of(error) == "QueueNotFound":
                    return []
                raise
        return [Message(m.id, _text(m.content), m.dequeue_count or 1, m.pop_receipt or "") for m in page]

    def delete(self, queue: str, message: Message) -> None:
        """Remove a received message, unless it is gone or was delivered again."""
        with storage_errors("queue"):
            try:
                self._client(queue).delete_message(message.id, message.receipt)
            except HttpResponseError as error:
                if code_of(error) not in ("MessageNotFound", "PopReceiptMismatch", "QueueNotFound"):
                    raise

    def depth(self, queue: str) -> int:
        """About how many messages the queue holds, those in work included; 0 for a missing queue."""
        with storage_errors("queue"):
            try:
                return self._client(queue).get_queue_properties().approximate_message_count or 0
            except HttpResponseError as error:
                if code_of(error) == "QueueNotFound":
                    return 0
                raise

    def _client(self, queue: str) -> QueueClient:
        client = self._clients.get(queue)
        if client is None:
            client = self._clients.setdefault(queue, self._service().get_queue_client(queue))
        return client


def _text(content: str) -> str:
    """The body of a message; plain text that a person put there is taken as it is."""
    try:
        return base64.b64decode(content, validate=True).decode()
    except (binascii.Error, ValueError):
        return content
