"""The local Functions host: joins what is on the other pages, runs it, stops it in order.

Stopping: timers and queues begin nothing new and HTTP takes no more connections; what is under way is
waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from azure.functions.queue import QueueMessage

from devhost.app_index import IndexedFunction, index_app
from devhost.http_trigger import HttpFront, endpoints
from devhost.invocation import Failed, Invoker, thread_count
from devhost.keys import Keys
from devhost.ncrontab import parse
from devhost.options import HostOptions, read_host_json, resolve
from devhost.queue_outputs import QueueOutputs
from devhost.queue_trigger import HIDDEN_SECONDS, QueueListener, poison_name
from devhost.refused import Refused
from devhost.storage_queues import Delivery, StorageQueue, connect
from devhost.timer_trigger import Monitor, Timer, is_monitored, local_now

_log = logging.getLogger("devhost")
_STORAGE_THREADS = 32
_DRAIN_SECONDS = 30


@dataclass(frozen=True)
class Place:
    """Where the host runs: the app's folder, the folder for its own state, its address; `auth` False asks
    no keys.
    """

    root: Path
    state: Path
    port: int = 7071
    address: str = "127.0.0.1"
    auth: bool = True


class LocalHost:
    """One function app, indexed when made. Raises Refused for what the real host would not run."""

    def __init__(self, place: Place, environ: Mapping[str, str]) -> None:
        self._place, self._environ = place, environ
        self._options: HostOptions = read_host_json(place.root / "host.json")
        self._storage = ThreadPoolExecutor(_STORAGE_THREADS, thread_name_prefix="storage")
        outputs = QueueOutputs(self._options.queues, environ, self._storage, added=self._added)
        threads = thread_count(environ.get("PYTHON_THREADPOOL_THREAD_COUNT"))
        self._invoker = Invoker(directory=place.root, threads=threads, write=outputs.write)
        self.functions = index_app(place.root)
        self.keys = Keys.kept_in(place.state / "keys.json", enforced=place.auth)
        self._listeners = [self._listener(one) for one in self._triggered_by("queueTrigger")]
        timers = {one.name: self._timer(one) for one in self._triggered_by("timerTrigger")}
        self._timers = list(timers.values())
        self._front = HttpFront(
            endpoints(self.functions, self._options),
            keys=self.keys,
            invoker=self._invoker,
            homepage=environ.get("AzureWebJobsDisableHomepage", "").lower() != "true",
            timers={name: timer.run_now for name, timer in timers.items()},
        )
        self._socket = _listen(place.address, place.port)
        self.port: int = self._socket.getsockname()[1]

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set; come back when nothing runs any more."""
        server = _Server(self._config())
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        work = [asyncio.create_task(one.listen()) for one in self._listeners]
        work += [asyncio.create_task(one.run()) for one in self._timers]
        self._say_what_runs()
        waiting = asyncio.create_task(stopping.wait())
        await asyncio.wait([waiting, serving, *work], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        _log.info("Stopping: waiting for what is running.")
        self._begin_nothing_new()
        server.should_exit = True
        _, late = await asyncio.wait([serving, *work], timeout=_DRAIN_SECONDS)
        for task in late:
            task.cancel()
        self._invoker.close()
        self._storage.shutdown(wait=False, cancel_futures=True)
        _raise_first([*work, serving])
        _log.info("Stopped.")

    def _begin_nothing_new(self) -> None:
        for listener in self._listeners:
            listener.stop()
        for timer in self._timers:
            timer.stop()

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._front,
            log_config=None,
            access_log=False,  # it would log the query, and with it the key
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )

    def _triggered_by(self, kind: str) -> list[IndexedFunction]:
        return [one for one in self.functions if one.trigger["type"] == kind]

    def _listener(self, function: IndexedFunction) -> QueueListener:
        name = resolve(function.trigger["queueName"], self._environ)
        service = connect(function.trigger.get("connection") or "", self._environ)
        poison = poison_name(name)
        return QueueListener(
            StorageQueue(service.get_queue_client(name), self._storage),
            StorageQueue(service.get_queue_client(poison), self._storage) if poison else None,
            self._options.queues,
            partial(self._on_message, function),
            added=self._added,
            hidden_seconds=HIDDEN_SECONDS,
        )

    async def _on_message(self, function: IndexedFunction, delivery: Delivery, body: bytes) -> bool:
        try:
            await self._invoker.invoke(function, _message(function, delivery, body), reason="Queue message")
        except Failed:
            return False
        return True

    def _timer(self, function: IndexedFunction) -> Timer:
        schedule = parse(resolve(function.trigger["schedule"], self._environ))
        monitored = function.trigger.get("useMonitor", True) and is_monitored(schedule, local_now())
        return Timer(
            function,
            schedule,
            self._invoker,
            monitor=Monitor(self._place.state / "timers" / f"{function.name}.json") if monitored else None,
            run_on_startup=bool(function.trigger.get("runOnStartup")),
        )

    def _added(self, queue: str) -> None:
        for listener in self._listeners:
            if listener.name == queue:
                listener.notify()

    def _say_what_runs(self) -> None:
        for one in self.functions:
            what = (
                one.trigger.get("route") or one.trigger.get("queueName") or one.trigger.get("schedule") or ""
            )
            _log.info("Function %s: %s %s", one.name, one.trigger["type"], what)
        _log.info("Listening on http://%s:%d", self._place.address, self.port)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals stop the host, and the host stops the server


def _message(function: IndexedFunction, delivery: Delivery, body: bytes) -> Any:
    if function.trigger_type in (str, bytes):
        return body.decode() if function.trigger_type is str else body
    return QueueMessage(  # type: ignore[no-untyped-call]
        id=delivery.id,
        body=body,
        dequeue_count=delivery.dequeue_count,
        expiration_time=delivery.expires,
        insertion_time=delivery.inserted,
        time_next_visible=delivery.next_visible,
        pop_receipt=delivery.receipt,
    )


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR would share a taken port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(128)  # from here on callers wait rather than being refused
    except OSError as error:
        listener.close()
        raise Refused(
            f"Port {port} is taken: stop what listens there, or choose another with --port."
        ) from error
    return listener


def _raise_first(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error
