"""What can be made to happen in the simulated Sentinel workspace; the rules are those of scenarios.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from simulator import sample, ticks
from simulator.scenarios import NOW, found, spread
from simulator.sentinel_access import sentinel
from simulator.sentinel_incidents import SentinelWorkspace
from simulator.world import World


def add_incidents(
    world: World,
    *,
    count: int = 1,
    within: timedelta = NOW,
    ends: timedelta = NOW,
    lag: timedelta = NOW,
    fixture: str | None = None,
    fields: Mapping[str, Any] | None = None,
    alert_fields: Mapping[str, Any] | None = None,
    provider_alert_ids: Sequence[str] = (),
) -> list[str]:
    """Incidents (their names) whose lastModifiedTimeUtc is spread evenly over the time `within` that ends at
    now + `ends`; each becomes visible `lag` later. `fields` replace the incident's properties, `alert_fields`
    those of its alerts; `provider_alert_ids` are its alerts' ids in the products that made them."""
    with world.lock:
        workspace, now = _workspace(world)
        names = []
        for when in spread(now, count, within, ends):
            made = workspace.make(
                when,
                template=fixture,
                fields=fields,
                alert_fields=alert_fields,
                provider_alert_ids=provider_alert_ids,
            )
            workspace.incidents.put(made, visible=when + ticks.span(lag), now=now)
            names.append(made.name)
        return names


def tie_incidents(world: World, *, count: int = 5, age: timedelta = NOW) -> list[str]:
    """Incidents that all have the same lastModifiedTimeUtc, `age` ago."""
    return add_incidents(world, count=count, ends=-age)


def late_incidents(world: World, *, count: int = 1, age: timedelta = timedelta(hours=3)) -> list[str]:
    """Incidents that appear only now, though their lastModifiedTimeUtc is `age` ago."""
    return add_incidents(world, count=count, ends=-age, lag=age)


def update_incident(
    world: World, name: str, *, fields: Mapping[str, Any] | None = None, after: timedelta = NOW
) -> None:
    """Change the properties of the incident with this name, at now + `after`."""
    with world.lock:
        workspace, now = _workspace(world)
        incident, when = found(workspace.incidents, name), now + ticks.span(after)
        do = partial(workspace.touch, incident, when, **dict(fields or {}))
        workspace.incidents.at(when, do, now=now)


def redirect_incident(world: World, name: str) -> None:
    """What becomes of an incident that Defender XDR has merged into another: closed, with a label."""
    labels = [{"labelName": "redirected", "labelType": "AutoAssigned"}]
    update_incident(world, name, fields={"status": "Closed", "labels": labels})


def add_alert(world: World, name: str, *, fields: Mapping[str, Any] | None = None) -> str:
    """One more alert (its systemAlertId) in the incident with this name, which is modified by that."""
    with world.lock:
        workspace, now = _workspace(world)
        incident = found(workspace.incidents, name)
        own = {"alertDisplayName": "One more alert", "severity": "Medium", "status": "New"}
        stamp = {"timeGenerated": ticks.text_of(now), "productName": "Azure Sentinel"}
        incident.alerts.append({**own, **stamp, **dict(fields or {}), "systemAlertId": workspace.guid()})
        workspace.touch(incident, now)
        return str(incident.alerts[-1]["systemAlertId"])


def incident_names(world: World) -> list[str]:
    """The names of every incident that is visible now, in the order of lastModifiedTimeUtc."""
    with world.lock:
        return [incident.name for incident in _workspace(world)[0].incidents.ordered()]


def alert_ids(world: World) -> list[str]:
    """The systemAlertIds of every alert of a visible incident."""
    with world.lock:
        incidents = _workspace(world)[0].incidents.ordered()
        return [alert["systemAlertId"] for incident in incidents for alert in incident.alerts]


def alerts_of(world: World, name: str) -> list[str]:
    """The systemAlertIds of one incident's alerts, be it visible yet or not."""
    with world.lock:
        return [alert["systemAlertId"] for alert in found(_workspace(world)[0].incidents, name).alerts]


def _workspace(world: World) -> tuple[SentinelWorkspace, int]:
    now = ticks.ticks_of(world.now())
    workspace = sentinel(world).workspaces[sample.WORKSPACE_ID.lower()]
    workspace.incidents.settle(now)
    return workspace, now
