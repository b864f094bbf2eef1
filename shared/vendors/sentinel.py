"""Microsoft Sentinel, over Azure Resource Manager: what it needs, and its parts joined.

Walking is in sentinel_walk.py, mapping in sentinel_incidents.py and sentinel_alerts.py, changing in
sentinel_changes.py. What an app may do is decided by its roles on the workspace (Azure RBAC), which no token
shows. Source: the ARM reference of Microsoft.SecurityInsights (api-version 2025-09-01).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any, ClassVar

from pydantic import Field

from shared.errors import OperatorMustAct
from shared.nouns.configurations import Cloud, Configuration
from shared.nouns.detections import Channel, Detection, Instant, unique
from shared.nouns.incidents import Incident, IncidentChange
from shared.vendors import (
    arm_rights,
    sentinel_alerts,
    sentinel_changes,
    sentinel_incidents,
    sentinel_walk,
)
from shared.vendors.checking import Probe, check
from shared.vendors.loose_json import each, fields
from shared.vendors.vendor import Check, Connection, Cursor, Feature, Fields, Limit, Page, Permission

_WHERE = (
    "Azure portal > Log Analytics workspaces > your workspace > Access control (IAM) > Add role assignment; "
    "choose the role, then the app registration or managed identity as member"
)
_READING = Permission(
    ("Microsoft Sentinel Reader", "Microsoft Sentinel Responder", "Microsoft Sentinel Contributor"), _WHERE
)
_ACTIONS = {Feature.change_status: "Microsoft.SecurityInsights/incidents/write"}
_INCIDENTS = "/providers/Microsoft.SecurityInsights/incidents"
_CHANGING = Permission(("Microsoft Sentinel Responder", "Microsoft Sentinel Contributor"), _WHERE)


class SentinelFields(Fields):
    """The form: everybody's fields and the workspace."""

    subscription_id: str = Field(
        title="Subscription ID",
        description="The subscription of the workspace.",
        pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
    )
    resource_group: str = Field(
        title="Resource group",
        description="The name of the workspace's resource group.",
        pattern=r"^[\w().-]{1,90}$",
    )
    workspace: str = Field(
        title="Workspace",
        description="The name of the Log Analytics workspace, not its id; one configuration for each.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$",
    )


class Sentinel:
    """The vendor `sentinel`. It also knows incidents."""

    slug: ClassVar[str] = "sentinel"
    title: ClassVar[str] = "Microsoft Sentinel"
    fields: ClassVar[type[Fields]] = SentinelFields
    permissions: ClassVar[Mapping[Feature, Permission]] = {
        Feature.read_alerts: _READING,
        Feature.read_incidents: _READING,
        Feature.change_status: _CHANGING,
    }
    # Listing an incident's alerts is a POST, which Azure counts as a write: 200 at once, 10 more each second.
    limits: ClassVar[tuple[Limit, ...]] = (Limit(100, 10),)

    def api_root(self, configuration: Configuration, cloud: Cloud) -> str:
        """The cloud's Azure Resource Manager; there is no choice."""
        return cloud.arm.rstrip("/")

    def audience(self, configuration: Configuration, cloud: Cloud) -> str:
        """Azure Resource Manager's own."""
        return cloud.arm_audience

    def fetch(self, connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
        """Incidents in the order of their changes, with their alerts; see sentinel_walk.py."""
        return sentinel_walk.fetch(connection, cursor)

    def sweep(self, connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
        """Alerts of the incidents that were modified since then; see sentinel_walk.py."""
        return sentinel_walk.sweep(connection, since)

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        """Map one alert of an incident; see sentinel_alerts.py. This vendor has no webhook, so `channel`
        changes nothing."""
        return sentinel_alerts.to_detection(raw)

    def to_incident(self, raw: Any) -> Incident:
        """Map one incident; see sentinel_incidents.py."""
        return sentinel_incidents.to_incident(raw)

    def change_incident(self, connection: Connection, native_id: str, change: IncidentChange) -> Incident:
        """Change an incident in its workspace; see sentinel_changes.py."""
        return self.to_incident(sentinel_changes.change_incident(connection, native_id, change))

    def check(self, connection: Connection) -> Check:
        """Read one incident and, if there is one, its alerts: that alone proves the role. Whether the roles
        allow changing, Azure says when it is asked; who may not ask does not know."""
        named = cache(partial(_named, connection))
        return check(
            connection,
            self.permissions,
            Probe(named, (Feature.read_incidents,)),
            Probe(lambda: [_alerts(connection, name) for name in named()], (Feature.read_alerts,)),
            connected="Connected: incidents and their alerts can be read.",
            rights=lambda: arm_rights.allowed(connection, _scope(connection), _ACTIONS),
        )


def _named(connection: Connection) -> tuple[str, ...]:
    """The name of one incident, if the workspace has any."""
    path = sentinel_walk.incidents_path(connection.configuration)
    answer = connection.api.get(path, {**sentinel_walk.VERSION, "$top": "1"})
    return unique(map(sentinel_incidents.name_of, each(fields(answer).get("value"))))


def _alerts(connection: Connection, name: str) -> list[Any]:
    path = sentinel_walk.incident_path(connection.configuration, name)
    return sentinel_walk.alerts_of(connection.api, path)


def _scope(connection: Connection) -> str | None:
    try:
        return sentinel_walk.incidents_path(connection.configuration).removesuffix(_INCIDENTS)
    except OperatorMustAct:
        return None
