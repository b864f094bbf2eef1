"""What the simulator can make happen at each vendor, in one form for all: new alerts, ties, late ones,
changes.

A vendor that is registered and has no entry here fails the benchmark's test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from simulator import cloud_apps_scenarios, graph_scenarios, scenarios, sentinel_scenarios, xdr_scenarios
from simulator.world import World

Make = Callable[..., list[str]]
Change = Callable[..., None]
OVERLAP = timedelta(minutes=15)


@dataclass(frozen=True)
class Happenings:
    """One vendor. `new(world, count, lag, fields)`, `tie(world, count)` and `late(world, age)` give the
    native ids of the alerts; `change(world, id, fields, after, lag)` changes one.

    `severities` and the two statuses are the vendor's words, the quietest severity first; no severities: it
    shows no changes that are announced. `reads_all`: polls read the whole list, so that nothing is ever late
    for them. `path` is where faults strike. `most_ties`: incidents of one ten-millionth of a second are few,
    and each is a call.
    """

    path: str
    poll_minutes: int
    new: Make
    tie: Make
    late: Make
    change: Change | None = None
    severities: tuple[str, ...] = ("Informational", "Low", "Medium", "High")
    active: Mapping[str, Any] = field(default_factory=lambda: {"status": "New"})
    closed: Mapping[str, Any] = field(default_factory=lambda: {"status": "Resolved"})
    reopened: Mapping[str, Any] = field(default_factory=lambda: {"status": "InProgress"})
    reads_all: bool = False
    most_ties: int = 100_000
    has_webhook: bool = False


def _xdr_new(world: World, *, count: int = 1, lag: timedelta = timedelta(), **_: Any) -> list[str]:
    made = xdr_scenarios.add_incidents(world, count=count, alerts=2, lag=lag)
    return [id for one in made for id in xdr_scenarios.alerts_of_incident(world, one)]


def _xdr_tie(world: World, *, count: int) -> list[str]:
    made = xdr_scenarios.tie_incidents(world, count=count)
    return [id for one in made for id in xdr_scenarios.alerts_of_incident(world, one)]


def _xdr_late(world: World, *, age: timedelta) -> list[str]:
    made = xdr_scenarios.late_incidents(world, age=age)
    return [id for one in made for id in xdr_scenarios.alerts_of_incident(world, one)]


def _sentinel_new(
    world: World, *, count: int = 1, lag: timedelta = timedelta(), ends: timedelta = timedelta(), **_: Any
) -> list[str]:
    made = sentinel_scenarios.add_incidents(world, count=count, lag=lag, ends=ends)
    return [id for one in made for id in sentinel_scenarios.alerts_of(world, one)]


def _sentinel_late(world: World, *, age: timedelta) -> list[str]:
    return _sentinel_new(world, lag=age, ends=-age)


def _cloud_change(world: World, name: str, *, fields: Any, after: timedelta, lag: timedelta) -> None:
    scenarios.update_cloud_alert(world, name, fields=fields, after=after)


def _cloud_tie(world: World, *, count: int) -> list[str]:
    return scenarios.add_cloud_alerts(world, count=count)


VENDORS: Mapping[str, Happenings] = {
    "defender_endpoint": Happenings(
        "/api/alerts",
        5,
        scenarios.add_endpoint_alerts,
        scenarios.tie_endpoint_alerts,
        scenarios.late_endpoint_alerts,
        scenarios.update_endpoint_alert,
    ),
    "defender_for_cloud": Happenings(
        "/subscriptions",
        10,
        scenarios.add_cloud_alerts,
        _cloud_tie,
        scenarios.late_cloud_alerts,
        _cloud_change,
        active={"status": "Active"},
        reopened={"status": "Active"},
        reads_all=True,
        has_webhook=True,
    ),
    "graph_security": Happenings(
        "/v1.0/security/alerts_v2",
        5,
        graph_scenarios.add_graph_alerts,
        graph_scenarios.tie_graph_alerts,
        graph_scenarios.late_graph_alerts,
        graph_scenarios.update_graph_alert,
        severities=("informational", "low", "medium", "high"),
        active={"status": "new"},
        closed={"status": "resolved"},
        reopened={"status": "inProgress"},
    ),
    "defender_xdr": Happenings(
        "/v1.0/security/incidents", 5, _xdr_new, _xdr_tie, _xdr_late, severities=(), most_ties=120
    ),
    "defender_cloud_apps": Happenings(
        "/api/v1/alerts",
        5,
        cloud_apps_scenarios.add_alerts,
        cloud_apps_scenarios.tie_alerts,
        cloud_apps_scenarios.late_alerts,
        severities=(),
    ),
    "sentinel": Happenings(
        "/subscriptions", 5, _sentinel_new, _sentinel_new, _sentinel_late, severities=(), most_ties=120
    ),
}
