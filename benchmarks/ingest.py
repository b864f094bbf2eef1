"""`dev.py bench ingest`: what storing alerts costs: storage transactions, time, memory.

Alerts are the simulator's, rendered before the clock starts, and go through the vendors' real `fetch`; for
memory, a fresh process polls the simulator over https. Everything is stored on Azurite.

    bulk        storage transactions for each new detection, counted on the wire, from the receipt of the poll
                message until the announcements are queued; "burst": new in the last ten minutes, "backlog":
                from the last five days, which takes a row for delta sync each
    re-read     the same for alerts that have not changed
    throughput  raw-alerts messages normalised, deduped and stored, against the bare SDK inserting the same
                rows in the same batches, by turns
    memory      the highest resident size of the process that reads and stores everything
"""

from __future__ import annotations

import argparse
from collections import Counter
from datetime import timedelta
from itertools import count
from statistics import median

from benchmarks.rig.bulk import (
    RecordingTables,
    bare_seconds,
    queued_batches,
    store_seconds,
    wednesday,
    without_looking,
    work_off,
)
from benchmarks.rig.memory import peaks
from benchmarks.rig.report import Report
from benchmarks.rig.storage import azurite, configure, parts_on
from benchmarks.rig.vendor_pages import CloudPages, EndpointPages, serve
from benchmarks.rig.wire import counted, told
from devhost.azurite import Azurite
from devhost.pump import Pump
from shared.bootstrap import Parts
from shared.nouns.notifications import Outcome, Transport
from shared.push.transport import Delivery
from shared.store.stores import Queue

ENDPOINT, CLOUD = "defender_endpoint", "defender_for_cloud"
SPREADS = {"burst": timedelta(minutes=10), "backlog": timedelta(days=5)}
_accounts = count()


