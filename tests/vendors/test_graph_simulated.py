"""Microsoft Graph against the simulated one, over https and with the real client: the walk, and what else it
can be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from shared.errors import BadRequest, PermissionMissing, Refused, Throttled, TryLater
from shared.nouns.configurations import CLOUDS, CloudName, Configuration
from shared.nouns.inventory import Answer, HostQuestion, InventoryKind
from shared.vendors.client import ApiClient
from shared.vendors.graph_security import GraphSecurity
from shared.vendors.vendor import Connection, Feature, headers_of
from simulator import graph_scenarios, scenarios
from simulator.sample import GRAPH_AUDIENCE, GRAPH_ROLES, TENANT_ID
from simulator.serve import Simulator
from simulator.world import App, World

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
VENDOR = GraphSecurity()
ALERTS = "/v1.0/security/alerts_v2"
pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def _running() -> Iterator[Simulator]:
    with Simulator(World.sample(clock=lambda: START)) as running:
        yield running


@pytest.fixture
def world(_running: Simulator) -> World:
    """The simulated cloud, empty."""
    _running.world.advance((START - _running.world.now()).total_seconds())
    scenarios.reset(_running.world)
    return _running.world


@pytest.fixture
def reach(_running: Simulator, world: World) -> Callable[..., Connection]:
    """A connection to the simulator, of the sample's app or of one with these roles only."""

    def build(*roles: str, headers: bool = True) -> Connection:
        client_id = None
        if roles:
            client_id = "0d3c2b1a-0000-4000-8000-00000000abcd"
            world.add(App("obj-graph", TENANT_ID, "narrow", {GRAPH_AUDIENCE: set(roles)}, {}, client_id))

        class Tokens:
            def token(self, audience: str, *, refresh: bool = False) -> str:
                return world.token(audience, client_id=client_id)

        cloud = CLOUDS[CloudName.commercial].model_copy(update={"graph": _running.url})
        configuration = Configuration(id="c", vendor=VENDOR.slug, display_name="Ours")
        api = ApiClient(
            root=VENDOR.api_root(configuration, cloud),
            tokens=Tokens(),
            audience=VENDOR.audience(configuration, cloud),
            vendor_title=VENDOR.title,
            ca_bundle=_running.ca_bundle,
            headers=headers_of(VENDOR) if headers else None,
        )
        return Connection(configuration, cloud, api, world.now)

    return build


def ids(pages):
    """The alerts' ids, in order."""
    return [alert["id"] for page in pages for alert in page.alerts]


def switches(world):
    """Graph's."""
    return scenarios.switches(world, "graph")


@pytest.mark.parametrize("largest", [7, 1000])
def test_a_backlog_with_ties_is_read_whole_and_once(world, reach, largest):
    """In pages that the service cuts smaller than asked; links are followed inside ties only."""
    graph_scenarios.add_graph_alerts(world, count=40, within=6 * HOUR, ends=-HOUR)
    graph_scenarios.tie_graph_alerts(world, count=25, age=2 * HOUR)
    switches(world).largest_page = largest
    pages = list(VENDOR.fetch(reach(), None))
    assert sorted(ids(pages)) == sorted(graph_scenarios.graph_ids(world))


def test_a_backlog_of_full_pages_is_read_without_a_link_and_without_skipping(world, reach):
    """Some tenants' links end early; pages are asked for by time."""
    graph_scenarios.add_graph_alerts(world, count=2300, within=6 * HOUR, fixture="nearly_empty")
    switches(world).nextlink = "never"
    pages = list(VENDOR.fetch(reach(), None))
    assert len(ids(pages)) == 2300
    assert world.count(ALERTS) == 3


def test_more_ties_than_a_page_are_read_by_links(world, reach):
    """Never by a row number, of which Graph takes 500 at most."""
    graph_scenarios.tie_graph_alerts(world, count=1203, age=HOUR)
    graph_scenarios.add_graph_alerts(world, count=3)
    pages = list(VENDOR.fetch(reach(), None))
    assert sorted(set(ids(pages))) == sorted(graph_scenarios.graph_ids(world))


