"""The product and what it needs on one machine: storage, the simulated Microsoft cloud, the functions.
Started in that order, stopped in the other.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from devhost.azurite import Azurite, find_node
from devhost.children import Child, Stopping
from devhost.orphans import TakenError, held
from devhost.show import Places
from devhost.web_client import CallFailed, WebClient
from devhost.workshop import Trouble
from simulator import sample

ROOT = Path(__file__).resolve().parent.parent
_AZURITE_PORTS = (10000, 10001, 10002)
_START_SECONDS = 60.0


class LocalProduct:
    """Starts everything into `stack`, which stops it. `check` notices what has ended by itself."""

    def __init__(self, places: Places, stopping: Stopping, stack: ExitStack) -> None:
        self._places, self._stopping, self._stack = places, stopping, stack
        self._children: list[Child] = []
        self._azurite: Azurite | None = None
        (places.local / "logs").mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start all, each when the one before answers. Raises Trouble with the words of what does not."""
        self._hold_state()
        _check_free(self._places.port, "--port")
        _check_free(self._places.simulator_port, "--simulator-port")
        storage = self._start_storage()
        self._start_simulator()
        self._start_functions(product_environment(storage, self._places))

    def check(self) -> None:
        """Raises Trouble if something has ended by itself."""
        for child in self._children:
            child.check()
        if self._azurite is not None and not self._azurite.alive():
            raise Trouble("The storage (Azurite) has ended by itself. Start again; what it held is kept.")

    def _hold_state(self) -> None:
        try:
            self._stack.enter_context(held(self._places.local))
        except TakenError as taken:
            raise Trouble(
                f"Another dev.py run (process {taken.process}) works in {self._places.local}. Stop it, or "
                f"keep this one apart with all three: --port {self._places.port + 1} "
                f"--simulator-port {self._places.simulator_port + 1} --state <another folder>"
            ) from taken

    def _start_storage(self) -> str:
        azurite = Azurite(
            Path(os.environ.get("POCKETSOC_AZURITE") or ROOT / ".local" / "azurite"),
            find_node(Path(sys.prefix)),
            data=self._places.local / "azurite-data",
            ports=(0, 0, 0) if any(map(_answers, _AZURITE_PORTS)) else _AZURITE_PORTS,
        )
        self._stack.callback(azurite.stop)
        try:
            azurite.start()
        except RuntimeError as error:
            raise Trouble(str(error)) from error
        self._azurite = azurite
        print(f"Storage runs (Azurite, ports {', '.join(map(str, azurite.ports))}).", flush=True)
        return azurite.connection_string

    def _start_simulator(self) -> None:
        port, folder = str(self._places.simulator_port), str(self._places.ca_bundle.parent)
        # Another seed every time: the alerts of the last run are in storage and would be no news.
        seed = str(int(time.time()))
        serve = ["simulator", "serve", "--port", port, "--folder", folder, "--seed", seed]
        self._start("simulator", serve, {}, ready=self._simulator_answers)
        print(f"The simulated Microsoft cloud runs (port {port}).", flush=True)

    def _start_functions(self, environ: Mapping[str, str]) -> None:
        port, state = str(self._places.port), str(self._places.local)
        health = WebClient(self._places.product)
        command = ["devhost", "--port", port, "--state", state]
        self._start("functions", command, environ, ready=lambda: _succeeds(health, "/api/v1/health"))
        print(f"The functions run (port {port}).", flush=True)

    def _simulator_answers(self) -> bool:
        if not self._places.ca_bundle.exists():
            return False
        simulator = WebClient(self._places.simulator, ca_bundle=self._places.ca_bundle)
        return _succeeds(simulator, "/_control/clock")

    def _start(
        self, name: str, module: list[str], environ: Mapping[str, str], *, ready: Callable[[], bool]
    ) -> None:
        child = Child(
            name,
            [sys.executable, "-u", "-m", *module],
            cwd=ROOT,
            log=self._places.local / "logs" / f"{name}.log",
            environ={**os.environ, **environ},
        )
        self._stack.callback(child.stop)
        child.wait_until(ready, self._stopping, seconds=_START_SECONDS)
        self._children.append(child)


def product_environment(storage: str, places: Places) -> dict[str, str]:
    """The product's settings for this machine: its storage, and the simulator in Microsoft's place."""
    return {
        "AzureWebJobsStorage": storage,
        "AzureWebJobsDisableHomepage": "true",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "PYTHON_THREADPOOL_THREAD_COUNT": "24",
        "POCKETSOC_SIMULATOR_URL": places.simulator,
        "POCKETSOC_CA_BUNDLE": str(places.ca_bundle),
        "POCKETSOC_SECRETS_FILE": str(places.local / "secrets.json"),
        "POCKETSOC_PUBLIC_URL": places.product,
        "POCKETSOC_API_TENANT_ID": sample.TENANT_ID,
        "POCKETSOC_API_AUDIENCE": f"{sample.API_AUDIENCE},{sample.API_CLIENT_ID}",
        "POCKETSOC_PUSH_HOSTS": places.simulator.removeprefix("https://"),
        "IDENTITY_ENDPOINT": f"{places.simulator}/msi/token",
        "IDENTITY_HEADER": sample.IDENTITY_HEADER,
    }


def _check_free(port: int, option: str) -> None:
    if _answers(port):
        raise Trouble(
            f"Port {port} is taken. Stop what listens there (another dev.py run?), or choose another port: "
            f"python3 dev.py run {option} {port + 1}"
        )


def _succeeds(client: WebClient, path: str) -> bool:
    try:
        client.call("GET", path)
    except CallFailed:
        return False
    return True


def _answers(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0
