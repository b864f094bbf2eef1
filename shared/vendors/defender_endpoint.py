"""Microsoft Defender for Endpoint, over its own API (not Graph): what it needs, and its parts joined.

Walking is in keyset_walk.py, mapping in endpoint_alerts.py, changing in endpoint_changes.py; machines and
scores in endpoint_inventory.py, whether a host is known in endpoint_affiliation.py, KQL in
endpoint_hunting.py. Source: the product's API reference ("Supported APIs", "Hello World", "List alerts").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field

from shared.nouns.alert_change import AlertChange
from shared.nouns.configurations import Cloud, Configuration
from shared.nouns.detections import Channel, Detection, Instant
from shared.nouns.inventory import Affiliation, HostQuestion, InventoryKind, Item
from shared.vendors import (
    endpoint_affiliation,
    endpoint_alerts,
    endpoint_changes,
    endpoint_hunting,
    endpoint_inventory,
    keyset_walk,
)
from shared.vendors.abilities import HuntingResult
from shared.vendors.checking import Probe, check
from shared.vendors.keyset_pages import Listing
from shared.vendors.origins import EnteredAddress, origin_among
from shared.vendors.vendor import Check, Connection, Cursor, Feature, Fields, Limit, Page, Permission

_WHERE = (
    "Microsoft Entra admin center > App registrations > your app > API permissions > Add a permission > APIs "
    "my organization uses > WindowsDefenderATP > Application permissions (with a signed-in user: Delegated "
    "permissions); then Grant admin consent"
)


def _permission(*names: str) -> Permission:
    """Application permissions of which one is enough. The delegated ones are named without `.All`."""
    return Permission(names, _WHERE, delegated=tuple(name.removesuffix(".All") for name in names))


# Without $expand=evidence the service leaves the evidence empty.
ALERTS = Listing(
    title="Defender for Endpoint",
    path="/api/alerts",
    time="lastUpdateTime",
    created="alertCreationTime",
    params={"$expand": "evidence"},
)


class DefenderEndpointFields(Fields):
    """The form: everybody's fields and the address of the API."""

    base_url: EnteredAddress = Field(
        None,
        title="Base URL",
        description="Address of the API; empty for the cloud's usual one. A geographic one may be nearer.",
    )


class DefenderEndpoint:
    """The vendor `defender_endpoint`. It also hunts, lists an inventory, and knows hosts."""

    slug: ClassVar[str] = "defender_endpoint"
    title: ClassVar[str] = "Microsoft Defender for Endpoint"
    fields: ClassVar[type[Fields]] = DefenderEndpointFields
    limits: ClassVar[tuple[Limit, ...]] = (Limit(100, 60), Limit(1500, 3600))
    permissions: ClassVar[Mapping[Feature, Permission]] = {
        Feature.read_alerts: _permission("Alert.Read.All", "Alert.ReadWrite.All"),
        Feature.change_status: _permission("Alert.ReadWrite.All"),
        Feature.response_actions: _permission("Machine.Isolate"),
        Feature.hunting: _permission("AdvancedQuery.Read.All"),
        Feature.inventory: _permission("Machine.Read.All", "Machine.ReadWrite.All"),
        Feature.vulnerabilities: _permission("Vulnerability.Read.All"),
        Feature.recommendations: _permission("SecurityRecommendation.Read.All"),
        Feature.scores: _permission("Score.Read.All"),
    }
    authority: ClassVar[int] = 1
    inventory_kinds: ClassVar[tuple[InventoryKind, ...]] = endpoint_inventory.KINDS

    def api_root(self, configuration: Configuration, cloud: Cloud) -> str:
        """The configured base URL's origin, if it is one of the cloud's; a pasted `/api` at its end does
        not count."""
        return origin_among(
            configuration.base_url,
            usual=cloud.endpoint_api,
            hosts=cloud.endpoint_hosts,
            paths=("", "/api", "/api/v1.0"),
            title="Defender for Endpoint",
            cloud=cloud.name,
        )

    def audience(self, configuration: Configuration, cloud: Cloud) -> str:
        """The same resource for all of a cloud's hosts."""
        return cloud.endpoint_audience

    def fetch(self, connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
        """Alerts updated since the cursor, in the order of their updates; see keyset_walk.py."""
        return keyset_walk.walk(connection, cursor, ALERTS)

    def sweep(self, connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
        """Alerts created since then; see keyset_walk.py."""
        return keyset_walk.sweep(connection, since, ALERTS)

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        """Map one alert of the API; see endpoint_alerts.py. This vendor has no webhook, so `channel`
        changes nothing."""
        return endpoint_alerts.to_detection(raw)

    def change_alert(self, connection: Connection, detection: Detection, change: AlertChange) -> Any:
        """Change an alert; see endpoint_changes.py."""
        return endpoint_changes.change_alert(connection, detection, change)

    def hunt(self, connection: Connection, query: str, timespan: str | None) -> HuntingResult:
        """Run a query; see endpoint_hunting.py."""
        return endpoint_hunting.hunt(connection, query, timespan)

    def inventory(self, connection: Connection, kind: InventoryKind) -> Iterator[tuple[Item, ...]]:
        """Everything of one kind; see endpoint_inventory.py."""
        return endpoint_inventory.inventory(connection, kind)

    def affiliation(self, connection: Connection, host: HostQuestion) -> Affiliation:
        """Whether this host is known; see endpoint_affiliation.py."""
        return endpoint_affiliation.affiliation(connection, host)

    def check(self, connection: Connection) -> Check:
        """Ask for one alert, and compare the token's roles with what each feature needs."""
        read = Probe(lambda: connection.api.get(ALERTS.path, {"$top": "1"}))
        return check(connection, self.permissions, read)
