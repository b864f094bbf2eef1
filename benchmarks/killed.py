"""`dev.py bench killed`: kill -9 the functions in the middle of a backlog, several times; count what arrived.

Azurite and the simulator go on; only the functions die, each time at another moment (by turns while alerts
are stored and while they are pushed), and are started again. At the end every alert must be stored once and
announced once. What is hidden in a queue when a process dies comes back after ten minutes at the real host;
here after `--hidden` seconds, so that the benchmark ends sooner.

    alerts, stored, missing, twice      by the vendor's id, from the feed
    announced                           different notification ids that the push service took
    shown                               cards on the phone's screen
    sends                               all pushes taken; above `announced` by those whose outcome a kill left
                                        unknown: they went out again and replaced the first on the screen
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

from devhost.azurite import Azurite, find_node
from devhost.local_product import product_environment
from devhost.show import Places
from shared.bootstrap import Parts
from shared.nouns.configurations import Configuration
from shared.nouns.identity import canonical
from shared.nouns.notifications import Installation, Transport
from shared.settings import read_settings
from shared.store.stores import QUEUES, Table
from simulator import sample, scenarios
from simulator.inbox import Phone
from simulator.serve import Simulator
from simulator.web_push import Subscription, subscribe
from simulator.world import World

ROOT = Path(__file__).resolve().parent.parent
_HOST = (
    "import sys, devhost.host as h; h.HIDDEN_SECONDS = float(sys.argv[1]);"
    "from devhost.__main__ import main; sys.exit(main(sys.argv[2:]))"
)


def main() -> int:
    """Run it; 1 when anything is missing or was announced twice."""
    options = _parser().parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        azurite = stack.enter_context(Azurite(ROOT / ".local" / "azurite", find_node(Path(sys.prefix))))
        simulator = stack.enter_context(Simulator(World.sample(), folder=folder / "simulator"))
        places = Places(0, int(simulator.url.rsplit(":", 1)[1]), folder, sys.executable)
        environment = product_environment(azurite.connection_string, places)
        environment["POCKETSOC_CA_BUNDLE"] = str(simulator.ca_bundle)
        parts = Parts(read_settings(**environment))
        phone = _set_up(parts, simulator)
        ids = scenarios.add_endpoint_alerts(simulator.world, count=options.alerts, within=timedelta(days=5))
        started = time.monotonic()
        _live_and_die(parts, options, folder, environment, phone.phone)
        return _report(parts, ids, phone.phone, time.monotonic() - started)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py bench killed", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument(
        "--hidden", type=float, default=30, help="seconds until a dead process's messages come back"
    )
    return parser


def _set_up(parts: Parts, simulator: Simulator) -> Subscription:
    parts.secrets.set("vendor-killed", sample.CLIENT_SECRET)
    parts.configurations.save(
        Configuration(
            id="killed",
            vendor="defender_endpoint",
            display_name="Killed",
            tenant_id=sample.TENANT_ID,
            client_id=sample.CLIENT_ID,
            secret_reference="vendor-killed",
        )
    )
    browser = subscribe(simulator.world, "killed")
    parts.installations.register(
        Installation(
            id="killed",
            owner="bench",
            name="Phone",
            transport=Transport.webpush,
            registration=browser.as_browser(simulator.world),
            registered="2026-01-01T00:00:00.0000000Z",
        )
    )
    return browser


def _live_and_die(
    parts: Parts, options: argparse.Namespace, folder: Path, environment: dict[str, str], phone: Phone
) -> None:
    """Start the functions, kill them when a share of the work is done, start them again until all is done."""

    def reached(life: int) -> bool:
        share: int = options.alerts * (life + 1) // (options.kills + 1)
        return (_stored(parts) if life % 2 == 0 else len(phone.received)) >= share

    parts.ticker.tick()
    for life in range(options.kills + 1):
        with (folder / f"functions-{life}.log").open("wb") as log:
            command = [
                sys.executable,
                "-u",
                "-c",
                _HOST,
                str(options.hidden),
                "--port",
                "0",
                "--state",
                str(folder),
            ]
            host = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log
            )
            try:
                if life < options.kills:
                    _wait(partial(reached, life), 600)
                    host.send_signal(signal.SIGKILL)
                    print(f"killed with {_stored(parts)} stored and {len(phone.received)} pushed", flush=True)
                else:
                    _wait(lambda: _idle(parts), 3600)
                    host.terminate()
                host.wait(60)
            finally:
                host.kill()


def _wait(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("It took too long.")
        time.sleep(0.5)


def _idle(parts: Parts) -> bool:
    """Nothing in any queue, hidden messages included, and the walk finished."""
    configured = parts.configurations.get("killed")
    finished = configured is not None and configured.state.last_success is not None
    return bool(finished) and not sum(
        parts.queues.depth(q) for q in (*QUEUES, *(f"{q}-poison" for q in QUEUES))
    )


def _stored(parts: Parts) -> int:
    return len(_cards(parts, 50_000))


def _cards(parts: Parts, most: int) -> list[str]:
    found: list[str] = []
    token: str | None = None
    while len(found) < most:
        page = parts.tables.scan(Table.detections, select=(), token=token)
        found += [row.key for row in page.rows]
        token = page.token
        if token is None:
            break
    return found


def _report(parts: Parts, ids: list[str], phone: Phone, seconds: float) -> int:
    cards = _cards(parts, 10**9)
    names = [canonical(id) for id in ids]
    known = parts.detections.known(sample.TENANT_ID, names)
    stored = Counter(card[14:] for card in cards)
    missing = [n for n in names if n not in known or known[n].card_id not in set(cards)]
    twice = sum(count - 1 for count in stored.values())
    said = Counter(push.payload["notification"]["data"]["notification"] for push in phone.received)
    print(
        f"alerts {len(ids)}, stored {len(cards)}, missing {len(missing)}, twice {twice}, in {seconds:.0f} s"
    )
    print(f"announced {len(said)}, shown {len(phone.screen)}, sends {sum(said.values())}")
    print(f"quarantined {parts.quarantine.count()}")
    right = len(cards) == len(ids) == len(said) == len(phone.screen) and not missing and not twice
    print("as it must be" if right else "NOT as it must be")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
