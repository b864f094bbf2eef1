"""Queue triggers: fetch messages in batches, run the function on each, delete, give back or poison.

A message stays hidden for ten minutes, renewed at half time while its function runs. The next batch is
fetched when no more than `new_batch_threshold` are under way. A failed message comes back after
`visibility_timeout`; after `max_dequeue_count` deliveries it is copied to `<queue>-poison`, as it came. A
queue that is itself a poison queue has no further one: its failed messages stay hidden until their time is
over. A queue that does not exist is waited for. Source: the storage extension's queue listener and
processor.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from azure.core.exceptions import AzureError, HttpResponseError

from devhost.backoff import Backoff
from devhost.options import QueueOptions
from devhost.storage_queues import Delivery, StorageQueue, decode, lost

_log = logging.getLogger("devhost.queues")
HIDDEN_SECONDS = 600.0
"""How long a message is hidden at a time while its function runs; fixed in the real host."""
_SHORTEST_POLL = 0.1
_LONGEST_NAME = 63
Handle = Callable[[Delivery, bytes], Awaitable[bool]]
"""Runs the function on a message and its body; whether it succeeded."""


def poison_name(queue: str) -> str | None:
    """The poison queue of a queue; None if it is one itself or the name would be too long."""
    name = f"{queue}-poison"
    return None if queue.endswith("-poison") or len(name) > _LONGEST_NAME else name


class QueueListener:
    """One queue trigger. `listen` until `stop`; then it waits for the messages under way.

    `added` is told the name of the poison queue that was given a message; `notify` ends a wait at once.
    """

    def __init__(
        self,
        queue: StorageQueue,
        poison: StorageQueue | None,
        options: QueueOptions,
        handle: Handle,
        *,
        added: Callable[[str], None] = lambda name: None,
        hidden_seconds: float,
    ) -> None:
        self._queue, self._poison, self._options, self._handle = queue, poison, options, handle
        self._added, self._hidden = added, hidden_seconds
        self._backoff = Backoff(_SHORTEST_POLL, options.max_polling_interval)
        self._under_way: set[asyncio.Task[None]] = set()
        self._stopping, self._wake = asyncio.Event(), asyncio.Event()
        self._exists = self._complained = False

    @property
    def name(self) -> str:
        """The queue's name."""
        return self._queue.name

    async def listen(self) -> None:
        """Fetch and run until `stop`; come back when nothing is under way."""
        found = False
        while not self._stopping.is_set():
            self._wake.clear()
            batch = await self._fetch()
            for delivery in batch:
                self._begin(delivery)
            if batch:
                found = True
                await self._room()
            else:
                await self._pause(self._backoff.next(found=found))
                found = False
        while self._under_way:
            await asyncio.wait(self._under_way)

    def stop(self) -> None:
        """Fetch no more."""
        self._stopping.set()
        self._wake.set()

    def notify(self) -> None:
        """A message has been put by this host: look now."""
        self._wake.set()

    async def _fetch(self) -> list[Delivery]:
        try:
            self._exists = self._exists or await self._queue.exists()
            if not self._exists:
                return []
            batch = await self._queue.receive(self._options.batch_size, self._hidden)
        except AzureError as error:
            self._exists = False
            if not self._complained:  # once, not at every poll
                self._complained = True
                _log.warning("Queue '%s' cannot be read (%s); trying again.", self.name, type(error).__name__)
            return []
        self._complained = False
        return batch

    def _begin(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._guarded(delivery))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _room(self) -> None:
        while len(self._under_way) > self._options.new_batch_threshold:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)

    async def _guarded(self, delivery: Delivery) -> None:
        try:
            await self._deliver(delivery)
        except AzureError as error:  # storage is away; the message comes back when its time is over
            _log.error("A message of '%s' could not be finished (%s).", self.name, type(error).__name__)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            body = decode(delivery.raw, as_base64=self._options.base64)
        except ValueError:
            _log.error("A message of '%s' is not base64 (host.json: messageEncoding).", self.name)
            await self._poisoned(delivery)
            return
        if delivery.dequeue_count > self._options.max_dequeue_count:
            await self._poisoned(delivery)
            return
        held = _Held(self._queue, delivery, self._hidden)
        renewing = asyncio.create_task(held.renew())
        try:
            succeeded = await self._handle(delivery, body)
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])
        await self._finish(held.delivery, succeeded)

    async def _finish(self, delivery: Delivery, succeeded: bool) -> None:
        if succeeded:
            await self._queue.delete(delivery)
        elif self._poison is None:
            return  # released at once it would come back for ever
        elif delivery.dequeue_count >= self._options.max_dequeue_count:
            await self._poisoned(delivery)
        else:
            try:
                await self._queue.hide(delivery, self._options.visibility_timeout)
            except HttpResponseError as error:
                if not lost(error):
                    raise

    async def _poisoned(self, delivery: Delivery) -> None:
        if self._poison is None:
            return
        _log.warning("A message of '%s' goes to '%s'.", self.name, self._poison.name)
        await self._poison.add(delivery.raw)
        await self._queue.delete(delivery)
        self._added(self._poison.name)


class _Held:
    """A message that is kept hidden while its function runs. Each renewal changes its receipt."""

    def __init__(self, queue: StorageQueue, delivery: Delivery, seconds: float) -> None:
        self._queue, self._seconds = queue, seconds
        self.delivery = delivery

    async def renew(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 2)
            # Shielded: a cancelled call would go on in its thread and take the receipt with it.
            call = asyncio.ensure_future(self._queue.hide(self.delivery, self._seconds))
            try:
                self.delivery = replace(self.delivery, receipt=await asyncio.shield(call))
            except asyncio.CancelledError:
                with suppress(AzureError):
                    self.delivery = replace(self.delivery, receipt=await call)
                raise
            except HttpResponseError as error:
                if lost(error):
                    return
            except AzureError:
                continue  # the next renewal may still come in time
