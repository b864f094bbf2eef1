"""`dev.py bench cost`: what a month costs, from what this product does and list prices.

The storage calls of as many alerts as arrive at a time are counted on the wire of this machine's Azurite:
found by a poll, stored, announced, delivered to one phone. The rest is arithmetic,
printed as it goes. Prices are list prices (East US, pay as you go, US dollars, as published in 2026); give
your own with --prices. A model, no quote.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ingest import ENDPOINT, SPREADS, house, one_phone
from benchmarks.rig.bulk import without_looking, work_off
from benchmarks.rig.storage import azurite
from benchmarks.rig.wire import counted, told
from shared.store.stores import Queue

PRICES = {
    "GB-second": 0.000026,
    "GB-seconds free": 100_000,
    "million executions": 0.40,
    "executions free": 250_000,
    "10,000 table calls": 0.00036,
    "10,000 queue calls": 0.0004,
    "10,000 blob writes": 0.065,
    "10,000 blob reads": 0.005,
    "GB stored": 0.045,
    "10,000 vault calls": 0.03,
    "GB of logs": 2.30,
    "GB of logs free": 5,
    "alert rule": 0.75,
}
_MINUTES = 30 * 24 * 60
_RULES = 7
_BYTES_A_LOG_LINE = 600


@dataclass(frozen=True)
class Team:
    """Who uses it: vendor configurations (a poll a minute each), phones, memory of an instance in GB, and how
    many KB a stored alert takes."""

    configurations: int
    phones: int
    memory: float
    stored_kilobytes: float


def main() -> int:
    """Print the month for each number of alerts."""
    options = _parser().parse_args()
    prices = PRICES | (json.loads(options.prices.read_text()) if options.prices else {})
    team = Team(options.configurations, options.phones, options.memory, options.kilobytes)
    for alerts in options.alerts:
        # Evenly over the month: so many arrive at a time.
        together = max(1, round(alerts / (team.configurations * _MINUTES)))
        stored, delivered = measure(together)
        print(f"{alerts:,} alerts a month, {together} at a time, which takes these storage calls")
        print(f"  found, stored, announced: {told(stored)}\n  delivered to one phone:   {told(delivered)}")
        each = {"stored": _each(stored, together), "delivered": _each(delivered, together)}
        _tell(month(alerts, team, each, prices))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py bench cost", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--alerts", type=int, nargs="+", default=[10_000, 1_000_000], help="a month")
    parser.add_argument("--configurations", type=int, default=6)
    parser.add_argument("--phones", type=int, default=5)
    parser.add_argument("--memory", type=float, default=2.0, help="GB of an instance")
    parser.add_argument("--kilobytes", type=float, default=6.0, help="that a stored alert takes")
    parser.add_argument("--prices", type=Path, help="JSON with other prices, by the names printed")
    return parser


def measure(alerts: int) -> tuple[Counter[str], Counter[str]]:
    """Storage calls until announced, and of delivering to one phone."""
    with azurite() as storage:
        pump = house(storage, ENDPOINT, alerts, SPREADS["backlog"])
        with counted(storage.ports) as stored:
            work_off(pump, Queue.polls)
            work_off(pump, Queue.raw_alerts, Queue.raw_alerts_backlog)
        one_phone(pump.parts)
        with counted(storage.ports) as delivered:
            work_off(pump, Queue.notifications, Queue.notifications_backlog)
    return without_looking(stored), without_looking(delivered)


def _each(counts: Counter[str], alerts: int) -> dict[str, float]:
    """Calls for one alert by the service that bills them."""
    kinds = {"table": 0.0, "queue": 0.0, "blob write": 0.0, "blob read": 0.0}
    for kind, count in counts.items():
        service, what = kind.split(" ", 1)
        if service == "blob":
            service = "blob write" if what == "put" else "blob read"
        kinds[service] += count / alerts
    return kinds


def month(
    alerts: int, team: Team, each: dict[str, dict[str, float]], prices: dict[str, float]
) -> dict[str, tuple[float, str]]:
    """Dollars for each position, with how they come about."""
    polls = team.configurations * _MINUTES
    batches = min(alerts, polls)
    executions = _MINUTES + polls + 2 * batches
    # An active time counts from one second; polls of one minute run side by side.
    seconds = (
        _MINUTES * (1 + 2) + 2 * min(batches, _MINUTES) + 0.01 * alerts + 0.05 * alerts * team.phones / 8
    )
    calls = {
        kind: alerts * (each["stored"][kind] + each["delivered"][kind] * team.phones)
        for kind in each["stored"]
    }
    calls["table"] += 4 * polls + _MINUTES
    calls["queue"] += 3 * polls
    vault = team.configurations * 24 * 30 * 2
    logs = (executions * 2 + alerts * team.phones * 0.1) * _BYTES_A_LOG_LINE / 1e9
    kept = alerts * 12 * team.stored_kilobytes / 1e6
    gigabyte_seconds = seconds * team.memory
    return {
        "functions, time": (
            max(0.0, gigabyte_seconds - prices["GB-seconds free"]) * prices["GB-second"],
            f"{gigabyte_seconds:,.0f} GB-seconds",
        ),
        "functions, calls": (
            max(0.0, executions - prices["executions free"]) / 1e6 * prices["million executions"],
            f"{executions:,.0f} executions",
        ),
        "tables": (calls["table"] / 1e4 * prices["10,000 table calls"], f"{calls['table']:,.0f} calls"),
        "queues": (calls["queue"] / 1e4 * prices["10,000 queue calls"], f"{calls['queue']:,.0f} calls"),
        "blobs": (
            calls["blob write"] / 1e4 * prices["10,000 blob writes"]
            + calls["blob read"] / 1e4 * prices["10,000 blob reads"],
            f"{calls['blob write']:,.0f} writes, {calls['blob read']:,.0f} reads",
        ),
        "stored": (kept * prices["GB stored"], f"{kept:,.2f} GB after a year"),
        "key vault": (vault / 1e4 * prices["10,000 vault calls"], f"{vault:,} calls"),
        "logs": (max(0.0, logs - prices["GB of logs free"]) * prices["GB of logs"], f"{logs:,.2f} GB"),
        "alert rules": (_RULES * prices["alert rule"], f"{_RULES} rules"),
    }


def _tell(positions: dict[str, tuple[float, str]]) -> None:
    for name, (dollars, why) in positions.items():
        print(f"  {name:<17} {dollars:8.2f}   {why}")
    print(f"  {'together':<17} {sum(d for d, _ in positions.values()):8.2f}")


if __name__ == "__main__":
    raise SystemExit(main())
