"""The operator's tool against the whole product: its API on a socket, the simulated cloud over https."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from devhost.pump import Pump
from devhost.seed import admin_token
from devhost.web_client import WebClient
from operate.__main__ import main
from operate.product import Product, token_from
from shared.bootstrap import Parts
from shared.nouns.configurations import Configuration
from shared.settings import Settings
from shared.store.memory import MemoryBlobs, MemoryQueues, MemorySecrets, MemoryTables
from simulator import sample
from simulator.serve import Simulator
from simulator.world import World
from tests.vendor_double import DoubleVendor


@dataclass
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Deployment:
    """A running product. `double` is a vendor that does what the test wants, beside the real ones."""

    parts: Parts
    pump: Pump
    simulator: Simulator
    url: str
    capsys: pytest.CaptureFixture[str]
    double: DoubleVendor = field(default_factory=lambda: DoubleVendor(slug="double", title="Double"))

    def operate(self, *arguments: str) -> Said:
        """Run a command as the operator does."""
        code = 2
        try:
            code = main([*arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = self.capsys.readouterr()
        return Said(code, out, err)

    def configure_endpoint(self, **more: Any) -> str:
        """The simulated Defender for Endpoint, by hand; gives its id."""
        return self._configure("e1", "defender_endpoint", display_name="Endpoint", **more)

    def configure_xdr(self, way: str) -> str:
        """The simulated Defender XDR over one of its APIs."""
        return self._configure("x1", "defender_xdr", display_name="XDR", options={"api": way})

    def _configure(self, id: str, vendor: str, **more: Any) -> str:
        self.parts.secrets.set(f"vendor-{id}", sample.CLIENT_SECRET)
        usual = {
            "tenant_id": sample.TENANT_ID,
            "client_id": sample.CLIENT_ID,
            "secret_reference": f"vendor-{id}",
        }
        made = Configuration.model_validate({"id": id, "vendor": vendor} | usual | more)
        self.parts.configurations.save(made)
        return id

    def api(self, path: str) -> Any:
        """What the API answers to the tool's caller."""
        return Product(self.url, token_from(None)).get(path)

    def work(self) -> None:
        """One tick of everything, and all that follows."""
        self.parts.ticker.tick()
        self.parts.inventory_ticker.tick()
        self.pump.drain()


class _Server(uvicorn.Server):
    def __init__(self, app: Any) -> None:
        super().__init__(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
        self._thread = threading.Thread(target=self.run)

    def __enter__(self) -> str:
        self._thread.start()
        until = time.monotonic() + 20
        while not self.started:
            assert time.monotonic() < until, "the API did not start"
            time.sleep(0.01)
        return f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"

    def __exit__(self, *error: object) -> None:
        self.should_exit = True
        self._thread.join(20)


@pytest.fixture
def deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Deployment]:
    """A product with nothing configured; the tool's environment points at it."""
    with Simulator(World.sample(), folder=tmp_path) as simulator:
        settings = Settings(
            simulator_url=simulator.url,
            ca_bundle=str(simulator.ca_bundle),
            api_tenant_id=sample.TENANT_ID,
            api_audience=(sample.API_AUDIENCE, sample.API_CLIENT_ID),
        )
        clock = simulator.world.now
        parts = Parts(
            settings,
            tables=MemoryTables(),
            queues=MemoryQueues(clock=clock),
            blobs=MemoryBlobs(),
            secrets=MemorySecrets(),
            clock=clock,
        )
        double = DoubleVendor(slug="double", title="Double")
        parts.__dict__["vendors"] = {**parts.vendors, "double": double}
        token = admin_token(WebClient(simulator.url, ca_bundle=simulator.ca_bundle))
        for name in [n for n in os.environ if n.startswith("POCKETSOC_")]:
            monkeypatch.delenv(name)
        with _Server(parts.api) as url:
            monkeypatch.setenv("POCKETSOC_URL", url)
            monkeypatch.setenv("POCKETSOC_TOKEN", token)
            monkeypatch.setenv("COLUMNS", "200")
            capsys.readouterr()
            yield Deployment(parts, Pump(parts), simulator, url, capsys, double)


Typed = Callable[[str], None]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """What comes on standard input."""

    def give(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))

    return give
