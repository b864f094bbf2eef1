"""The one place where parts are chosen and joined. Nothing is made before it is asked for, everything is
made once.

Imports stand inside the parts that need them: a queue worker never pays for FastAPI, a webhook never for a
vendor's mapping.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from shared.nouns.configurations import CLOUDS, Cloud, CloudName, Configuration
from shared.settings import Settings, read_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.auth.access_tokens import AccessTokens
    from shared.nouns.notifications import Transport
    from shared.pipeline.incidents import IncidentReader
    from shared.pipeline.ingest import Ingester
    from shared.pipeline.inventory import InventoryReader, InventoryTicker
    from shared.pipeline.known_configurations import KnownConfigurations
    from shared.pipeline.notify import Notifier
    from shared.pipeline.poll import Poller
    from shared.pipeline.pulse import Pulse
    from shared.pipeline.quarantine import Quarantiner
    from shared.pipeline.receive import Receiver
    from shared.pipeline.remap import Remapper
    from shared.pipeline.tick import Ticker
    from shared.push.transport import PushTransport
    from shared.store.audit import Audit
    from shared.store.configurations import Configurations
    from shared.store.deliveries import Deliveries
    from shared.store.detections import Detections
    from shared.store.feed import Feed
    from shared.store.incident_list import IncidentList
    from shared.store.incidents import Incidents
    from shared.store.installations import Installations
    from shared.store.inventory import Inventory
    from shared.store.mailbox import Mailbox
    from shared.store.posture import Posture
    from shared.store.quarantine import Quarantine
    from shared.store.stores import Blobs, Queues, Secrets, Tables
    from shared.vendors.vendor import Connection, Vendor


def clouds_for(settings: Settings) -> Mapping[CloudName, Cloud]:
    """Microsoft's clouds, or the simulator in their place: its address for every service, the real
    audiences."""
    if settings.simulator_url is None:
        return CLOUDS
    url = settings.simulator_url.rstrip("/")
    host = urlsplit(url).netloc
    places = {name: url for name in ("authority", "arm", "endpoint_api", "graph", "xdr_api")}
    hosts = {"endpoint_hosts": (host,), "xdr_hosts": (host,), "cloud_apps_domain": host}
    return {name: cloud.model_copy(update={**places, **hosts}) for name, cloud in CLOUDS.items()}


T = TypeVar("T")


class part(Generic[T]):  # noqa: N801 - reads as what it is: a decorator
    """A property made on first use and kept. Two threads that ask at once get the same one, which functools'
    cached_property has not promised since Python 3.12: two stores of one file would overwrite each other."""

    def __init__(self, make: Callable[[Parts], T]) -> None:
        self._make = make
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, parts: Parts, owner: type[Parts] | None = None) -> T:
        with parts.lock:
            if self._name not in parts.__dict__:
                parts.__dict__[self._name] = self._make(parts)
            made: T = parts.__dict__[self._name]
            return made


class Parts:
    """Every part of the product, made when first asked for. Storage, secrets and clock can be handed in
    (tests, benchmarks)."""

    def __init__(
        self,
        settings: Settings,
        *,
        tables: Tables | None = None,
        queues: Queues | None = None,
        blobs: Blobs | None = None,
        secrets: Secrets | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.lock = threading.RLock()
        self.settings = settings
        self.clock = clock
        handed = {"tables": tables, "queues": queues, "blobs": blobs, "secrets": secrets}
        self.__dict__.update({name: part for name, part in handed.items() if part is not None})
        self._connections: dict[str, tuple[str, Connection]] = {}

    @part
    def tables(self) -> Tables:
        from shared.store.tables import azure_tables

        return azure_tables(self.settings)

    @part
    def queues(self) -> Queues:
        from shared.store.queues import azure_queues

        return azure_queues(self.settings)

    @part
    def blobs(self) -> Blobs:
        from shared.store.blobs import azure_blobs

        return azure_blobs(self.settings)

    @part
    def secrets(self) -> Secrets:
        from shared.store.secrets import secrets_from

        return secrets_from(self.settings)

    @part
    def mailbox(self) -> Mailbox:
        from shared.store.mailbox import Mailbox

        return Mailbox(self.queues, self.blobs)

    @part
    def configurations(self) -> Configurations:
        from shared.store.configurations import Configurations

        return Configurations(tables=self.tables)

    @part
    def known_configurations(self) -> KnownConfigurations:
        from shared.pipeline.known_configurations import KnownConfigurations

        return KnownConfigurations(configurations=self.configurations)

    @part
    def detections(self) -> Detections:
        from shared.store.detections import Detections

        return Detections(tables=self.tables, blobs=self.blobs, clock=self.clock)

    @part
    def feed(self) -> Feed:
        from shared.store.feed import Feed

        return Feed(tables=self.tables, clock=self.clock)

    @part
    def incidents(self) -> Incidents:
        from shared.store.incidents import Incidents

        return Incidents(tables=self.tables, blobs=self.blobs, clock=self.clock)

    @part
    def incident_list(self) -> IncidentList:
        from shared.store.incident_list import IncidentList

        return IncidentList(tables=self.tables)

    @part
    def audit(self) -> Audit:
        from shared.store.audit import Audit

        return Audit(tables=self.tables, clock=self.clock)

    @part
    def inventory(self) -> Inventory:
        from shared.store.inventory import Inventory

        return Inventory(tables=self.tables)

    @part
    def installations(self) -> Installations:
        from shared.store.installations import Installations

        return Installations(tables=self.tables, secrets=self.secrets)

    @part
    def deliveries(self) -> Deliveries:
        from shared.store.deliveries import Deliveries

        return Deliveries(tables=self.tables)

    @part
    def quarantine(self) -> Quarantine:
        from shared.store.quarantine import Quarantine

        return Quarantine(tables=self.tables, blobs=self.blobs, clock=self.clock)

    @part
    def posture(self) -> Posture:
        from shared.store.posture import Posture

        return Posture(tables=self.tables, blobs=self.blobs)

    @part
    def vendors(self) -> Mapping[str, Vendor]:
        from shared.vendors.registry import VENDORS

        return VENDORS

    @part
    def transports(self) -> Mapping[Transport, PushTransport]:
        from shared.push.services import transports

        return transports(self.settings, self.secrets, self.clock)

    @part
    def clouds(self) -> Mapping[CloudName, Cloud]:
        return clouds_for(self.settings)

    def connect(self, configuration: Configuration) -> Connection:
        """The way to a configuration's vendor; the same one, with its tokens, as long as the configuration
        is unchanged."""
        version = configuration.model_dump_json()
        with self.lock:
            known = self._connections.get(configuration.id)
            if known is None or known[0] != version:
                known = self._connections[configuration.id] = (version, self._connection(configuration))
        return known[1]

    def _connection(self, configuration: Configuration) -> Connection:
        from shared.auth.sign_in import token_source
        from shared.vendors.client import ApiClient
        from shared.vendors.vendor import Connection

        vendor, cloud = self.vendors[configuration.vendor], self.clouds[configuration.cloud]
        ca_bundle = self.settings.ca_bundle
        tokens = token_source(
            configuration,
            cloud,
            self.secrets,
            ca_bundle=ca_bundle,
            identity_client_id=self.settings.identity_client_id,
        )
        api = ApiClient(
            root=vendor.api_root(configuration, cloud),
            tokens=tokens,
            audience=vendor.audience(configuration, cloud),
            vendor_title=vendor.title,
            ca_bundle=ca_bundle,
        )
        return Connection(configuration=configuration, cloud=cloud, api=api, now=self.clock)

    @part
    def ticker(self) -> Ticker:
        from shared.pipeline.tick import Ticker

        return Ticker(self.configurations, self.mailbox, self.clock)

    @part
    def pulse(self) -> Pulse:
        from shared.pipeline.pulse import Pulse

        return Pulse(self.configurations, self.queues, self.quarantine, self.clock)

    @part
    def incident_reader(self) -> IncidentReader:
        from shared.pipeline.incidents import IncidentReader

        return IncidentReader(
            incidents=self.incidents,
            configurations=self.configurations,
            quarantine=self.quarantine,
            vendors=self.vendors,
            clock=self.clock,
        )

    @part
    def inventory_ticker(self) -> InventoryTicker:
        from shared.pipeline.inventory import InventoryTicker

        return InventoryTicker(self.inventory, self.configurations, self.mailbox, self.vendors, self.clock)

    @part
    def inventory_reader(self) -> InventoryReader:
        from shared.pipeline.inventory import InventoryReader

        return InventoryReader(self.inventory, self.configurations, self.vendors, self.connect, self.clock)

    @part
    def poller(self) -> Poller:
        from shared.pipeline.poll import Poller

        return Poller(
            configurations=self.configurations,
            detections=self.detections,
            incidents=self.incident_reader,
            quarantine=self.quarantine,
            mailbox=self.mailbox,
            vendors=self.vendors,
            connect=self.connect,
            clock=self.clock,
        )

    @part
    def receiver(self) -> Receiver:
        from shared.pipeline.receive import Receiver

        return Receiver(
            configurations=self.known_configurations,
            mailbox=self.mailbox,
            clock=self.clock,
            max_bytes=self.settings.webhook_max_bytes,
        )

    @part
    def ingester(self) -> Ingester:
        from shared.pipeline.ingest import Ingester

        return Ingester(
            configurations=self.known_configurations,
            detections=self.detections,
            posture=self.posture,
            quarantine=self.quarantine,
            mailbox=self.mailbox,
            vendors=self.vendors,
        )

    @part
    def notifier(self) -> Notifier:
        from shared.pipeline.notify import Notifier

        return Notifier(
            installations=self.installations,
            deliveries=self.deliveries,
            mailbox=self.mailbox,
            transports=self.transports,
        )

    @part
    def quarantiner(self) -> Quarantiner:
        from shared.pipeline.quarantine import Quarantiner

        return Quarantiner(self.quarantine, self.mailbox, self.incident_reader)

    @part
    def remapper(self) -> Remapper:
        from shared.pipeline.remap import Remapper

        return Remapper(
            detections=self.detections,
            feed=self.feed,
            configurations=self.known_configurations,
            vendors=self.vendors,
            clock=self.clock,
        )

    @part
    def verifier(self) -> AccessTokens:
        from shared.auth.access_tokens import AccessTokens

        return AccessTokens(
            self.clouds[self.settings.cloud].authority,
            self.settings.api_tenant_id,
            self.settings.api_audience,
            self.settings.ca_bundle,
            self.clock,
        )

    @part
    def api(self) -> FastAPI:
        from shared.api.app import create_app
        from shared.api.parts import ApiParts

        wanted: dict[str, Any] = {
            name: getattr(self, name) for name in ApiParts.__dataclass_fields__ if name not in ("now",)
        }
        return create_app(ApiParts(**wanted, now=self.clock))


_lock = threading.Lock()
_parts: Parts | None = None


def build() -> Parts:
    """The parts of this process, from its environment; read on the first call."""
    global _parts
    with _lock:
        if _parts is None:
            _parts = Parts(read_settings())
        return _parts
