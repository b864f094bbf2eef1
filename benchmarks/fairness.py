"""`dev.py bench fairness`: what one busy configuration costs all others.

Five hundred configurations are due in the same minute, each with some new alerts; once as they are, and once
with one of them a hundred times as busy, the first to be polled. The lag of an alert is the time from the
tick to its push. The functions are the product's, in simulated time (rig/clockwork.py): one instance, eight
messages at once for each function.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import mean, quantiles
from typing import Any

from benchmarks.rig.clockwork import Clock, Clockwork, Costs, TimedQueues, TimedTables
from benchmarks.rig.report import Report
from benchmarks.rig.vendor_pages import EndpointPages
from shared.bootstrap import Parts
from shared.nouns.configurations import Configuration
from shared.nouns.notifications import Installation, Notification, Outcome, Transport
from shared.push.transport import Delivery
from shared.settings import Settings
from shared.store.memory import MemoryBlobs, MemorySecrets
from shared.vendors.vendor import Connection

_BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
_BUSY = "000-busy"


def main() -> int:
    """Run it; 1 when a number is missed."""
    parser = argparse.ArgumentParser(prog="dev.py bench fairness", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--configurations", type=int, default=500)
    parser.add_argument("--alerts", type=int, default=10, help="of each configuration")
    parser.add_argument("--times", type=int, default=100, help="how much busier the busy one is")
    parser.add_argument("--no-fail", action="store_true", help="exit 0 whatever is missed")
    options = parser.parse_args()
    report = Report()
    logging.disable()
    compare(report, options.configurations, options.alerts, options.times)
    return report.status(fail=not options.no_fail)


def compare(report: Report, configurations: int, alerts: int, times: int) -> None:
    """The others' lag with the busy one against without it."""
    calm = _Minute(configurations, alerts, busy=alerts).lags()
    busy = _Minute(configurations, alerts, busy=alerts * times).lags()
    mixed = _Minute(configurations, alerts, busy=alerts * times, one_lane=True).lags()
    report.say(f"{configurations} configurations with {alerts} alerts each, one with {alerts * times:,}")
    for name, figure in (
        ("mean", mean),
        ("p50", _percentile(50)),
        ("p95", _percentile(95)),
        ("longest", max),
    ):
        limit, with_it = figure(calm), figure(busy)
        report.compare(
            f"others' lag, {name}",
            with_it,
            limit,
            unit="s",
            against="without the busy one",
            sign="<=",
            wanted=1.1,
        )
        report.show("  the same with one lane for all, ratio", figure(mixed) / limit)


def _percentile(number: int) -> Any:
    return lambda lags: quantiles(lags, n=100)[number - 1]


class _Minute:
    """One minute of a host, from its tick to the last push."""

    def __init__(self, configurations: int, alerts: int, *, busy: int, one_lane: bool = False) -> None:
        self._clock, self._costs = Clock(_BEGIN), Costs()
        self._queues = TimedQueues(self._clock, self._costs, one_lane)
        self._parts = Parts(
            Settings(),
            tables=TimedTables(self._clock, self._costs),
            queues=self._queues,
            blobs=MemoryBlobs(),
            secrets=MemorySecrets(),
            clock=self._clock,
        )
        self._pushed: dict[str, float] = {}
        self._parts.__dict__["transports"] = {Transport.webpush: self}
        self._parts.__dict__["notifier"] = replace(self._parts.notifier, senders=1)
        self._pages = {_BUSY: self._made(busy, 0)}
        self._pages |= {f"c{n:04}": self._made(alerts, n) for n in range(1, configurations)}
        self._parts.connect = self._connect  # type: ignore[method-assign]
        for id in self._pages:
            self._configure(id)
        self._register()

    def _made(self, count: int, seed: int) -> EndpointPages:
        return EndpointPages(count, now=_BEGIN, within=timedelta(minutes=4), fresh=True, seed=seed)

    def _configure(self, id: str) -> None:
        made = Configuration(id=id, vendor="defender_endpoint", display_name=id, tenant_id=f"t-{id}")
        self._parts.configurations.save(made)

    def _register(self) -> None:
        one: dict[str, Any] = {"id": "phone", "owner": "bench", "name": "Phone", "registration": {"x": "y"}}
        self._parts.installations.register(
            Installation(transport=Transport.webpush, registered="2026-01-01T00:00:00.0000000Z", **one)
        )

    def _connect(self, configuration: Configuration) -> Connection:
        cloud, api = self._parts.clouds[configuration.cloud], _Timed(self, configuration.id)
        return Connection(configuration=configuration, cloud=cloud, api=api, now=self._clock)  # type: ignore[arg-type]

    def get(self, id: str, path: str, params: Any) -> dict[str, Any]:
        """A page of a configuration's vendor."""
        answer = self._pages[id].get(path, params)
        self._clock.spend(self._costs.page + self._costs.alert * len(answer["value"]))
        return answer

    def send(self, notification: Notification, installation: Installation) -> Delivery:
        """A push arrives. Its source is the configuration's name."""
        self._clock.spend(self._costs.push)
        self._pushed[f"{notification.source} {notification.id}"] = self._clock.now
        return Delivery(Outcome.delivered)

    def lags(self) -> list[float]:
        """Seconds from the tick to the push of each alert of the others."""
        self._clock.now = 0.0
        self._parts.ticker.tick()
        Clockwork(self._parts, self._clock, self._queues).run()
        wanted = sum(pages.count for pages in self._pages.values())
        if len(self._pushed) != wanted:
            raise SystemExit(f"{len(self._pushed)} of {wanted} alerts were pushed")
        return [when for one, when in self._pushed.items() if not one.startswith(_BUSY)]


class _Timed:
    """The Api of one configuration."""

    def __init__(self, minute: _Minute, id: str) -> None:
        self._minute, self._id = minute, id

    def get(self, path_or_url: str, params: Any = None) -> dict[str, Any]:
        """A page."""
        return self._minute.get(self._id, path_or_url, params)


if __name__ == "__main__":
    raise SystemExit(main())
