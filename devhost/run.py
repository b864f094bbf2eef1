"""`dev.py run`, with packages: starts storage, simulator and functions, seeds them, shows what happens, and
stops all of them in the opposite order, whatever ends it.

State survives in .local: storage in azurite-data, secrets, keys, certificates. The simulated vendors begin
anew.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from devhost.azurite import Azurite, find_node
from devhost.children import Child, Stopped, Stopping, environment_for
from devhost.seed import admin_token, seed
from devhost.show import Follower, Places, where_to_look
from devhost.web_client import CallFailed, WebClient
from devhost.workshop import Trouble
from simulator import sample

_ROOT = Path(__file__).resolve().parent.parent
_LOCAL = _ROOT / ".local"
_AZURITE_PORTS = (10000, 10001, 10002)
_START_SECONDS = 60.0
_TOKEN_SECONDS = 50 * 60.0


def main(arguments: list[str] | None = None) -> int:
    """Run until asked to stop. 0 then, 1 with words when it cannot start or something ends by itself."""
    options = _parser().parse_args(arguments)
    stopping = Stopping()
    try:
        with ExitStack() as stack:
            _run(options, stopping, stack)
    except Stopped:
        print("\nStopped.")
    except (Trouble, CallFailed) as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py run", description="The whole product on this machine.")
    parser.add_argument("--port", type=int, default=7071, help="of the product (default: %(default)s)")
    parser.add_argument(
        "--simulator-port",
        type=int,
        default=7443,
        help="of the simulated Microsoft cloud (default: %(default)s)",
    )
    return parser


def _run(options: argparse.Namespace, stopping: Stopping, stack: ExitStack) -> None:
    for port, option in ((options.port, "--port"), (options.simulator_port, "--simulator-port")):
        if _answers(port):
            raise Trouble(
                f"Port {port} is taken. Stop what listens there (another dev.py run?), or choose another: "
                f"python3 dev.py run {option} {port + 1}"
            )
    places = Places(
        product=f"http://localhost:{options.port}",
        simulator=f"https://localhost:{options.simulator_port}",
        local=_LOCAL,
        python=sys.executable,
    )
    storage = _start_storage(stack)
    cloud = _start_simulator(options.simulator_port, stopping, stack)
    simulator = WebClient(places.simulator, ca_bundle=places.ca_bundle)
    host = _start_host(options.port, product_environment(storage, places), stopping, stack)
    product = WebClient(places.product)
    token = _fresh_token(simulator, places)
    follower = Follower(product, simulator)
    print(_seeded(product, simulator, places, token), flush=True)
    _follow(follower, lambda: _fresh_token(simulator, places), token, (cloud, host), stopping)


def _seeded(product: WebClient, simulator: WebClient, places: Places, token: str) -> str:
    seeded = seed(product, simulator, token)
    places.webhook_body.write_text(json.dumps(seeded.webhook_body, indent=1), encoding="utf-8")
    key = json.loads((places.local / "keys.json").read_text(encoding="utf-8"))["default"]
    return where_to_look(seeded, places, token=token, key=key)


def _follow(
    follower: Follower,
    fresh_token: Callable[[], str],
    token: str,
    children: tuple[Child, ...],
    stopping: Stopping,
) -> None:
    renewed = time.monotonic()
    while True:
        for child in children:
            child.check()
        if time.monotonic() - renewed > _TOKEN_SECONDS:
            token, renewed = fresh_token(), time.monotonic()
        try:
            for line in follower.look(token):
                print(line, flush=True)
        except CallFailed as failed:
            print(f"The API could not be asked ({failed.status}): {failed}", flush=True)
        stopping.pause(2)


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


def _start_storage(stack: ExitStack) -> str:
    ports = (0, 0, 0) if any(map(_answers, _AZURITE_PORTS)) else _AZURITE_PORTS
    azurite = Azurite(
        _LOCAL / "azurite", find_node(Path(sys.prefix)), data=_LOCAL / "azurite-data", ports=ports
    )
    stack.callback(azurite.stop)
    try:
        azurite.start()
    except RuntimeError as error:
        raise Trouble(str(error)) from error
    print(f"Storage runs (Azurite, ports {', '.join(map(str, azurite.ports))}).", flush=True)
    return azurite.connection_string


def _start_simulator(port: int, stopping: Stopping, stack: ExitStack) -> Child:
    # Another seed every time: the alerts of the last run are in storage and would be no news.
    folder, seeded = str(_LOCAL / "simulator"), str(int(time.time()))
    serve = ["-m", "simulator", "serve", "--port", str(port), "--folder", folder, "--seed", seeded]
    child = stack.enter_context(_child("simulator", serve, {}))
    child.wait_until(lambda: _answers(port), stopping, seconds=_START_SECONDS)
    print(f"The simulated Microsoft cloud runs (port {port}).", flush=True)
    return child


def _start_host(port: int, environ: dict[str, str], stopping: Stopping, stack: ExitStack) -> Child:
    child = stack.enter_context(_child("functions", ["-m", "devhost", "--port", str(port)], environ))
    health = WebClient(f"http://localhost:{port}")

    def healthy() -> bool:
        try:
            health.call("GET", "/api/v1/health")
        except CallFailed:
            return False
        return True

    child.wait_until(healthy, stopping, seconds=_START_SECONDS)
    print(f"The functions run (port {port}).", flush=True)
    return child


def _child(name: str, arguments: list[str], environ: dict[str, str]) -> Child:
    (_LOCAL / "logs").mkdir(parents=True, exist_ok=True)
    return Child(
        name,
        [sys.executable, "-u", *arguments],
        cwd=_ROOT,
        log=_LOCAL / "logs" / f"{name}.log",
        environ=environment_for(environ),
    )


def _fresh_token(simulator: WebClient, places: Places) -> str:
    token = admin_token(simulator)
    places.token_file.unlink(missing_ok=True)
    descriptor = os.open(places.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(token)
    return token


def _answers(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
