"""The one place where parts are chosen and joined. Nothing is made before it is asked for, everything is
made once.

Imports stand inside the parts that need them: a queue worker never pays for FastAPI, a webhook never for a
vendor's mapping.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.bootstrap.signing_in import SigningIn
from shared.bootstrap.stores import part
from shared.nouns.budgets import Use
from shared.nouns.configurations import CLOUDS, Cloud, CloudName, Configuration
from shared.settings import Settings, read_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.auth.access_tokens import AccessTokens
    from shared.nouns.notifications import Transport
    from shared.pipeline.collect import Collector
    from shared.pipeline.environment import FromEnvironment
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
    from shared.pipeline.sift import Sifter
    from shared.pipeline.sweep import Sweeper
    from shared.pipeline.tick import Ticker
    from shared.pipeline.timers import Timers
    from shared.pipeline.watch import Lookout, Watcher
    from shared.push.collector import CollectorLink
    from shared.push.transport import PushTransport
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


class Parts(SigningIn):
    """Every part of the product, made when first asked for."""

    def __init__(self, settings: Settings, **handed: Any) -> None:
        super().__init__(settings, **handed)
        self._connections: dict[str, tuple[str, Connection]] = {}

    @part
    def known_configurations(self) -> KnownConfigurations:
        from shared.pipeline.known_configurations import KnownConfigurations

        return KnownConfigurations(configurations=self.configurations)

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

    def connect_anew(self, configuration: Configuration) -> Connection:
        """The same with new tokens, for everybody from now on."""
        made = self._connection(configuration, renew=True)
        with self.lock:
            self._connections[configuration.id] = (configuration.model_dump_json(), made)
        return made

    def _connection(self, configuration: Configuration, *, renew: bool = False) -> Connection:
        from shared.vendors.client import ApiClient
        from shared.vendors.vendor import Connection, headers_of, limits_of

        vendor, cloud = self.vendors[configuration.vendor], self.clouds[configuration.cloud]
        tokens, ca_bundle = self.tokens_of(configuration, renew=renew), self.settings.ca_bundle
        api = ApiClient(
            root=vendor.api_root(configuration, cloud),
            tokens=tokens,
            audience=vendor.audience(configuration, cloud),
            vendor_title=vendor.title,
            ca_bundle=ca_bundle,
            headers=headers_of(vendor),
            budget=self.budgets.of(_api_of(configuration), limits_of(vendor)),
        )
        graph = ApiClient(
            root=cloud.graph,
            tokens=tokens,
            audience=cloud.graph_audience,
            vendor_title="Microsoft Graph",
            ca_bundle=ca_bundle,
        )
        return Connection(configuration=configuration, cloud=cloud, api=api, now=self.clock, graph=graph)

    def connect_for(self, use: Use) -> Callable[[Configuration], Connection]:
        """How work of this use connects: its calls count as such."""
        from shared.vendors.budget import used_for

        return lambda configuration: used_for(self.connect(configuration), use)

    def _blocked(self) -> Callable[[Configuration], bool]:
        blocked = self.budgets.blocked()
        return lambda configuration: _api_of(configuration) in blocked

    @part
    def ticker(self) -> Ticker:
        from shared.pipeline.tick import Ticker

        return Ticker(self.configurations, self.mailbox, self.clock, self._blocked)

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

        connect = self.connect_for(Use.inventory)
        return InventoryReader(self.inventory, self.configurations, self.vendors, connect, self.clock)

    @part
    def lookouts(self) -> tuple[Lookout, ...]:
        """What the watch looks for; each part that can be in trouble adds its own here."""
        from shared.pipeline.expiries import expiries
        from shared.pipeline.lookouts import collector, configurations, ledger, queues, timers

        return (
            ledger(self.ledger, self.configurations, self.clock),
            expiries(self.configurations, self.checkups, self.clock),
            configurations(self.configurations, self.clock),
            timers(self.heartbeats, self.clock),
            collector(self.collector.health, self.clock),
            queues(self.queues, self.quarantine, self.heartbeats, self.clock),
        )

    @part
    def watcher(self) -> Watcher:
        from shared.pipeline.watch import Watcher

        return Watcher(self.troubles, self.mailbox, self.lookouts, self.clock)

    @part
    def timers(self) -> Timers:
        from shared.pipeline.timers import Timers

        return Timers(self.ticker, self.watcher, self.heartbeats, self.clock, self.from_environment.apply)

    @part
    def from_environment(self) -> FromEnvironment:
        from shared.pipeline.environment import FromEnvironment

        return FromEnvironment(
            settings=self.settings,
            configurations=self.configurations,
            secrets=self.secrets,
            vendors=self.vendors,
            clouds=self.clouds,
            clock=self.clock,
        )

    @part
    def sifter(self) -> Sifter:
        from shared.pipeline.sift import Sifter

        return Sifter(self.detections, self.quarantine, self.filtered, self.vendors)

    @part
    def collector(self) -> Collector:
        from shared.nouns.exports import ExportFilter
        from shared.pipeline.collect import Collector

        settings = self.settings
        wanted = ExportFilter(
            minimum_severity=settings.collector_minimum_severity,
            categories=settings.collector_categories,
            names=settings.collector_names,
        )
        return Collector(
            lambda: self.collector_link, self.exported, self.feed, self.detections, wanted, self.clock
        )

    @part
    def collector_link(self) -> CollectorLink | None:
        from shared.push.collector import CollectorLink

        settings = self.settings
        if settings.collector_url is None:
            return None
        return CollectorLink(
            settings.collector_url,
            self.secrets,
            settings.collector_token_reference,
            ca_bundle=settings.ca_bundle,
            clock=self.clock,
        )

    @part
    def poller(self) -> Poller:
        from shared.pipeline.poll import Poller

        return Poller(
            configurations=self.configurations,
            sifter=self.sifter,
            incidents=self.incident_reader,
            mailbox=self.mailbox,
            vendors=self.vendors,
            connect=self.connect_for(Use.poll),
            clock=self.clock,
        )

    @part
    def sweeper(self) -> Sweeper:
        from shared.pipeline.sweep import Sweeper

        return Sweeper(
            configurations=self.configurations,
            ledger=self.ledger,
            sifter=self.sifter,
            mailbox=self.mailbox,
            queues=self.queues,
            vendors=self.vendors,
            connect=self.connect_for(Use.sweep),
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
            filtered=self.filtered,
            ledger=self.ledger,
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
            name: getattr(self, name) for name in ApiParts.__dataclass_fields__ if name != "now"
        }
        return create_app(ApiParts(**wanted, now=self.clock))


def _api_of(configuration: Configuration) -> str:
    """Whose calls are counted together: those of one tenant to one vendor's API."""
    return f"{configuration.scope}|{configuration.vendor}"


_lock = threading.Lock()
_parts: Parts | None = None


def build() -> Parts:
    """The parts of this process, from its environment; read on the first call."""
    global _parts
    with _lock:
        if _parts is None:
            _parts = Parts(read_settings())
        return _parts
