"""Microsoft Graph Security: the alerts of all Defender products in one feed (alerts_v2), hunting, scores, and
the devices that Intune manages. What it needs, and its parts joined.

Walking is in keyset_walk.py, mapping in graph_alerts.py, graph_assets.py and graph_evidence.py; devices and
scores in graph_inventory.py, whether a host is known in graph_affiliation.py, KQL in graph_hunting.py.
Source: Microsoft Graph v1.0's reference ("List alerts_v2" and the pages beside it) and its metadata.
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
    graph_affiliation,
    graph_alerts,
    graph_changes,
    graph_hunting,
    graph_inventory,
    keyset_walk,
)
from shared.vendors.abilities import HuntingResult
from shared.vendors.checking import Probe, check
from shared.vendors.graph_addresses import root
from shared.vendors.keyset_pages import Listing
from shared.vendors.origins import EnteredAddress
from shared.vendors.vendor import Check, Connection, Cursor, Feature, Fields, Limit, Page, Permission

_WHERE = (
    "Microsoft Entra admin center > App registrations > your app > API permissions > Add a permission > "
    "Microsoft Graph > Application permissions (with a signed-in user: Delegated permissions); then Grant "
    "admin consent"
)

# A larger $top is cut to 1000 by the service, and a $skip above 500 is refused.
ALERTS = Listing(
    title="Microsoft Graph",
    path="/security/alerts_v2",
    time="lastUpdateDateTime",
    created="createdDateTime",
    page_size=1000,
    largest_skip=500,
)


class GraphSecurityFields(Fields):
    """The form: everybody's fields and the address of the API."""

    base_url: EnteredAddress = Field(
        None,
        title="Base URL",
        description="Address of the API; empty for the cloud's usual one, https://graph.microsoft.com/v1.0.",
    )


class GraphSecurity:
    """The vendor `graph_security`. It also hunts, lists an inventory, and knows hosts."""

    slug: ClassVar[str] = "graph_security"
    title: ClassVar[str] = "Microsoft Graph Security"
    fields: ClassVar[type[Fields]] = GraphSecurityFields
    limits: ClassVar[tuple[Limit, ...]] = (Limit(150, 60),)
    # Without it, newer members of enums (Defender for Cloud, Sentinel, ...) all read `unknownFutureValue`.
    headers: ClassVar[Mapping[str, str]] = {"Prefer": "include-unknown-enum-members"}
    permissions: ClassVar[Mapping[Feature, Permission]] = {
        Feature.read_alerts: Permission(("SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"), _WHERE),
        Feature.change_status: Permission(("SecurityAlert.ReadWrite.All",), _WHERE),
        Feature.hunting: Permission((graph_hunting.PERMISSION,), _WHERE),
        Feature.inventory: Permission(
            (
                "DeviceManagementManagedDevices.Read.All",
                "DeviceManagementManagedDevices.ReadWrite.All",
            ),
            _WHERE,
        ),
        Feature.scores: Permission(("SecurityEvents.Read.All", "SecurityEvents.ReadWrite.All"), _WHERE),
        Feature.secret_expiry: Permission(("Application.Read.All", "Application.ReadWrite.All"), _WHERE),
    }
    authority: ClassVar[int] = 2
    inventory_kinds: ClassVar[tuple[InventoryKind, ...]] = graph_inventory.KINDS

    def api_root(self, configuration: Configuration, cloud: Cloud) -> str:
        """The cloud's Graph, version 1.0. A base URL may say the same; one that names a feed which is gone,
        or never was, is refused with what replaces it."""
        return root(configuration.base_url, cloud)

    def audience(self, configuration: Configuration, cloud: Cloud) -> str:
        """Graph, as the cloud calls it."""
        return cloud.graph_audience

    def fetch(self, connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
        """Alerts updated since the cursor, in the order of their updates; see keyset_walk.py."""
        return keyset_walk.walk(connection, cursor, ALERTS)

    def sweep(self, connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
        """Alerts created since then; see keyset_walk.py."""
        return keyset_walk.sweep(connection, since, ALERTS)

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        """Map one alert of alerts_v2; see graph_alerts.py. This vendor has no webhook, so `channel` changes
        nothing."""
        return graph_alerts.to_detection(raw)

    def change_alert(self, connection: Connection, detection: Detection, change: AlertChange) -> Any:
        """Change an alert; see graph_changes.py."""
        return graph_changes.change_alert(connection, detection, change)

    def hunt(self, connection: Connection, query: str, timespan: str | None) -> HuntingResult:
        """Run a query; see graph_hunting.py."""
        return graph_hunting.hunt(connection, query, timespan)

    def inventory(self, connection: Connection, kind: InventoryKind) -> Iterator[tuple[Item, ...]]:
        """Everything of one kind; see graph_inventory.py."""
        return graph_inventory.inventory(connection, kind)

    def affiliation(self, connection: Connection, host: HostQuestion) -> Affiliation:
        """Whether this host is known; see graph_affiliation.py."""
        return graph_affiliation.affiliation(connection, host)

    def check(self, connection: Connection) -> Check:
        """Ask for one alert, and compare the token's permissions with what each feature needs."""
        read = Probe(lambda: connection.api.get(ALERTS.path, {"$top": "1"}))
        return check(connection, self.permissions, read)
