"""Function apps of a few lines, run by the local host over real sockets."""

from __future__ import annotations

import asyncio
import json
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from devhost.host import LocalHost, Place

PRELUDE = "import azure.functions as func\napp = func.FunctionApp()\n"


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


@dataclass
class Running:
    """A local host in a thread."""

    host: LocalHost
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def __post_init__(self) -> None:
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="local host")
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.host.run(self._stopping))
        self.loop.close()

    def begin_stop(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._stopping.set)

    def stop(self) -> None:
        self.begin_stop()
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()

    def call(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.host.port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        answer = Answer(response.status, response.read(), response.getheaders())
        connection.close()
        return answer


@pytest.fixture
def app_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a function app's folder from the source of its functions and host.json's extensions."""

    def make(source: str, **extensions: Any) -> Path:
        (tmp_path / "function_app.py").write_text(PRELUDE + textwrap.dedent(source))
        content = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}} | extensions}
        (tmp_path / "host.json").write_text(json.dumps(content))
        return tmp_path

    return make


@pytest.fixture
def run(app_folder: Callable[..., Path], tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts the local host on an app's source; stops it after the test."""
    started: list[Running] = []

    def start(
        source: str, environ: dict[str, str] | None = None, *, auth: bool = True, **extensions: Any
    ) -> Running:
        folder = app_folder(source, **extensions)
        place = Place(folder, tmp_path / "state", port=0, auth=auth)
        started.append(Running(LocalHost(place, environ or {})))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def wait_until(true: Callable[[], Any], seconds: float = 10) -> Any:
    """What `true` gives once it gives something; fails after `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Waits until a condition holds, and gives what it gave."""
    return wait_until
