"""The simulator as a server: https on loopback only, HTTP/1.1 and HTTP/2 by ALPN.

`Simulator` runs in a thread of its own (tests, `dev.py`); `serve` blocks until interrupted.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from weakref import WeakSet

from hypercorn.asyncio import serve as serve_asgi
from hypercorn.config import Config
from hypercorn.events import Closed
from starlette.types import ASGIApp, Receive, Scope, Send

from simulator.app import create_app
from simulator.certificates import Certificates, certificates
from simulator.world import World

_START_SECONDS = 20


class Simulator:
    """A running simulator: `url`, `ca_bundle` (path of the PEM file that clients must trust) and `world`.

    Port 0 takes a free one. Without `folder` the certificates are made afresh and removed at the end. Use as
    a context manager, or call `stop`.
    """

    def __init__(
        self, world: World | None = None, *, port: int = 0, folder: Path | str | None = None
    ) -> None:
        self.world = world or World.sample()
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="simulator-")
        self._certificates = certificates(Path(folder or cast(Any, self._temporary).name))
        self.ca_bundle = str(self._certificates.authority)
        self._app = _Connections(create_app(self.world))  # here, so that its errors reach the caller
        self._socket = _listen(port)
        self.url = f"https://localhost:{self._socket.getsockname()[1]}"
        self.world.origin = self.url
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise RuntimeError("the simulator did not start")

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop serving; the world stays readable. Calling it again does nothing."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(timeout=10)
        if self._temporary:
            self._temporary.cleanup()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(_quiet_tls)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        config = _config(self._socket, self._certificates)

        async def until_stopped() -> None:
            # hypercorn awaits this once it listens
            self._ready.set()
            await self._stopping.wait()
            self._app.abort()

        await serve_asgi(cast(Any, self._app), config, shutdown_trigger=until_stopped, mode="asgi")


def serve(world: World, port: int, folder: Path | str, *, started: Callable[[Simulator], None]) -> None:
    """Serve on `port` until interrupted (Ctrl+C, or SIGTERM turned into KeyboardInterrupt by the caller)."""
    with Simulator(world, port=port, folder=folder) as simulator:
        started(simulator)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _config(listener: socket.socket, files: Certificates) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.certfile = str(files.chain)
    config.keyfile = str(files.key)
    config.alpn_protocols = ["h2", "http/1.1"]
    config.graceful_timeout = 0.5
    config.include_server_header = False
    config.loglevel = "WARNING"
    config.errorlog = logging.getLogger("simulator")
    return config


class _Connections:
    """Knows the connections that requests came over, and can close them, which ASGI has no word for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: WeakSet[Any] = WeakSet()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # `send` is a method of hypercorn's stream, whose `send` is one of its protocol, whose `send` is
            # one of its connection. hypercorn is pinned, and tests that drop connections notice a change in
            # there.
            protocol = cast(Any, send).__self__.send.__self__
            self._open.add(protocol.send.__self__)

            async def close() -> None:
                await protocol.send(Closed())

            scope["extensions"]["pocketsoc.close"] = close  # for faults.py
        await self._app(scope, receive, send)

    def abort(self) -> None:
        """Close all at once: a goodbye in TLS would wait for clients that only keep their connections for
        later."""
        for connection in list(self._open):
            connection.writer.transport.abort()


def _quiet_tls(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # Clients that go away in the middle (or do not trust us) are part of the game, not news.
    if not isinstance(context.get("exception"), OSError):  # ssl.SSLError and ConnectionError are OSErrors
        loop.default_exception_handler(context)
