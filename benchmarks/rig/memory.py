"""The highest resident size of a fresh process that polls a simulator in this one and stores everything.

As a module it is that process: connection string, simulator's address, certificate authority on standard
input; it prints its peak in KiB and how many alerts it stored.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

from benchmarks.rig.storage import ROOT, configure, parts_on


def peaks(runs: list[tuple[str, int]]) -> list[tuple[float, float]]:
    """(MiB at the peak, seconds) for each (account, number of alerts); a process each."""
    from simulator import scenarios
    from simulator.serve import Simulator
    from simulator.world import World

    found = []
    for account, alerts in runs:
        with Simulator(World.sample()) as simulator:
            scenarios.switches(simulator.world, "endpoint").throttle = False
            scenarios.add_endpoint_alerts(simulator.world, count=alerts, within=timedelta(days=5))
            began = time.monotonic()
            asked = {"account": account, "url": simulator.url, "ca": str(simulator.ca_bundle)}
            told = subprocess.run(
                [sys.executable, "-m", "benchmarks.rig.memory"],
                input=json.dumps(asked),
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                check=True,
            )
        answer = json.loads(told.stdout)
        if answer["queued"] != alerts:
            raise SystemExit(f"{alerts} alerts were to be queued, {answer['queued']} were")
        found.append((answer["peak"] / 1024, time.monotonic() - began))
    return found


def _work(asked: dict[str, Any]) -> dict[str, int]:
    import resource

    from devhost.pump import Pump

    more = {"POCKETSOC_SIMULATOR_URL": asked["url"], "POCKETSOC_CA_BUNDLE": asked["ca"]}
    parts = parts_on(asked["account"], **more)
    configure(parts, "defender_endpoint")
    parts.ticker.tick()
    pump = Pump(parts, visibility=timedelta(minutes=10))
    pump.drain()
    if pump.failures:
        raise pump.failures[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak": peak, "queued": parts.configurations.all()[0].state.alerts_queued}


if __name__ == "__main__":
    print(json.dumps(_work(json.load(sys.stdin))))