def test_a_run_killed_after_every_page_still_reads_everything(world, reach):
    """Each run yields one page and dies; the next one goes on from the stored cursor."""
    graph_scenarios.add_graph_alerts(world, count=30, within=6 * HOUR)
    graph_scenarios.tie_graph_alerts(world, count=12, age=2 * HOUR)
    switches(world).largest_page = 5
    cursor, found = None, []
    for _ in range(60):
        (page,) = islice(VENDOR.fetch(reach(), cursor), 1)
        cursor, found = page.cursor, found + ids([page])
        if page.done:
            break
    assert page.done
    assert set(found) == set(graph_scenarios.graph_ids(world))


def test_updates_comments_and_late_alerts_are_seen_by_the_next_walk(world, reach):
    """What became visible ten minutes late, and evidence that was added."""
    connection = reach()
    first, *_ = graph_scenarios.add_graph_alerts(world, count=5, within=HOUR, fixture="office_phishing")
    cursor = list(VENDOR.fetch(connection, None))[-1].cursor
    late = graph_scenarios.late_graph_alerts(world, age=timedelta(minutes=10))
    added = {"@odata.type": "#microsoft.graph.security.ipEvidence", "ipAddress": "203.0.113.77"}
    graph_scenarios.update_graph_alert(world, first, fields={"status": "resolved"}, evidence=[added])
    world.advance(60)
    found = [VENDOR.to_detection(a) for page in VENDOR.fetch(connection, cursor) for a in page.alerts]
    assert {first, *late} <= {d.native_id for d in found}
    changed = next(d for d in found if d.native_id == first)
    assert (changed.status.value, changed.evidence[-1].summary) == ("resolved", "203.0.113.77")


def test_what_came_hours_late_is_found_by_the_sweep(world, reach):
    """Which asks by the time of creation."""
    connection = reach()
    graph_scenarios.add_graph_alerts(world, count=3)
    cursor = list(VENDOR.fetch(connection, None))[-1].cursor
    late = graph_scenarios.late_graph_alerts(world, age=5 * HOUR, count=2)
    polled = ids(VENDOR.fetch(connection, cursor))
    swept = [row["id"] for page in VENDOR.sweep(connection, "2026-11-19T12:00:00.0000000Z") for row in page]
    assert not set(late) & set(polled)
    assert sorted(swept) == sorted(graph_scenarios.graph_ids(world))


def test_a_next_link_that_never_ends_is_an_error(world, reach):
    """Not a poll that runs until it is killed."""
    graph_scenarios.add_graph_alerts(world, count=5, within=HOUR)
    scenarios.endless_nextlink(world, "graph")
    with pytest.raises(TryLater, match="nextLink never ends"):
        list(VENDOR.fetch(reach(), None))


def test_later_sources_are_seen_because_they_are_asked_for(world, reach):
    """Without the header they read unknownFutureValue, which is not taken for anything else."""
    graph_scenarios.add_graph_alerts(world, fixture="sentinel_github_ai")

    def source(connection):
        (page,) = VENDOR.fetch(connection, None)
        return VENDOR.to_detection(page.alerts[0]).properties["serviceSource"]

    assert (source(reach()), source(reach(headers=False))) == ("microsoftSentinel", "unknownFutureValue")


def test_a_throttle_says_how_long_to_wait(world, reach):
    """The 151st call of a minute."""
    connection = reach()
    for _ in range(150):
        connection.api.get("/security/alerts_v2", {"$top": "1"})
    with pytest.raises(Throttled) as refused:
        list(VENDOR.fetch(connection, None))
    assert 0 < (refused.value.retry_after or 0) <= 60


