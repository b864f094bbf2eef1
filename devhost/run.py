"""`dev.py run`, with packages: starts the product on this machine, seeds it, shows what happens, and stops
all of it whatever ends it.

State survives in .local: storage, secrets, keys, certificates. The simulated vendors begin anew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from devhost.children import Stopped, Stopping
from devhost.local_product import ROOT, LocalProduct
from devhost.seed import admin_token, seed
from devhost.show import Follower, Places, where_to_look
from devhost.web_client import CallFailed, WebClient
from devhost.workshop import Trouble

_TOKEN_SECONDS = 50 * 60.0
_LOOK_SECONDS = 2.0


def main(arguments: list[str] | None = None) -> int:
    """Run until asked to stop. 0 then, 1 with words when it cannot start or something ends by itself."""
    options = _parser().parse_args(arguments)
    places = Places(options.port, options.simulator_port, options.state.resolve(), sys.executable)
    stopping = Stopping()
    try:
        with ExitStack() as stack:
            local = LocalProduct(places, stopping, stack)
            local.start()
            _show(places, local, stopping)
    except Stopped:
        print("\nStopped.")
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except CallFailed as failed:
        logs = places.local / "logs"
        print(f"\nThe local product refused ({failed.status}): {failed}\nSee {logs}.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev.py run", description="The whole product on this machine, against a simulated cloud."
    )
    default = "(default: %(default)s)"
    parser.add_argument("--port", type=int, default=7071, help=f"of the product {default}")
    parser.add_argument("--simulator-port", type=int, default=7443, help=f"of the simulated cloud {default}")
    parser.add_argument("--state", type=Path, default=ROOT / ".local", help=f"what is kept {default}")
    return parser


def _show(places: Places, local: LocalProduct, stopping: Stopping) -> None:
    product, simulator = WebClient(places.product), WebClient(places.simulator, ca_bundle=places.ca_bundle)
    token, renewed = _fresh_token(simulator, places), time.monotonic()
    follower = Follower(product, simulator)
    print(_seeded(product, simulator, places, token), flush=True)
    while True:
        local.check()
        if time.monotonic() - renewed > _TOKEN_SECONDS:
            token, renewed = _fresh_token(simulator, places), time.monotonic()
        try:
            for line in follower.look(token):
                print(line, flush=True)
        except CallFailed as failed:
            print(f"The API could not be asked ({failed.status}): {failed}", flush=True)
        stopping.pause(_LOOK_SECONDS)


def _seeded(product: WebClient, simulator: WebClient, places: Places, token: str) -> str:
    seeded = seed(product, simulator, token)
    places.webhook_body.write_text(json.dumps(seeded.webhook_body, indent=1), encoding="utf-8")
    keys = json.loads((places.local / "keys.json").read_text(encoding="utf-8"))
    # What was seeded is due now; nobody should have to watch for a minute until the clock says so.
    product.call("POST", f"/admin/functions/tick?code={keys['_master']}", {"input": ""})
    return where_to_look(seeded, places, token=token, key=keys["default"])


def _fresh_token(simulator: WebClient, places: Places) -> str:
    token = admin_token(simulator)
    places.token_file.unlink(missing_ok=True)
    descriptor = os.open(places.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(token)
    return token


if __name__ == "__main__":
    sys.exit(main())
