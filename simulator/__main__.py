"""`python -m simulator serve` runs the simulated cloud; every other command talks to one that runs.

python -m simulator serve --port 7443 --folder .local/simulator
python -m simulator alert --vendor endpoint --severity high
python -m simulator fault 429 --path /api/alerts --times 3
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.commands import CommandFailed, Remote, add_commands

PORT = 7443
FOLDER = ".local/simulator"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    if options.run is None:
        return _serve(options)
    bundle = Path(options.folder) / "ca.pem"
    if not bundle.exists():
        print(f"{bundle} is missing; start the simulator with: python -m simulator serve", file=sys.stderr)
        return 2
    try:
        said = options.run(Remote(options.simulator, bundle), options)
    except (CommandFailed, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(json.dumps(said, indent=2))
    return 0 if _taken(said) else 1


def _taken(said: Any) -> bool:
    """Whether what was posted to the product was taken in the end."""
    runs = said.get("runs", [said]) if isinstance(said, dict) else []
    return all(200 <= run["statuses"][-1] < 300 for run in runs if run.get("statuses"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator", description="The Microsoft cloud, simulated."
    )
    parser.add_argument("--folder", default=FOLDER, help="where its certificates are kept")
    parser.add_argument("--simulator", default=f"https://localhost:{PORT}", help="address of the running one")
    commands = parser.add_subparsers(required=True, metavar="command")
    serve = commands.add_parser("serve", help="run it until interrupted")
    serve.add_argument("--port", type=int, default=PORT)
    serve.add_argument("--folder", default=argparse.SUPPRESS)
    serve.add_argument("--seed", type=int, default=0, help="another seed makes other alerts")
    serve.set_defaults(run=None)
    add_commands(commands)
    return parser


def _serve(options: argparse.Namespace) -> int:
    from simulator.cloud_access import CloudState
    from simulator.cloud_apps_access import CloudAppsState
    from simulator.endpoint_access import EndpointState
    from simulator.graph_alerts import GraphAlerts
    from simulator.sentinel_access import SentinelState
    from simulator.serve import Simulator, serve
    from simulator.world import World

    def interrupted(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    def started(running: Simulator) -> None:
        print(f"{running.url}  (trust {running.ca_bundle})", flush=True)

    signal.signal(signal.SIGTERM, interrupted)
    world = World.sample()
    world.part("defender_endpoint", lambda: EndpointState(seed=options.seed))
    world.part("defender_for_cloud", lambda: CloudState(seed=options.seed))
    world.part("cloud_apps", lambda: CloudAppsState(seed=options.seed))
    world.part("sentinel", lambda: SentinelState(seed=options.seed))
    world.part("graph_alerts", lambda: GraphAlerts(seed=options.seed))
    serve(world, options.port, options.folder, started=started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
