"""The two ways to Defender XDR's incidents, and what differs between them: addresses, audience, permissions,
lists, and how changes and queries are sent.

`graph` is Microsoft's own recommendation. `xdr` is the older API, for tenants that grant only its roles; it
brings the alerts with the incidents. Sources: "List incidents", "Update incident", "runHuntingQuery" of
Graph; "List incidents API", "Update incidents API", "Advanced hunting API" of Defender XDR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from shared.errors import OperatorMustAct
from shared.nouns.alert_change import AlertChange
from shared.nouns.configurations import Cloud, Configuration
from shared.nouns.detections import Detection, Instant, earlier
from shared.nouns.incidents import IncidentChange
from shared.vendors import graph_changes, graph_hunting, hunting, keyset_walk, xdr_changes
from shared.vendors.abilities import HuntingResult
from shared.vendors.graph_addresses import root as graph_root
from shared.vendors.graph_security import ALERTS
from shared.vendors.keyset_pages import Listing
from shared.vendors.loose_json import each, fields, when
from shared.vendors.origins import origin_among
from shared.vendors.refused import told_to_the_caller
from shared.vendors.vendor import Connection, Cursor, Feature, Page, Permission
from shared.vendors.xdr_members import with_ids, with_members
from shared.vendors.xdr_windows import WindowedListing

# An incident is updated when an alert joins it; its clock may be a little behind the alert's.
_BEHIND = timedelta(minutes=15)
_GRAPH_INCIDENTS = Listing(
    title="Microsoft Graph",
    path="/security/incidents",
    time="lastUpdateDateTime",
    created="createdDateTime",
    rows="incidents",
    page_size=50,  # more is refused
    largest_skip=500,
)


class Way(StrEnum):
    """By which API."""

    graph = "graph"
    xdr = "xdr"


@dataclass(frozen=True)
class Access:
    """One way. `probes` are lists whose answers prove features; `title` is for words."""

    title: str
    permissions: Mapping[Feature, Permission]
    probes: Mapping[str, tuple[Feature, ...]]
    root: Callable[[Configuration, Cloud], str]
    audience: Callable[[Cloud], str]
    fetch: Callable[[Connection, Cursor | None], Iterator[Page]]
    sweep: Callable[[Connection, Instant], Iterator[tuple[Any, ...]]]
    change: Callable[[Connection, str, IncidentChange], dict[str, Any]]
    change_alert: Callable[[Connection, Detection, AlertChange], Any]
    hunt: Callable[[Connection, str, str | None], HuntingResult]


def way_of(configuration: Configuration) -> Access:
    """The way that the configuration chose; Graph where it says nothing that is known."""
    return _WAYS.get(str(configuration.options.get("api") or ""), GRAPH)


def _graph_root(configuration: Configuration, cloud: Cloud) -> str:
    return graph_root(configuration.base_url, cloud)


def _xdr_root(configuration: Configuration, cloud: Cloud) -> str:
    return origin_among(
        configuration.base_url,
        usual=cloud.xdr_api,
        hosts=cloud.xdr_hosts,
        paths=("", "/api"),
        title="the Defender XDR API",
        cloud=cloud.name,
    )


def _graph_fetch(connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
    return with_members(connection, cursor, keyset_walk.walk(connection, cursor, _GRAPH_INCIDENTS))


def _xdr_fetch(connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
    for page in keyset_walk.walk(connection, cursor, _xdr_incidents()):
        yield Page(_embedded(page.alerts), page.cursor, page.done, page.alerts)


def _graph_sweep(connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
    # Every alert belongs to an incident, and a page of alerts_v2 holds a thousand: far fewer calls than one
    # for each incident.
    return keyset_walk.sweep(connection, since, ALERTS)


def _xdr_sweep(connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
    start = {"at": earlier(since, _BEHIND)}
    for page in keyset_walk.walk(connection, start, _xdr_incidents()):
        alerts = tuple(one for one in _embedded(page.alerts) if _is_since(one, since))
        if alerts:
            yield alerts


def _xdr_incidents() -> Listing:
    return WindowedListing(
        title="Defender XDR",
        path="/api/incidents",
        time="lastUpdateTime",
        created="createdTime",
        id="incidentId",
        rows="incidents",
        page_size=100,
    )


def _embedded(incidents: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(alert for one in incidents for alert in each(fields(one).get("alerts")))


def _is_since(alert: Any, since: Instant) -> bool:
    created = when(fields(alert).get("creationtime"))
    return created is None or created >= since


def _graph_change(connection: Connection, number: str, change: IncidentChange) -> dict[str, Any]:
    path, body = f"/security/incidents/{quote(number, safe='')}", xdr_changes.in_graph(change)
    with told_to_the_caller():
        incident = connection.api.patch(path, body) if body else {}
        if change.comment is not None:
            comment = {"@odata.type": "microsoft.graph.security.alertComment", "comment": change.comment}
            answer = connection.api.post(f"{path}/comments", comment)
            incident = {**incident, "comments": fields(answer).get("value")} if incident else {}
        return with_ids(connection.api, number, incident or connection.api.get(path))


def _xdr_change(connection: Connection, number: str, change: IncidentChange) -> dict[str, Any]:
    path, body = f"/api/incidents/{quote(number, safe='')}", xdr_changes.in_xdr(change)
    with told_to_the_caller():
        return (connection.api.patch(path, body) if body else {}) or connection.api.get(path)


def _xdr_change_alert(connection: Connection, detection: Detection, change: AlertChange) -> Any:
    raise OperatorMustAct(
        "The Defender XDR API changes incidents, not alerts. Change the alert's incident, set this "
        "configuration's `api` to graph, or add a configuration of Graph Security."
    )


def _xdr_hunt(connection: Connection, query: str, timespan: str | None) -> HuntingResult:
    return hunting.hunt_by_query(
        connection.api, "/api/advancedhunting/run", query, timespan, "The Defender XDR API"
    )


def _where(api: str) -> str:
    return (
        "Microsoft Entra admin center > App registrations > your app > API permissions > Add a permission > "
        f"{api} > Application permissions (with a signed-in user: Delegated permissions); then Grant admin "
        "consent"
    )


_IN_GRAPH = _where("Microsoft Graph")
_IN_XDR = _where("APIs my organization uses > Microsoft Threat Protection")


def _xdr_permission(*names: str) -> Permission:
    # The delegated ones are named without `.All`.
    return Permission(names, _IN_XDR, delegated=tuple(name.removesuffix(".All") for name in names))


GRAPH = Access(
    title="Microsoft Graph",
    permissions={
        Feature.read_incidents: Permission(
            ("SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"), _IN_GRAPH
        ),
        Feature.read_alerts: Permission(("SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"), _IN_GRAPH),
        Feature.change_status: Permission(("SecurityIncident.ReadWrite.All",), _IN_GRAPH),
        Feature.hunting: Permission((graph_hunting.PERMISSION,), _IN_GRAPH),
    },
    probes={
        "/security/incidents": (Feature.read_incidents,),
        "/security/alerts_v2": (Feature.read_alerts,),
    },
    root=_graph_root,
    audience=lambda cloud: cloud.graph_audience,
    fetch=_graph_fetch,
    sweep=_graph_sweep,
    change=_graph_change,
    change_alert=graph_changes.change_alert,
    hunt=graph_hunting.hunt,
)
XDR = Access(
    title="the Defender XDR API",
    permissions={
        Feature.read_incidents: _xdr_permission("Incident.Read.All", "Incident.ReadWrite.All"),
        Feature.read_alerts: _xdr_permission("Incident.Read.All", "Incident.ReadWrite.All"),
        Feature.change_status: _xdr_permission("Incident.ReadWrite.All"),
        Feature.hunting: _xdr_permission("AdvancedHunting.Read.All"),
    },
    probes={"/api/incidents": (Feature.read_incidents, Feature.read_alerts)},
    root=_xdr_root,
    audience=lambda cloud: cloud.xdr_audience,
    fetch=_xdr_fetch,
    sweep=_xdr_sweep,
    change=_xdr_change,
    change_alert=_xdr_change_alert,
    hunt=_xdr_hunt,
)
_WAYS: Mapping[str, Access] = {Way.graph: GRAPH, Way.xdr: XDR}
