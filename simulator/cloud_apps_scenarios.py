"""What can be made to happen at the simulated Defender for Cloud Apps; see scenarios.py."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from simulator import cloud_apps_alerts as kinds
from simulator import sample, ticks
from simulator.cloud_apps_access import cloud_apps
from simulator.cloud_apps_alerts import CloudAppsTenant
from simulator.scenarios import NOW, found, spread
from simulator.world import World

VERDICTS: Mapping[str, int] = {
    "false_positive": kinds.FALSE_POSITIVE,
    "benign": kinds.BENIGN,
    "true_positive": kinds.TRUE_POSITIVE,
}


def add_alerts(
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
    """Alerts whose date is spread evenly over the time `within` that ends at now + `ends`; each becomes
    visible `lag` after its date."""
    with world.lock:
        tenant, now = _tenant(world, tenant_id)
        made = []
        for when in spread(now, count, within, ends):
            alert = tenant.make(when, template=fixture, fields=fields)
            tenant.alerts.put(alert, visible=alert.at + ticks.span(lag), now=now)
            made.append(alert.id)
        return made


def tie_alerts(
    world: World, *, count: int = 5, age: timedelta = NOW, tenant_id: str = sample.TENANT_ID
) -> list[str]:
    """Alerts that all have the same millisecond, `age` ago."""
    return add_alerts(world, count=count, ends=-age, tenant_id=tenant_id)


def late_alerts(
    world: World, *, count: int = 1, age: timedelta = timedelta(hours=3), tenant_id: str = sample.TENANT_ID
) -> list[str]:
    """Alerts that appear only now, though their date is `age` ago."""
    return add_alerts(world, count=count, ends=-age, lag=age, tenant_id=tenant_id)


def update_alert(
    world: World,
    alert_id: str,
    *,
    fields: Mapping[str, Any] | None = None,
    verdict: str | None = None,
    after: timedelta = NOW,
    tenant_id: str = sample.TENANT_ID,
) -> None:
    """Change an alert's fields, or close it with one of VERDICTS, at now + `after`."""
    if verdict is not None and verdict not in VERDICTS:
        raise LookupError(f"verdict is one of {', '.join(VERDICTS)}")
    with world.lock:
        tenant, now = _tenant(world, tenant_id)
        alert, when = found(tenant.alerts, alert_id), now + ticks.span(after)
        do = [partial(alert.fields.update, dict(fields or {}))]
        if verdict is not None:
            do.append(partial(alert.close, VERDICTS[verdict], when, f"ada@{sample.TENANT_DOMAIN}", None))
        for one in do:
            tenant.alerts.at(when, one, now=now)


def alert_ids(world: World, *, tenant_id: str = sample.TENANT_ID) -> list[str]:
    """The ids of every alert that is visible now, oldest first."""
    with world.lock:
        return [alert.id for alert in _tenant(world, tenant_id)[0].alerts.ordered()]


def _tenant(world: World, tenant_id: str) -> tuple[CloudAppsTenant, int]:
    now = ticks.ticks_of(world.now())
    tenant = cloud_apps(world).tenant(tenant_id)
    tenant.alerts.settle(now)
    return tenant, now
