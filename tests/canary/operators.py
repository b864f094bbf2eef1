"""The part of the bad day in which others take things away: a collector, exports, an operator's tool."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from operate.__main__ import main
from shared.bootstrap import Parts
from simulator.world import World
from tests.canary.watch import Watch
from tests.collector_peer import Peer

REFERENCE = "collector-token"
COLLECTOR_TOKEN = "canary-collector-token-4Jw8Zr2c"
MISTYPED_TOKEN = f"{COLLECTOR_TOKEN} with a note behind it"
SHOWN = (
    *("/export/ocsf", "/risks", "/assets", "/audit", "/ledger", "/troubles", "/inventory", "/incidents"),
    *("/affiliation?name=ws-1", "/affiliation?address=192.0.2.7", "/templates/pocketsoc-logic-app.json"),
)
COMMANDS = (
    *("status", "check", "troubles", "ledger", "vendors", "inventory", "incidents list", "quarantine list"),
    *("configurations list", "audit list", "audit verify", "affiliation --name ws-1", "hunt nobody x"),
)
Call = Callable[..., Any]


class Operators:
    """Takes away, with `call` as the API."""

    def __init__(self, world: World, parts: Parts, watch: Watch, peer: Peer, call: Call) -> None:
        self._world, self._parts, self._watch, self._peer, self._call = world, parts, watch, peer, call

    def live(self, folder: Path, *ids: str) -> None:
        """All of it."""
        self._serve_the_collector()
        self._parts.inventory_ticker.tick()
        self._parts.sweeper.queue()
        for path in SHOWN:
            self._call("GET", path)
        self._call("POST", "/replays", json={"since": "2020-01-01", "apply": True})
        for id in ids:
            self._call("POST", f"/configurations/{id}/hunt", json={"query": "DeviceInfo | take 1"})
        self._operate(folder, *ids)

    def _serve_the_collector(self) -> None:
        for token in (MISTYPED_TOKEN, COLLECTOR_TOKEN):
            self._parts.secrets.set(REFERENCE, token)
            self._peer.answers = [(401, {}), (307, {"Location": "https://localhost:9/"}), (503, {})]
            for _ in range(6):
                self._parts.collector.emit()
                self._world.advance(1800)
        assert self._peer.batches
        self._watch.saw("export collector", repr(self._peer.records))

    def _operate(self, folder: Path, *ids: str) -> None:
        files = [folder / f"{what}.ndjson" for what in ("ocsf", "risks", "assets")]
        commands = [
            *COMMANDS,
            *(f"configurations show {id}" for id in ids),
            *(f"sign-in status {id}" for id in ids),
            *(f"export {file.stem} {file}" for file in files),
        ]
        with self._served() as url, pytest.MonkeyPatch.context() as patch:
            for command in commands:
                patch.setenv("POCKETSOC_TOKEN", self._world.api_token("Admin"))
                for more in ([], ["--json"]):
                    self._say(command, main, ["--url", url, *more, *command.split()])
            patch.setenv("POCKETSOC_TOKEN", f"{self._world.api_token('Admin')[:-4]}AAAA")
            self._say("status", main, ["--url", url, "status"])
        for file in files:
            self._watch.saw("export file", file.read_text(encoding="utf-8"))

    def _say(self, command: str, run: Callable[[list[str]], int], arguments: list[str]) -> None:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = run(arguments)
        self._watch.saw(f"operate {command.split()[0]}", f"{code} {out.getvalue()}")

    @contextlib.contextmanager
    def _served(self) -> Iterator[str]:
        config = uvicorn.Config(self._parts.api, port=0, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
