"""Microsoft Defender XDR (Microsoft 365 Defender): incidents with their alerts, over Graph or over the XDR
API, and hunting. What it needs, and its parts joined.

The two ways are in xdr_ways.py, walking in keyset_walk.py, xdr_windows.py and xdr_members.py, mapping in
xdr_incidents.py, xdr_alerts.py and graph_alerts.py, what may be changed in xdr_changes.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, ClassVar

from pydantic import Field

from shared.nouns.alert_change import AlertChange
from shared.nouns.configurations import Cloud, Configuration
from shared.nouns.detections import Channel, Detection, Instant
from shared.nouns.incidents import Incident, IncidentChange
from shared.vendors import graph_alerts, xdr_alerts, xdr_incidents
from shared.vendors.abilities import HuntingResult
from shared.vendors.checking import Probe, check
from shared.vendors.origins import EnteredAddress
from shared.vendors.vendor import Check, Connection, Cursor, Feature, Fields, Limit, Page, Permission
from shared.vendors.xdr_ways import GRAPH, Way, way_of


class DefenderXdrFields(Fields):
    """The form: everybody's fields, which API, and its address."""

    api: Way = Field(
        Way.graph,
        title="API",
        description="graph: Microsoft Graph, as Microsoft recommends. xdr: the Defender XDR API, for tenants "
        "that grant only its roles (Incident.Read.All, ...).",
    )
    base_url: EnteredAddress = Field(
        None,
        title="Base URL",
        description="Address of the API; empty for the cloud's usual one. A geographic one of the Defender "
        "XDR API may be nearer.",
    )


class DefenderXdr:
    """The vendor `defender_xdr`. It knows incidents, and hunts."""

    slug: ClassVar[str] = "defender_xdr"
    title: ClassVar[str] = "Microsoft Defender XDR"
    fields: ClassVar[type[Fields]] = DefenderXdrFields
    # The XDR API's; for incidents Graph names none of its own.
    limits: ClassVar[tuple[Limit, ...]] = (Limit(50, 60), Limit(1500, 3600))
    # Without it, Graph shows newer members of enums (awaitingAction, Sentinel, ...) as `unknownFutureValue`.
    headers: ClassVar[Mapping[str, str]] = {"Prefer": "include-unknown-enum-members"}
    permissions: ClassVar[Mapping[Feature, Permission]] = GRAPH.permissions
    authority: ClassVar[int] = 2  # over Graph; see abilities.py

    def permissions_for(self, configuration: Configuration) -> Mapping[Feature, Permission]:
        """Those of the API that the configuration chose."""
        return way_of(configuration).permissions

    def api_root(self, configuration: Configuration, cloud: Cloud) -> str:
        """The address of the API that the configuration chose."""
        return way_of(configuration).root(configuration, cloud)

    def audience(self, configuration: Configuration, cloud: Cloud) -> str:
        """Graph or the XDR API, as the cloud calls it; the same for all hosts."""
        return way_of(configuration).audience(cloud)

    def fetch(self, connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
        """Incidents updated since the cursor, in the order of their updates, with all their alerts."""
        return way_of(connection.configuration).fetch(connection, cursor)

    def sweep(self, connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
        """Alerts created since then."""
        return way_of(connection.configuration).sweep(connection, since)

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        """Map one alert, whichever API wrote it. This vendor has no webhook, so `channel` changes nothing."""
        return xdr_alerts.to_detection(raw) if xdr_alerts.is_one(raw) else graph_alerts.to_detection(raw)

    def to_incident(self, raw: Any) -> Incident:
        """Map one incident, whichever API wrote it."""
        return xdr_incidents.to_incident(raw)

    def change_incident(self, connection: Connection, native_id: str, change: IncidentChange) -> Incident:
        """Make the change, and give the incident as it is then."""
        changed = way_of(connection.configuration).change(connection, native_id, change)
        return self.to_incident(changed)

    def change_alert(self, connection: Connection, detection: Detection, change: AlertChange) -> Any:
        """Make the change over Graph, which asks for SecurityAlert.ReadWrite.All. Raises OperatorMustAct over
        the XDR API, which has no way to do it."""
        return way_of(connection.configuration).change_alert(connection, detection, change)

    def hunt(self, connection: Connection, query: str, timespan: str | None) -> HuntingResult:
        """Run a query."""
        return way_of(connection.configuration).hunt(connection, query, timespan)

    def check(self, connection: Connection) -> Check:
        """Ask for one incident (and over Graph for one alert), and compare the token's permissions with what
        each feature needs."""
        way = way_of(connection.configuration)
        probes = (
            Probe(partial(connection.api.get, path, {"$top": "1"}), proves)
            for path, proves in way.probes.items()
        )
        connected = f"Connected over {way.title}: incidents and their alerts can be read."
        return check(connection, way.permissions, *probes, connected=connected)