def main() -> int:
    """Run all of it; 1 when a number is missed."""
    options = _parser().parse_args()
    report = Report()
    with azurite() as storage:
        sizes = sorted({size for size in (100, 1000, options.alerts) if size <= options.alerts})
        transactions(report, storage, sizes)
        reread(report, storage, min(options.alerts, 1000))
        throughput(report, storage, min(options.alerts, 1000), options.rounds)
        if options.backlog:
            memory(report, storage, min(1000, options.backlog), options.backlog)
    return report.status(fail=not options.no_fail)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py bench ingest", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--alerts", type=int, default=10_000, help="the largest bulk poll")
    parser.add_argument("--backlog", type=int, default=100_000, help="for the peak memory; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=5, help="turns of the throughput's comparison")
    parser.add_argument("--no-fail", action="store_true", help="exit 0 whatever is missed")
    return parser


def house(storage: Azurite, vendor: str, alerts: int, within: timedelta, *, seed: int = 0) -> Pump:
    """The product on an account of its own, with a vendor that has these alerts and a poll that is queued."""
    clock = wednesday()
    parts = parts_on(storage.connection_string_of(next(_accounts)), clock=clock)
    configure(parts, vendor)
    if vendor == ENDPOINT:
        fresh = within == SPREADS["burst"]
        serve(parts, EndpointPages(alerts, now=clock(), within=within, fresh=fresh, seed=seed))
    else:
        serve(parts, CloudPages(alerts, now=clock(), within=within))
    parts.ticker.tick()
    return Pump(parts)


def transactions(report: Report, storage: Azurite, sizes: list[int]) -> None:
    """Bulk polls of several sizes."""
    report.say("Storage transactions of a bulk poll of Defender for Endpoint alerts, until announced")
    for spread, within in SPREADS.items():
        for size in sizes:
            pump = house(storage, ENDPOINT, size, within)
            with counted(storage.ports) as counts:
                work_off(pump, Queue.polls)
                work_off(pump, Queue.raw_alerts, Queue.raw_alerts_backlog)
            stored = _stored(pump.parts)
            if stored != size:
                raise SystemExit(f"{size} alerts gave {stored} detections")
            report.say(f"  {spread} of {size:,}: {told(without_looking(counts))}")
            each = sum(without_looking(counts).values()) / size
            if spread == "backlog" and size < 1000:
                report.show(f"per new detection, {spread} of {size:,}", each)
            else:
                report.reach(f"per new detection, {spread} of {size:,}", each, "<=", 0.15)
            if size == 1000:
                _deliver(report, storage, pump, spread, size, without_looking(counts))


def _deliver(
    report: Report, storage: Azurite, pump: Pump, spread: str, size: int, before: Counter[str]
) -> None:
    """The same with the announcements delivered to one phone, whose push service costs nothing."""
    one_phone(pump.parts)
    with counted(storage.ports) as counts:
        work_off(pump, Queue.notifications, Queue.notifications_backlog)
    delivering = without_looking(counts)
    report.say(f"  delivering them to one phone, in addition: {told(delivering)}")
    both = sum((before + delivering).values()) / size
    report.show(f"per new detection, {spread} of {size:,}, delivered", both)


class _Taker:
    """A push service that takes everything."""

    name = Transport.webpush

    def send(self, notification: object, installation: object) -> Delivery:
        """Taken."""
        return Delivery(Outcome.delivered)


def one_phone(parts: Parts) -> None:
    """Register a phone, whose push service costs nothing."""
    from shared.nouns.notifications import Installation

    parts.__dict__["transports"] = {Transport.webpush: _Taker()}
    parts.installations.register(
        Installation(
            id="phone",
            owner="bench",
            name="Phone",
            transport=Transport.webpush,
            registration={"endpoint": "https://push.example/1"},
            registered="2026-01-01T00:00:00.0000000Z",
        )
    )


def _stored(parts: Parts) -> int:
    stored, token = 0, None
    while True:
        page = parts.tables.scan("detections", select=(), token=token)
        stored, token = stored + len(page.rows), page.token
        if token is None:
            return stored


def reread(report: Report, storage: Azurite, size: int) -> None:
    """Defender for Cloud lists everything at every poll."""
    report.say(f"Reading {size:,} unchanged Defender for Cloud alerts again, a hundred a page")
    pump = house(storage, CLOUD, size, timedelta(days=30))
    work_off(pump, Queue.polls, Queue.raw_alerts, Queue.raw_alerts_backlog)
    work_off(pump, Queue.notifications, Queue.notifications_backlog)
    state = pump.parts.configurations.all()[0].state
    pump.parts.configurations.save_state(state.model_copy(update={"next_due": None}))
    pump.parts.ticker.tick()
    with counted(storage.ports) as counts:
        work_off(pump, Queue.polls)
    after = pump.parts.configurations.all()[0].state
    if (after.alerts_read - state.alerts_read, after.alerts_queued) != (size, state.alerts_queued):
        raise SystemExit(f"{after.alerts_read - state.alerts_read} of {size} alerts were read again")
    report.say(f"  {told(without_looking(counts))}")
    report.reach("table writes beside the poll's one of its state", counts["table write"] - 1, "<=", 0)
    report.reach("table reads per alert", counts["table read"] / size, "<=", 0.05)


def throughput(report: Report, storage: Azurite, size: int, rounds: int) -> None:
    """Detections a second, product and bare SDK by turns on the same Azurite."""
    report.say(f"Normalise, dedupe and store, {size:,} alerts, median of {rounds} turns")
    ours, bare = [], []
    for seed in range(rounds):
        pump = house(storage, ENDPOINT, size, SPREADS["backlog"], seed=seed)
        work_off(pump, Queue.polls)
        batches = queued_batches(pump.parts)
        parts = parts_on_same(pump.parts)
        recording = parts.__dict__["tables"]
        configuration = parts.configurations.all()[0].configuration
        ours.append(store_seconds(parts, parts.vendors[ENDPOINT], configuration, batches))
        bare.append(bare_seconds(storage.connection_string_of(next(_accounts)), recording.written))
    report.compare(
        "detections stored",
        size / median(ours),
        size / median(bare),
        unit="a second",
        against="bare SDK batch inserts of the same rows",
        sign=">=",
        wanted=0.5,
    )


def parts_on_same(parts: Parts) -> Parts:
    """Further parts on the same storage, whose table writes are kept."""
    return Parts(parts.settings, tables=RecordingTables(parts.tables), blobs=parts.blobs, clock=parts.clock)


def memory(report: Report, storage: Azurite, small: int, large: int) -> None:
    """The peak of a fresh process for a small and a large backlog."""
    report.say(
        "Peak memory of a process that polls the simulator over https, stores and announces (no phone)"
    )
    sizes = (small, large)
    found = peaks([(storage.connection_string_of(next(_accounts)), size) for size in sizes])
    for size, (mebibytes, seconds) in zip(sizes, found, strict=True):
        report.say(f"  {size:,} alerts: {mebibytes:.0f} MiB, {seconds:.0f} s")
    report.reach(f"peak memory, {large:,} against {small:,}", found[1][0] / found[0][0], "<=", 1.3)


if __name__ == "__main__":
    raise SystemExit(main())
