"""Microsoft Defender for Cloud Apps, over its own API: what it needs, and its parts joined.

Walking is in cloud_apps_walk.py, mapping in cloud_apps_alerts.py, closing in cloud_apps_changes.py. Only
access tokens of Entra ID are used; the API's older tokens, which are made in the portal, act for a person and
are not supported. Source: "Access with application context" and "REST API" of the product's documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field

from shared.errors import HostNotAllowed
from shared.nouns.alert_change import AlertChange
from shared.nouns.configurations import CLOUD_APPS_AUDIENCE, Cloud, Configuration
from shared.nouns.detections import Channel, Detection, Instant
from shared.vendors import cloud_apps_alerts, cloud_apps_changes, cloud_apps_walk, keyset_walk
from shared.vendors.checking import Probe, check
from shared.vendors.origins import EnteredAddress, origin_of
from shared.vendors.vendor import Check, Connection, Cursor, Feature, Fields, Limit, Page, Permission

_WHERE = (
    "Microsoft Entra admin center > App registrations > your app > API permissions > Add a permission > APIs "
    "my organization uses > Microsoft Cloud App Security > Application permissions (with a signed-in user: "
    "Delegated permissions); then Grant admin consent"
)


class DefenderCloudAppsFields(Fields):
    """The form: everybody's fields and the tenant's own address."""

    base_url: EnteredAddress = Field(
        None,
        title="API URL",
        description="The tenant's own address, such as https://contoso.eu2.portal.cloudappsecurity.com: "
        "Defender portal > Settings > Cloud apps > About > API URL. Empty for the common one (slower).",
    )
    poll_interval: int = Field(
        60,
        ge=30,
        le=86_400,
        title="Poll interval",
        description="Seconds between polls. A poll takes three calls or more of the thirty a minute that the "
        "service allows the whole tenant.",
    )


class DefenderCloudApps:
    """The vendor `defender_cloud_apps`. Its alerts can be closed."""

    slug: ClassVar[str] = "defender_cloud_apps"
    title: ClassVar[str] = "Microsoft Defender for Cloud Apps"
    fields: ClassVar[type[Fields]] = DefenderCloudAppsFields
    permissions: ClassVar[Mapping[Feature, Permission]] = {
        Feature.read_alerts: Permission(("Investigation.read", "Investigation.manage"), _WHERE),
        Feature.change_status: Permission(("Investigation.manage",), _WHERE),
    }
    limits: ClassVar[tuple[Limit, ...]] = (Limit(30, 60),)
    authority: ClassVar[int] = 0

    def api_root(self, configuration: Configuration, cloud: Cloud) -> str:
        """The tenant's own address if one is configured and belongs to the cloud, else the common one with
        its `/cas`. A pasted `/api/v1` does not count."""
        domain = cloud.cloud_apps_domain
        if not domain:
            raise HostNotAllowed(f"Defender for Cloud Apps is not offered in the cloud '{cloud.name}'.")
        if not configuration.base_url:
            return f"https://{domain}/cas"
        origin, path = origin_of(configuration.base_url)
        host, common = origin.removeprefix("https://"), origin == origin_of(f"https://{domain}")[0]
        known = path.removeprefix("/cas" if common else "") in ("", "/api", "/api/v1")
        if not known or not (common or host.endswith(f".{domain}")):
            raise HostNotAllowed(
                f"The base URL is not an address of Defender for Cloud Apps in the cloud '{cloud.name}': its "
                f"host must end with .{domain}. Copy the API URL from Defender portal > Settings > Cloud "
                "apps > About, or leave it empty."
            )
        return f"{origin}/cas" if common else origin

    def audience(self, configuration: Configuration, cloud: Cloud) -> str:
        """The application "Microsoft Cloud App Security", in every cloud."""
        return CLOUD_APPS_AUDIENCE

    def fetch(self, connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
        """New, closed and open alerts; see cloud_apps_walk.py."""
        return cloud_apps_walk.fetch(connection, cursor)

    def sweep(self, connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
        """Alerts dated since then."""
        return keyset_walk.sweep(connection, since, cloud_apps_walk.ALERTS)

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        """Map one alert of the API; see cloud_apps_alerts.py. This vendor has no webhook, so `channel`
        changes nothing."""
        return cloud_apps_alerts.to_detection(raw)

    def change_alert(self, connection: Connection, detection: Detection, change: AlertChange) -> Any:
        """Close an alert; see cloud_apps_changes.py."""
        return cloud_apps_changes.change_alert(connection, detection, change)

    def check(self, connection: Connection) -> Check:
        """Ask for one alert, and compare the token's roles with what each feature needs."""
        read = Probe(lambda: connection.api.post(cloud_apps_walk.PATH, {"limit": 1}))
        return check(connection, self.permissions, read)
