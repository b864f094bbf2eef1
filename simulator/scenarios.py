"""What can be made to happen at the simulated vendors. Tests and benchmarks call these; the control API
offers the same over HTTP.

Every function takes the world first. Times are relative to the world's clock; what lies ahead happens when
the clock gets there (`World.advance`). Ids come back in the order in which the alerts were made.
LookupError: there is no such alert or fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from simulator import sample, ticks
from simulator.cloud_access import cloud
from simulator.cloud_alerts import CloudSubscription
from simulator.cloud_apps_access import cloud_apps
from simulator.endpoint_access import endpoint
from simulator.endpoint_alerts import EndpointAlert, EndpointTenant, empty_evidence
from simulator.graph_access import graph
from simulator.graph_alerts import forget_alerts
from simulator.sentinel_access import sentinel
from simulator.shelf import Record, Shelf
from simulator.webhook_dialects import dialect_of
from simulator.world import World
from simulator.xdr_access import xdr
from simulator.xdr_incidents import incidents

NOW = timedelta()

# What has switches and can be reset, by the name that commands use.
STATES: Mapping[str, Callable[[World], Any]] = {
    "endpoint": endpoint,
    "cloud": cloud,
    "graph": graph,
    "cloud-apps": cloud_apps,
    "xdr": xdr,
    "sentinel": sentinel,
}


def add_endpoint_alerts(
    world: World,
    *,
    count: int = 1,
    within: timedelta = NOW,
    ends: timedelta = NOW,
    lag: timedelta = NOW,
    fixture: str | None = None,
    fields: Mapping[str, Any] | None = None,
    tenant_id: str = sample.TENANT_ID,
) -> list[str]:
    """Alerts whose lastUpdateTime is spread evenly over the time `within` that ends at now + `ends`.

    Each becomes visible `lag` after its lastUpdateTime. `fields` replace the fixture's, in the vendor's
    names.
    """
    with world.lock:
        tenant, now = _tenant(world, tenant_id)
        ids = []
        for when in spread(now, count, within, ends):
            alert = tenant.make(when, template=fixture, fields=fields)
            tenant.alerts.put(alert, visible=alert.updated + ticks.span(lag), now=now)
            ids.append(alert.id)
        return ids


def tie_endpoint_alerts(
    world: World, *, count: int = 5, age: timedelta = NOW, tenant_id: str = sample.TENANT_ID
) -> list[str]:
    """Alerts that all have the same lastUpdateTime, `age` ago."""
    return add_endpoint_alerts(world, count=count, ends=-age, tenant_id=tenant_id)


def late_endpoint_alerts(
    world: World, *, count: int = 1, age: timedelta = timedelta(hours=3), tenant_id: str = sample.TENANT_ID
) -> list[str]:
    """Alerts that appear only now, though their lastUpdateTime is `age` ago."""
    return add_endpoint_alerts(world, count=count, ends=-age, lag=age, tenant_id=tenant_id)


def update_endpoint_alert(
    world: World,
    alert_id: str,
    *,
    fields: Mapping[str, Any] | None = None,
    evidence: Sequence[Mapping[str, Any]] = (),
    after: timedelta = NOW,
    lag: timedelta = NOW,
    tenant_id: str = sample.TENANT_ID,
) -> None:
    """Change an alert's fields and add evidence, at now + `after`; visible `lag` later, with the earlier
    lastUpdateTime.
    """
    with world.lock:
        tenant, now = _tenant(world, tenant_id)
        stamp = ticks.coarse(now + ticks.span(after))
        alert = found(tenant.alerts, alert_id)
        do = partial(_change_endpoint, tenant, alert, dict(fields or {}), list(evidence), stamp)
        tenant.alerts.at(now + ticks.span(after + lag), do, now=now)


def endpoint_ids(world: World, *, tenant_id: str = sample.TENANT_ID) -> list[str]:
    """The ids of every alert that is visible now, in the order of lastUpdateTime."""
    with world.lock:
        return [alert.id for alert in _tenant(world, tenant_id)[0].alerts.ordered()]


def add_cloud_alerts(
    world: World,
    *,
    count: int = 1,
    within: timedelta = NOW,
    ends: timedelta = NOW,
    lag: timedelta = NOW,
    fixture: str | None = None,
    fields: Mapping[str, Any] | None = None,
    subscription_id: str = sample.SUBSCRIPTION_ID,
) -> list[str]:
    """Alerts whose timeGeneratedUtc is spread evenly over the time `within` that ends at now + `ends`;
    visible `lag` later.
    """
    with world.lock:
        subscription, now = _subscription(world, subscription_id)
        names = []
        for when in spread(now, count, within, ends):
            alert = subscription.make(when, template=fixture, fields=fields)
            subscription.alerts.put(alert, visible=when + ticks.span(lag), now=now)
            names.append(alert.name)
        return names


def late_cloud_alerts(
    world: World,
    *,
    count: int = 1,
    age: timedelta = timedelta(hours=3),
    subscription_id: str = sample.SUBSCRIPTION_ID,
) -> list[str]:
    """Alerts published now whose start was `age` ago: they appear deep in the list."""
    with world.lock:
        subscription, now = _subscription(world, subscription_id)
        made = [subscription.make(now, started=now - ticks.span(age) - number) for number in range(count)]
        for alert in made:
            subscription.alerts.put(alert, visible=now, now=now)
        return [alert.name for alert in made]


def update_cloud_alert(
    world: World,
    name: str,
    *,
    fields: Mapping[str, Any],
    after: timedelta = NOW,
    subscription_id: str = sample.SUBSCRIPTION_ID,
) -> None:
    """Change an alert's properties (in the vendor's names; None removes one), at now + `after`."""
    with world.lock:
        subscription, now = _subscription(world, subscription_id)
        do = partial(found(subscription.alerts, name).fields.update, dict(fields))
        subscription.alerts.at(now + ticks.span(after), do, now=now)


def cloud_names(world: World, *, subscription_id: str = sample.SUBSCRIPTION_ID) -> list[str]:
    """The names of every alert that is visible now, in the order of the list."""
    with world.lock:
        return [alert.name for alert in _subscription(world, subscription_id)[0].alerts.ordered()]


def webhook_body(
    world: World,
    *,
    dialect: str = "pascal",
    name: str | None = None,
    fixture: str | None = None,
    fields: Mapping[str, Any] | None = None,
    lag: timedelta = NOW,
    subscription_id: str = sample.SUBSCRIPTION_ID,
) -> Any:
    """What a Logic App would forward, in one of webhook_dialects.DIALECTS.

    For an alert: the alert `name`, or a new one, which the list shows `lag` later. Posture events are
    fixtures.
    """
    with world.lock:
        subscription, now = _subscription(world, subscription_id)
        if name is None:
            alert = subscription.make(now, template=fixture or "vm_suspicious_process", fields=fields)
            subscription.alerts.put(alert, visible=now + ticks.span(lag), now=now)
        else:
            alert = found(subscription.alerts, name)
        return dialect_of(dialect, alert.raw(subscription.numbering()))


def endless_nextlink(world: World, vendor: str, on: bool = True) -> None:
    """Let the lists of one of STATES answer their first page for ever, always with a nextLink."""
    with world.lock:
        switches(world, vendor).endless_nextlink = on


def switches(world: World, vendor: str) -> Any:
    """The switches of one of STATES, to be changed in place."""
    if vendor not in STATES:
        raise LookupError(f"vendor is one of {', '.join(STATES)}")
    return STATES[vendor](world).switches


def reset(world: World) -> None:
    """Forget all alerts, faults, switches of the vendors, quotas and counters. The clock stays."""
    with world.lock:
        for state in STATES.values():
            state(world).reset()
        forget_alerts(world)
        incidents(world).reset()
        world.faults.clear()
        world.requests.clear()


def spread(now: int, count: int, within: timedelta, ends: timedelta) -> Iterable[int]:
    """So many times (ticks), evenly over the time `within` that ends at now + `ends`."""
    last, step = now + ticks.span(ends), ticks.span(within) // max(count, 1)
    return (last - step * (count - 1 - place) for place in range(count))


def _tenant(world: World, tenant_id: str) -> tuple[EndpointTenant, int]:
    now = ticks.ticks_of(world.now())
    tenant = endpoint(world).tenant(tenant_id)
    tenant.alerts.settle(now)
    return tenant, now


def _subscription(world: World, subscription_id: str) -> tuple[CloudSubscription, int]:
    now = ticks.ticks_of(world.now())
    subscription = cloud(world).subscriptions[subscription_id.lower()]
    subscription.alerts.settle(now)
    return subscription, now


def found(alerts: Shelf[Record], name: str) -> Record:
    """The record, visible or still to become so. Raises LookupError."""
    alert = alerts.find(name)
    if alert is None:
        raise LookupError(f"no alert {name}")
    return alert


def _change_endpoint(
    tenant: EndpointTenant,
    alert: EndpointAlert,
    fields: dict[str, Any],
    evidence: list[Mapping[str, Any]],
    stamp: int,
) -> None:
    if evidence:
        empty = empty_evidence() | {"evidenceCreationTime": ticks.text_of(stamp)}
        known = alert.raw(evidence=True)["evidence"]
        fields = fields | {"evidence": [*known, *(empty | dict(one) for one in evidence)]}
    tenant.alerts.change(alert, partial(_stamp, alert, fields, stamp))


def _stamp(alert: EndpointAlert, fields: Mapping[str, Any], stamp: int) -> None:
    alert.fields.update(fields)
    alert.updated = max(alert.updated, stamp)
