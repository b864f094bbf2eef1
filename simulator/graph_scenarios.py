"""What can be made to happen to the alerts of Microsoft Graph; the rules are those of scenarios.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from simulator import sample, ticks
from simulator.endpoint_access import endpoint
from simulator.graph_alerts import GraphAlert, GraphTenant, graph_tenant
from simulator.scenarios import NOW, found, spread
from simulator.world import World


def add_graph_alerts(
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
    """Alerts whose lastUpdateDateTime is spread evenly over the time `within` that ends at now + `ends`.

    Each becomes visible `lag` after its lastUpdateDateTime. `fields` replace the fixture's, in the vendor's
    names.
    """
    with world.lock:
        tenant, now = graph_tenant(world, tenant_id), ticks.ticks_of(world.now())
        ids = []
        for when in spread(now, count, within, ends):
            alert = tenant.make(when, template=fixture, fields=fields)
            tenant.alerts.put(alert, visible=alert.updated + ticks.span(lag), now=now)
            ids.append(alert.id)
        return ids


def tie_graph_alerts(
    world: World, *, count: int = 5, age: timedelta = NOW, tenant_id: str = sample.TENANT_ID
) -> list[str]:
    """Alerts that all have the same lastUpdateDateTime, `age` ago."""
    return add_graph_alerts(world, count=count, ends=-age, fixture="endpoint_powershell", tenant_id=tenant_id)


def late_graph_alerts(
    world: World, *, count: int = 1, age: timedelta = timedelta(hours=3), tenant_id: str = sample.TENANT_ID
) -> list[str]:
    """Alerts that appear only now, though their lastUpdateDateTime is `age` ago."""
    return add_graph_alerts(world, count=count, ends=-age, lag=age, tenant_id=tenant_id)


def update_graph_alert(
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
    lastUpdateDateTime.
    """
    with world.lock:
        tenant, now = graph_tenant(world, tenant_id), ticks.ticks_of(world.now())
        alert, stamp = found(tenant.alerts, alert_id), now + ticks.span(after)
        do = partial(_change, tenant, alert, dict(fields or {}), list(evidence), stamp)
        tenant.alerts.at(stamp + ticks.span(lag), do, now=now)


def graph_view_of_endpoint(world: World, alert_id: str, *, tenant_id: str = sample.TENANT_ID) -> str:
    """The same alert as Graph shows it that Endpoint's own API has: same id, title, severity and times."""
    with world.lock:
        seen = found(endpoint(world).tenant(tenant_id).alerts, alert_id)
        tenant, now = graph_tenant(world, tenant_id), ticks.ticks_of(world.now())
        severity = str(seen.value("severity"))
        fields = {"title": seen.value("title"), "severity": severity[:1].lower() + severity[1:]}
        alert = tenant.make(seen.updated, template="endpoint_old_id", ids=(alert_id, alert_id), fields=fields)
        alert.created = seen.created
        tenant.alerts.put(alert, visible=now, now=now)
        return alert.id


def graph_ids(world: World, *, tenant_id: str = sample.TENANT_ID) -> list[str]:
    """The ids of every alert that is visible now, in the order of lastUpdateDateTime."""
    with world.lock:
        return [alert.id for alert in graph_tenant(world, tenant_id).alerts.ordered()]


def _change(
    tenant: GraphTenant,
    alert: GraphAlert,
    fields: dict[str, Any],
    evidence: list[Mapping[str, Any]],
    stamp: int,
) -> None:
    if evidence:
        fields = fields | {"evidence": [*alert.raw().get("evidence", []), *map(dict, evidence)]}
    tenant.alerts.change(alert, partial(_stamp, alert, fields, stamp))


def _stamp(alert: GraphAlert, fields: Mapping[str, Any], stamp: int) -> None:
    alert.fields.update(fields)
    alert.updated = max(alert.updated, stamp)
