"""`dev.py bench latency`: from a webhook's request to its push, on Azurite, and what storage it costs.

The functions run in this process, a thread for each queue, which asks again 5 ms after an empty answer; a
host that idles asks less often (host.json: `maxPollingInterval`, 2 s), and that comes on top at each of the
two queues. The limit is the sum of the seven storage calls and the push that no alert can do without, made
one after the other with the bare SDKs on the same Azurite, by turns with the product.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.rig.bare_calls import BareCalls
from benchmarks.rig.push_receiver import PushReceiver
from benchmarks.rig.report import Report
from benchmarks.rig.storage import azurite, configure, parts_on
from benchmarks.rig.wire import counted, told
from devhost.azurite import Azurite
from devhost.pump import Pump
from shared.bootstrap import Parts
from shared.nouns.notifications import Installation, Transport
from shared.push.transport import Delivery
from shared.store.stores import Queue
from simulator import scenarios
from simulator.web_push import subscribe
from simulator.world import World

CLOUD = "defender_for_cloud"
_TURN = 20
_PAUSE = 0.005  # without any, threads that ask idle queues keep the interpreter from the one that works


def main() -> int:
    """Run it; 1 when a number is missed."""
    parser = argparse.ArgumentParser(prog="dev.py bench latency", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--alerts", type=int, default=200)
    parser.add_argument("--no-fail", action="store_true", help="exit 0 whatever is missed")
    options = parser.parse_args()
    report = Report()
    with ExitStack() as stack:
        storage = stack.enter_context(azurite())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        receiver = stack.enter_context(PushReceiver(folder))
        world = World.sample()
        transactions(report, storage, house(storage.connection_string_of(0), receiver, world), world)
        receiver.next_arrival()
        receiver.next_arrival()
        bare = BareCalls(storage.connection_string_of(1), f"{receiver.origin}/bare", receiver.ca_bundle)
        parts = house(storage.connection_string_of(2), receiver, world)
        times(report, parts, world, receiver, bare, options.alerts)
    return report.status(fail=not options.no_fail)


def house(connection_string: str, receiver: PushReceiver, world: World) -> Parts:
    """The product with a Defender for Cloud configuration and one browser."""
    more: dict[str, Any] = {
        "POCKETSOC_PUSH_HOSTS": receiver.origin.removeprefix("https://"),
        "POCKETSOC_CA_BUNDLE": receiver.ca_bundle,
    }
    parts = parts_on(connection_string, **more)
    configure(parts, CLOUD)
    registration = subscribe(world, "bench").as_browser(world)
    parts.installations.register(
        Installation(
            id="browser",
            owner="bench",
            name="Browser",
            transport=Transport.webpush,
            registration={**registration, "endpoint": f"{receiver.origin}/push"},
            registered="2026-01-01T00:00:00.0000000Z",
        )
    )
    return parts


def webhook(parts: Parts, world: World) -> int:
    """Send a new alert's event; when that began, in monotonic nanoseconds."""
    body = json.dumps(scenarios.webhook_body(world)).encode()
    began = time.monotonic_ns()
    answer = parts.receiver.receive(CLOUD, CLOUD, body)
    if answer.status != 202:
        raise SystemExit(f"the webhook answered {answer.status}")
    return began


class _Watched:
    """A transport that notes what storage had cost when a push was handed over."""

    def __init__(self, transport: Any, counts: Counter[str]) -> None:
        self.transport, self.counts = transport, counts
        self.handed_over: Counter[str] = Counter()

    def send(self, notification: Any, installation: Any) -> Delivery:
        """Note, and send."""
        self.handed_over = Counter(self.counts)
        sent: Delivery = self.transport.send(notification, installation)
        return sent


def transactions(report: Report, storage: Azurite, parts: Parts, world: World) -> None:
    """What one alert costs, just after another one and after a quiet time."""
    report.say("Storage transactions of one webhook alert, from the request until the push is handed over")
    pump = Pump(parts)
    for what in ("after a quiet time", "soon after another"):
        with counted(storage.ports) as counts:
            watched = _Watched(parts.transports[Transport.webpush], counts)
            transports = parts.notifier.transports
            object.__setattr__(parts.notifier, "transports", {Transport.webpush: watched})
            webhook(parts, world)
            pump.step(Queue.raw_alerts)
            pump.step(Queue.notifications)
            object.__setattr__(parts.notifier, "transports", transports)
        if pump.failures:
            raise pump.failures[0]
        report.say(f"  {what}: {told(watched.handed_over)}; in all {sum(counts.values())}")
        if what == "soon after another":
            report.reach(what, sum(watched.handed_over.values()), "<=", 8)
        else:
            # Configurations and installations are remembered for ten to fifteen seconds.
            report.show(f"{what} (nothing remembered)", sum(watched.handed_over.values()))


@contextmanager
def running(pump: Pump) -> Iterator[None]:
    """A thread for each of the two queues on the way, which asks again at once while there is something, else
    after `_PAUSE`."""
    stop = threading.Event()

    def drive(queue: str) -> None:
        while not stop.is_set():
            if not pump.step(queue, count=8):
                stop.wait(_PAUSE)

    queues = (Queue.raw_alerts, Queue.notifications)
    threads = [threading.Thread(target=drive, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def times(
    report: Report, parts: Parts, world: World, receiver: PushReceiver, bare: BareCalls, alerts: int
) -> None:
    """One alert after the other, in turns with the bare calls."""
    pump = Pump(parts)
    ours: list[float] = []
    calls: list[list[tuple[str, float]]] = []
    with running(pump):
        webhook(parts, world)
        receiver.next_arrival()
    bare.seconds()
    receiver.next_arrival()
    while len(ours) < alerts:
        turn = min(_TURN, alerts - len(ours))
        with running(pump):
            for _ in range(turn):
                began = webhook(parts, world)
                ours.append((receiver.next_arrival() - began) / 1e6)
        for _ in range(turn):
            calls.append(bare.seconds())
            receiver.next_arrival()
    if pump.failures:
        raise pump.failures[0]
    sums = [1000 * sum(seconds for _, seconds in one) for one in calls]
    _tell(report, ours, sums, calls)


def _tell(report: Report, ours: list[float], sums: list[float], calls: list[list[tuple[str, float]]]) -> None:
    report.say(f"Milliseconds from request to push received, {len(ours)} alerts, one at a time")
    names = [name for name, _ in calls[0]]
    each = [1000 * median(one[place][1] for one in calls) for place in range(len(names))]
    report.say("  bare: " + ", ".join(f"{n} {ms:.1f}" for n, ms in zip(names, each, strict=True)))
    report.show("p99", quantiles(ours, n=100)[98], "ms")
    report.compare("p50", median(ours), median(sums), unit="ms", against="bare calls", sign="<=", wanted=2.0)
    report.say("  a host that idles adds up to 2 s at each of two queues (host.json, maxPollingInterval)")


if __name__ == "__main__":
    raise SystemExit(main())