def test_the_check_shows_each_feature(reach):
    """One call; the others by the token's roles."""
    whole, narrow = VENDOR.check(reach()), VENDOR.check(reach("SecurityAlert.Read.All"))
    assert all(one.works for one in whole.features)
    assert {one.feature for one in narrow.features if one.works} == {Feature.read_alerts}


def test_a_refused_check_is_a_missing_permission(reach):
    """Not a wrong request."""
    check = VENDOR.check(reach("SecurityEvents.Read.All"))
    assert not check.ok
    assert "SecurityAlert.Read.All" in check.summary


def test_every_inventory_is_read(world, reach):
    """Devices, the score, and the controls, also when their links are refused."""
    switches(world).page_size = 5
    connection = reach()

    def listed(kind):
        return [item for page in VENDOR.inventory(connection, kind) for item in page]

    devices = listed(InventoryKind.managed_device)
    [score] = listed(InventoryKind.score)
    assert "WS-0417" in {item.name for item in devices}
    assert 0 < (score.score or 0) < (score.maximum or 0)
    switches(world).largest_page = 5
    whole = listed(InventoryKind.control)
    switches(world).skiptoken_refused = True
    assert len(whole) == 12
    assert [item.id for item in listed(InventoryKind.control)] == [item.id for item in whole]


@pytest.mark.parametrize(
    ("question", "answer", "source"),
    [
        ({"name": "WS-0417"}, Answer.yes, "Intune: deviceName"),
        ({"name": "ws-0417.northwind.example"}, Answer.yes, "Intune: deviceName, without the domain"),
        ({"name": "nobody"}, Answer.no, "Intune: deviceName"),
        ({"id": "8f5d0f57-2f6b-4b2a-9f53-c72f93c225bb"}, Answer.yes, "azureADDeviceId"),
        ({"id": "00000000-0000-4000-8000-000000000000"}, Answer.no, "azureADDeviceId"),
        ({"address": "10.20.4.17"}, Answer.yes, "DeviceNetworkInfo"),
        ({"address": "192.0.2.99"}, Answer.no, "DeviceNetworkInfo"),
    ],
)
def test_hosts_are_known_or_not(reach, question, answer, source):
    """And the answer says how it was asked."""
    found = VENDOR.affiliation(reach(), HostQuestion(**question))
    assert (found.answer, source in found.source) == (answer, True)


def test_without_hunting_an_address_cannot_be_asked_for(reach):
    """Which is another answer than no."""
    found = VENDOR.affiliation(
        reach(*(GRAPH_ROLES - {"ThreatHunting.Read.All"})), HostQuestion(address="10.20.4.17")
    )
    assert found.answer is Answer.could_not_ask


def test_without_the_permission_or_the_licence_nothing_is_a_no(world, reach):
    """What prevents asking is raised."""
    with pytest.raises(PermissionMissing):
        VENDOR.affiliation(reach("SecurityAlert.Read.All"), HostQuestion(name="WS-0417"))
    switches(world).intune_licence = False
    with pytest.raises(Refused, match="not applicable"):
        VENDOR.affiliation(reach(), HostQuestion(name="WS-0417"))


def test_a_query_is_answered_or_refused_in_the_vendors_words(world, reach):
    """And its time span counts."""
    graph_scenarios.add_graph_alerts(world, ends=-48 * HOUR)
    count = "AlertInfo | count"
    assert VENDOR.hunt(reach(), count, None).rows == ({"Count": 1},)
    assert VENDOR.hunt(reach(), count, "P1D").rows == ({"Count": 0},)
    with pytest.raises(BadRequest, match="'Nothing' could not be resolved"):
        VENDOR.hunt(reach(), "Nothing", None)


def test_the_same_alert_from_endpoint_and_from_graph_is_known_by_one_name(world, reach):
    """Old-style ids are the same in both."""
    [made] = scenarios.add_endpoint_alerts(world)
    graph_scenarios.graph_view_of_endpoint(world, made)
    (page,) = VENDOR.fetch(reach(), None)
    assert VENDOR.to_detection(page.alerts[0]).native_id == made
