"""The incidents of one simulated tenant: one record for each, which Graph and the Defender XDR API both show.

A record keeps Graph's words; xdr_dialect.py says them as the XDR API does. Its alerts are those of alerts_v2,
by id. Source: the pages on the incident resource of both APIs, and payloads seen in public.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator import ticks
from simulator.graph_alerts import graph_tenant
from simulator.odata import Kind, Property
from simulator.shelf import Shelf
from simulator.world import World

_FIRST_NUMBER = 401
SEVERITIES = ("unknown", "informational", "low", "medium", "high")


@dataclass(slots=True, eq=False)
class Incident:
    """One incident. Times are ticks; `fields` are Graph's; `alerts` are ids in alerts_v2."""

    number: int
    tenant_id: str
    created: int
    updated: int
    fields: dict[str, Any]
    alerts: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The number as text, which is what Graph calls the id."""
        return str(self.number)

    def value(self, name: str) -> Any:
        """A field as filters see it."""
        return self.fields.get(name, _EMPTY.get(name))

    def raw(self) -> dict[str, Any]:
        """The incident's JSON in Graph, without alerts."""
        link = f"https://security.microsoft.com/incidents/{self.number}?tid={self.tenant_id}"
        times = {
            "createdDateTime": ticks.text_of(self.created),
            "lastUpdateDateTime": ticks.text_of(self.updated),
        }
        who = {"id": self.id, "tenantId": self.tenant_id, "incidentWebUrl": link}
        return {**who, **_EMPTY, **self.fields, **times}

    def comment(self, text: str, *, by: str, now: int) -> None:
        """Add a comment."""
        added = {"comment": text, "createdByDisplayName": by, "createdDateTime": ticks.text_of(now)}
        self.fields["comments"] = [*self.fields.get("comments", ()), added]


_EMPTY: Mapping[str, Any] = {
    "status": "active",
    "redirectIncidentId": None,
    "displayName": "",
    "assignedTo": None,
    "classification": "unknown",
    "determination": "unknown",
    "severity": "unknown",
    "customTags": [],
    "systemTags": [],
    "description": None,
    "summary": None,
    "resolvingComment": None,
    "priorityScore": None,
    "lastModifiedBy": "Microsoft 365 Defender-IncidentCreation",
    "comments": [],
}


@dataclass
class XdrTenant:
    """What one tenant has: incidents in order of (last update, number)."""

    tenant_id: str
    incidents: Shelf[Incident] = field(
        default_factory=lambda: Shelf(name=lambda i: i.id, key=lambda i: (i.updated, i.number))
    )
    made: int = 0

    def make(self, created: int, *, fields: Mapping[str, Any], alerts: Iterable[str] = ()) -> Incident:
        """A new incident that was created and last updated at these ticks. Not yet visible."""
        self.made += 1
        number = _FIRST_NUMBER + self.made
        stamp = ticks.coarse(created)
        return Incident(number, self.tenant_id, stamp, stamp, dict(fields), list(alerts))


@dataclass
class IncidentState:
    """Every tenant's incidents."""

    tenants: dict[str, XdrTenant] = field(default_factory=dict)

    def tenant(self, tenant_id: str) -> XdrTenant:
        """The tenant's incidents, made on first use."""
        return self.tenants.setdefault(tenant_id, XdrTenant(tenant_id))

    def reset(self) -> None:
        """As at the beginning."""
        self.tenants = {}


def incidents(world: World) -> IncidentState:
    """The incidents in the world."""
    return world.part("incidents", IncidentState)


def tenant_now(world: World, tenant_id: str) -> tuple[XdrTenant, int]:
    """A tenant, settled to the world's time, and that time. The caller holds the world's lock."""
    now = ticks.ticks_of(world.now())
    tenant = incidents(world).tenant(tenant_id)
    tenant.incidents.settle(now)
    return tenant, now


def members(world: World, incident: Incident) -> list[dict[str, Any]]:
    """The incident's alerts as alerts_v2 shows them now, the oldest first. The caller holds the world's
    lock."""
    alerts = graph_tenant(world, incident.tenant_id).alerts
    found = [alert for alert in map(alerts.get, incident.alerts) if alert is not None]
    return [alert.raw() for alert in sorted(found, key=lambda alert: (alert.created, alert.number))]


def _text(name: str) -> Property:
    return Property(Kind.text, lambda incident: incident.value(name))


# What Graph filters incidents on; the XDR API knows fewer, under its own names (defender_xdr.py).
GRAPH_SCHEMA: Mapping[str, Property] = {
    "createddatetime": Property(Kind.time, lambda incident: incident.created),
    "lastupdatedatetime": Property(Kind.time, lambda incident: incident.updated),
    **{
        name.lower(): _text(name)
        for name in ("assignedTo", "classification", "determination", "severity", "status")
    },
}
