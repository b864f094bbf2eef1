"""Microsoft Defender for Cloud, over Azure Resource Manager and its webhook: what it needs, and its parts
joined.

Walking is in cloud_walk.py, the webhook's events in cloud_events.py, mapping in cloud_alerts.py, scores and
assessments in cloud_inventory.py. What an app may do is decided by its roles on the subscription (Azure
RBAC), which no token shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from shared.nouns.alert_change import AlertChange
from shared.nouns.configurations import Cloud, Configuration
from shared.nouns.detections import Channel, Detection, Instant
from shared.nouns.inventory import InventoryKind, Item
from shared.vendors import (
    arm_rights,
    cloud_alerts,
    cloud_changes,
    cloud_events,
    cloud_inventory,
    cloud_walk,
)
from shared.vendors.checking import Probe, check
from shared.vendors.vendor import (
    Check,
    Connection,
    Cursor,
    Feature,
    Fields,
    Limit,
    Page,
    Permission,
    WebhookItem,
)

_WHERE = (
    "Azure portal > Subscriptions > your subscription > Access control (IAM) > Add role assignment; "
    "choose the role, then the app registration or managed identity as member"
)
_ACTIONS = {
    Feature.change_status: "Microsoft.Security/locations/alerts/dismiss/action",
    Feature.inventory: "Microsoft.Security/assessments/read",
    Feature.scores: "Microsoft.Security/secureScores/read",
}
_READING = Permission(("Security Reader", "Security Admin", "Reader"), _WHERE)


class DefenderForCloudFields(Fields):
    """The form: everybody's fields and the subscription."""

    subscription_id: str = Field(
        title="Subscription ID",
        description="The subscription whose alerts are read; one configuration for each.",
        pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
    )
    poll_interval: int = Field(
        300,
        ge=30,
        le=86_400,
        title="Poll interval",
        description="Seconds between polls; each reads the whole list.",
    )
    first_read_days: int = Field(
        7, ge=0, le=90, title="First read", description="Not used: the list is always read whole (90 days)."
    )
    webhook_expected: bool = Field(
        False,
        title="Webhook expected",
        description="Tell the admins when polling finds alerts that the webhook did not bring, even if it "
        "never brought one.",
    )


class DefenderForCloud:
    """The vendor `defender_for_cloud`; it also has a webhook, and lists an inventory."""

    slug: ClassVar[str] = "defender_for_cloud"
    title: ClassVar[str] = "Microsoft Defender for Cloud"
    fields: ClassVar[type[Fields]] = DefenderForCloudFields
    limits: ClassVar[tuple[Limit, ...]] = (Limit(250, 10),)
    permissions: ClassVar[Mapping[Feature, Permission]] = {
        Feature.read_alerts: _READING,
        Feature.change_status: Permission(("Security Admin",), _WHERE),
        Feature.inventory: _READING,
        Feature.scores: _READING,
    }
    authority: ClassVar[int] = 0
    inventory_kinds: ClassVar[tuple[InventoryKind, ...]] = cloud_inventory.KINDS

    def api_root(self, configuration: Configuration, cloud: Cloud) -> str:
        """The cloud's Azure Resource Manager; there is no choice."""
        return cloud.arm.rstrip("/")

    def audience(self, configuration: Configuration, cloud: Cloud) -> str:
        """Azure Resource Manager's own."""
        return cloud.arm_audience

    def fetch(self, connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
        """Every alert of the subscription; see cloud_walk.py."""
        return cloud_walk.fetch(connection, cursor)

    def sweep(self, connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
        """Every alert: the list knows no time."""
        return (page.alerts for page in cloud_walk.fetch(connection, None))

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        """Map one alert in any of its dialects; see cloud_alerts.py."""
        return cloud_alerts.to_detection(raw, channel)

    def read_webhook(self, body: Any) -> tuple[WebhookItem, ...]:
        """Take a webhook's body apart; see cloud_events.py."""
        return cloud_events.read_webhook(body)

    def change_alert(self, connection: Connection, detection: Detection, change: AlertChange) -> Any:
        """Change an alert's state; see cloud_changes.py."""
        return cloud_changes.change_alert(connection, detection, change)

    def inventory(self, connection: Connection, kind: InventoryKind) -> Iterator[tuple[Item, ...]]:
        """Everything of one kind; see cloud_inventory.py."""
        return cloud_inventory.inventory(connection, kind)

    def check(self, connection: Connection) -> Check:
        """Read the list's first page: that alone proves the role. What else the roles allow Azure says when
        it is asked; who may not ask does not know."""
        read = Probe(lambda: cloud_walk.first_page(connection))
        subscription = connection.configuration.options.get("subscription_id")
        scope = f"/subscriptions/{subscription}" if subscription else None
        rights = partial(arm_rights.allowed, connection, scope, _ACTIONS)
        return check(connection, self.permissions, read, rights=rights)
