"""What can be made to happen to incidents, which Graph and the Defender XDR API both show; the rules are
those of scenarios.py. Incidents are named by their number as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from simulator import sample, ticks
from simulator.graph_alerts import GraphAlert, graph_tenant
from simulator.graph_scenarios import add_graph_alerts
from simulator.scenarios import NOW, spread
from simulator.world import World
from simulator.xdr_incidents import SEVERITIES, Incident, XdrTenant, tenant_now


def add_incidents(
    world: World,
    *,
    count: int = 1,
    alerts: int = 1,
    within: timedelta = NOW,
    ends: timedelta = NOW,
    lag: timedelta = NOW,
    of: Sequence[str] = (),
    fixture: str | None = None,
    fields: Mapping[str, Any] | None = None,
    tenant_id: str = sample.TENANT_ID,
) -> list[str]:
    """Incidents of so many new alerts each, whose last updates are spread evenly over the time `within` that
    ends at now + `ends`. Each becomes visible, with its alerts, `lag` after its last update. `fields` replace
    the incident's, in Graph's names; `fixture` is that of the alerts; `of` are alerts that exist, to be taken
    instead of new ones.
    """
    with world.lock:
        tenant, now = tenant_now(world, tenant_id)
        made = []
        for moment in spread(now, count, within, ends):
            ids = list(of) or add_graph_alerts(
                world,
                count=alerts,
                ends=_length(moment - now),
                lag=lag,
                fixture=fixture,
                tenant_id=tenant_id,
            )
            incident = tenant.make(
                moment, fields=_about(world, tenant_id, ids) | dict(fields or {}), alerts=ids
            )
            _join(world, incident, ids)
            tenant.incidents.put(incident, visible=incident.updated + ticks.span(lag), now=now)
            made.append(incident.id)
        return made


def tie_incidents(
    world: World, *, count: int = 5, age: timedelta = NOW, tenant_id: str = sample.TENANT_ID
) -> list[str]:
    """Incidents that all have the same last update, `age` ago."""
    return add_incidents(world, count=count, ends=-age, tenant_id=tenant_id)


def late_incidents(
    world: World, *, count: int = 1, age: timedelta = timedelta(hours=3), tenant_id: str = sample.TENANT_ID
) -> list[str]:
    """Incidents that appear only now, with their alerts, though their last update is `age` ago."""
    return add_incidents(world, count=count, ends=-age, lag=age, tenant_id=tenant_id)


def add_alerts_to_incident(
    world: World,
    incident_id: str,
    *,
    count: int = 1,
    fixture: str | None = None,
    member_lag: timedelta = NOW,
    tenant_id: str = sample.TENANT_ID,
) -> list[str]:
    """New alerts that join an incident, which is updated by it. `member_lag`: the alerts are to be seen only
    so much later, though the incident says at once that it has changed."""
    with world.lock:
        tenant, incident, now = _found(world, incident_id, tenant_id)
        ids = add_graph_alerts(world, count=count, lag=member_lag, fixture=fixture, tenant_id=tenant_id)
        _join(world, incident, ids)
        incident.alerts.extend(ids)
        changed = {"severity": _about(world, tenant_id, incident.alerts)["severity"]}
        tenant.incidents.change(incident, partial(_stamp, incident, changed, now))
        return ids


def update_incident(
    world: World,
    incident_id: str,
    *,
    fields: Mapping[str, Any],
    after: timedelta = NOW,
    lag: timedelta = NOW,
    tenant_id: str = sample.TENANT_ID,
) -> None:
    """Change an incident's fields (in Graph's names) at now + `after`; visible `lag` later, with the earlier
    last update."""
    with world.lock:
        tenant, incident, now = _found(world, incident_id, tenant_id)
        stamp = now + ticks.span(after)
        change = partial(_stamp, incident, dict(fields), stamp)
        do = partial(tenant.incidents.change, incident, change)
        tenant.incidents.at(stamp + ticks.span(lag), do, now=now)


def merge_incidents(world: World, incident_id: str, into: str, *, tenant_id: str = sample.TENANT_ID) -> None:
    """Move an incident's alerts into another; the first stays, as redirected. Both are updated."""
    with world.lock:
        tenant, merged, now = _found(world, incident_id, tenant_id)
        _, survivor, _ = _found(world, into, tenant_id)
        moved, merged.alerts = merged.alerts, []
        survivor.alerts.extend(moved)
        _join(world, survivor, moved)
        gone = {"status": "redirected", "redirectIncidentId": survivor.id}
        tenant.incidents.change(merged, partial(_stamp, merged, gone, now))
        tenant.incidents.change(survivor, partial(_stamp, survivor, {}, now))


def incident_ids(world: World, *, tenant_id: str = sample.TENANT_ID) -> list[str]:
    """The numbers of every incident that is visible now, in the order of the last update."""
    with world.lock:
        return [incident.id for incident in tenant_now(world, tenant_id)[0].incidents.ordered()]


def alerts_of_incident(world: World, incident_id: str, *, tenant_id: str = sample.TENANT_ID) -> list[str]:
    """The ids of an incident's alerts."""
    with world.lock:
        return list(_found(world, incident_id, tenant_id)[1].alerts)


def _found(world: World, incident_id: str, tenant_id: str) -> tuple[XdrTenant, Incident, int]:
    tenant, now = tenant_now(world, tenant_id)
    incident = tenant.incidents.find(incident_id)
    if incident is None:
        raise LookupError(f"no incident {incident_id}")
    return tenant, incident, now


def _members(world: World, tenant_id: str, ids: Sequence[str]) -> list[GraphAlert]:
    alerts = graph_tenant(world, tenant_id).alerts
    return [alert for alert in map(alerts.find, ids) if alert is not None]


def _about(world: World, tenant_id: str, ids: Sequence[str]) -> dict[str, Any]:
    """Name and severity as the service makes them: of the first alert, and of the worst."""
    alerts = _members(world, tenant_id, ids)
    words = [str(alert.value("severity")) for alert in alerts]
    known = [word for word in words if word in SEVERITIES]
    name = str(alerts[0].value("title") or "Alert") if alerts else "Incident without alerts"
    return {
        "displayName": name if len(alerts) < 2 else f"{name} and {len(alerts) - 1} more",
        "severity": max(known, key=SEVERITIES.index, default="unknown"),
    }


def _join(world: World, incident: Incident, ids: Sequence[str]) -> None:
    for alert in _members(world, incident.tenant_id, ids):
        alert.fields["incidentId"] = incident.id


def _stamp(incident: Incident, fields: Mapping[str, Any], now: int) -> None:
    incident.fields.update(fields)
    incident.updated = max(incident.updated, ticks.coarse(now))


def _length(span: int) -> timedelta:
    return timedelta(microseconds=span // 10)
