"""What Defender for Endpoint and Defender for Cloud can do besides alerts, against the simulated Microsoft
cloud, over https and with the real client."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from uuid import uuid4

import pytest

from shared.errors import BadRequest, PermissionMissing, Throttled, TryLater
from shared.nouns.detections import instant_of
from shared.nouns.inventory import Answer, HostQuestion, InventoryKind
from shared.vendors.defender_endpoint import DefenderEndpoint
from shared.vendors.defender_for_cloud import DefenderForCloud
from simulator import scenarios
from simulator.endpoint_access import endpoint
from simulator.faults import Fault
from simulator.sample import ENDPOINT_AUDIENCE, SUBSCRIPTION_ID, TENANT_ID
from simulator.world import App

ENDPOINT, CLOUD = DefenderEndpoint(), DefenderForCloud()
HOUR = timedelta(hours=1)
WORKSTATION = "aa2134f0faaa695ca38fa8363800a9d099c1728f"
pytestmark = pytest.mark.peer


@pytest.fixture
def here(reach):
    """Connections to Defender for Endpoint."""
    return reach("defender_endpoint")


@pytest.fixture
def limited(world, reach):
    """A connection of an app that has just these roles."""

    def build(slug, roles=(), arm_roles=()):
        client_id = str(uuid4())
        app = App(str(uuid4()), TENANT_ID, "limited", {ENDPOINT_AUDIENCE: set(roles)}, {}, client_id)
        app.arm_roles = {SUBSCRIPTION_ID: set(arm_roles)}
        world.add(app)
        return reach(slug, client_id)

    return build


def _items(vendor, connection, kind):
    return [item for page in vendor.inventory(connection, InventoryKind(kind)) for item in page]


@pytest.mark.parametrize("kind", [k for k in ENDPOINT.inventory_kinds if k != "score"])
@pytest.mark.parametrize("nextlink", ["always", "server_pages"])
def test_a_list_that_the_service_cuts_is_read_whole_and_once(world, here, kind, nextlink):
    """However small its pages are."""
    whole = _items(ENDPOINT, here, kind)
    switches = scenarios.switches(world, "endpoint")
    switches.page_size, switches.nextlink = 2, nextlink
    assert _items(ENDPOINT, here, kind) == whole
    assert len(whole) > 2


def test_machines_and_their_vulnerabilities_belong_together(here):
    """By the machine's id and the CVE."""
    machines = {item.id for item in _items(ENDPOINT, here, "machine")}
    known = {item.id: item for item in _items(ENDPOINT, here, "vulnerability")}
    found = _items(ENDPOINT, here, "machine_vulnerability")
    assert {item.machine_id for item in found} <= machines
    exposed = Counter(item.name for item in found)
    assert exposed == {cve: item.properties["exposedMachines"] for cve, item in known.items()}


def test_both_scores_are_read(here):
    """One has a maximum, of the other the vendor does not say it."""
    scores = {item.id: item for item in _items(ENDPOINT, here, "score")}
    assert scores["exposureScore"].maximum == 100
    assert scores["configurationScore"].maximum is None
    assert all(item.score and item.updated for item in scores.values())


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        ("machine", "Machine.Read.All"),
        ("vulnerability", "Vulnerability.Read.All"),
        ("machine_vulnerability", "Vulnerability.Read.All"),
        ("recommendation", "SecurityRecommendation.Read.All"),
        ("score", "Score.Read.All"),
    ],
)
def test_each_kind_needs_its_own_role_and_says_which(limited, kind, role):
    """An operator can grant just that one."""
    assert _items(ENDPOINT, limited("defender_endpoint", {role}), kind)
    with pytest.raises(PermissionMissing, match=role):
        _items(ENDPOINT, limited("defender_endpoint", {"Alert.Read.All"}), kind)


def test_a_tenant_without_machines_may_answer_404(world, here):
    """As the vendor documents; it is an empty list."""
    endpoint(world).tenant(TENANT_ID).machines.clear()
    scenarios.switches(world, "endpoint").no_machines = 404
    assert _items(ENDPOINT, here, "machine") == []


def test_an_endless_inventory_is_an_error(world, here, reach):
    """Of either product."""
    scenarios.endless_nextlink(world, "endpoint")
    scenarios.endless_nextlink(world, "cloud")
    with pytest.raises(TryLater, match="nextLink never ends"):
        _items(ENDPOINT, here, "vulnerability")
    with pytest.raises(TryLater, match="nextLink never ends"):
        _items(CLOUD, reach("defender_for_cloud"), "control")


def test_a_hunt_gives_the_table(here):
    """Columns with their types, and rows by column."""
    query = "DeviceInfo\n| where OSPlatform == 'Ubuntu'\n| project Timestamp, DeviceName"
    found = ENDPOINT.hunt(here, query, None)
    assert [(c.name, c.type) for c in found.columns] == [("Timestamp", "DateTime"), ("DeviceName", "String")]
    assert [row["DeviceName"] for row in found.rows] == ["lnx-build-3.northwind.example"]


def test_a_bad_query_comes_back_with_the_vendors_words(here):
    """So that the analyst can mend it."""
    with pytest.raises(BadRequest, match="no table of this name"):
        ENDPOINT.hunt(here, "DeviceInfoo | take 1", None)
    with pytest.raises(BadRequest, match="empty"):
        ENDPOINT.hunt(here, "  ", None)


def test_hunting_without_its_role_or_over_its_limits_is_not_the_querys_fault(world, here, limited):
    """It says what to grant, and how long to wait."""
    with pytest.raises(PermissionMissing, match=r"AdvancedQuery\.Read\.All"):
        ENDPOINT.hunt(limited("defender_endpoint", {"Alert.Read.All"}), "DeviceInfo", None)
    scenarios.switches(world, "endpoint").hunting_cpu_used_up = True
    with pytest.raises(Throttled) as caught:
        ENDPOINT.hunt(here, "DeviceInfo", None)
    assert caught.value.retry_after == 900


@pytest.mark.parametrize(
    "question",
    [
        {"name": "ws-0417.northwind.example"},
        {"name": "WS-0417.Northwind.Example."},
        {"name": "WS-0417"},
        {"address": "10.20.4.17"},
        {"id": WORKSTATION},
        {"id": WORKSTATION.upper()},
        {"id": "8F5D0F57-2f6b-4b2a-9f53-c72f93c225bb"},
    ],
    ids=str,
)
def test_a_host_is_known_by_any_of_its_names(here, question):
    """DNS name or only its first part, address, machine id, Entra device id; in any casing."""
    found = ENDPOINT.affiliation(here, HostQuestion(**question))
    assert found.answer is Answer.yes
    assert [item.id for item in found.found] == [WORKSTATION]
    assert found.source.startswith("Defender for Endpoint: ")


@pytest.mark.parametrize(
    "question",
    [
        {"name": "ws-041"},
        {"name": "ws-0417.elsewhere.example"},
        {"name": "x' or computerDnsName ne 'x"},
        {"address": "10.20.4.18"},
        {"address": "2001:db8::1"},
        {"id": "0" * 40},
        {"id": "8f5d0f57-2f6b-4b2a-9f53-000000000000"},
        {"id": "ws-0417"},
    ],
    ids=str,
)
def test_what_is_nearly_a_host_is_a_no(here, question):
    """A part of a name, another domain, a name given as an id, an attempt at another question."""
    found = ENDPOINT.affiliation(here, HostQuestion(**question))
    assert (found.answer, found.found, found.reason) == (Answer.no, (), None)


def test_an_address_of_another_interface_is_found(world, here):
    """The list knows only the last one; the machine was seen with this one as well."""
    machine = endpoint(world).tenant(TENANT_ID).machines[WORKSTATION]
    machine["ipAddresses"] = [*machine["ipAddresses"], {"ipAddress": "10.77.0.5", "type": "Ethernet"}]
    found = ENDPOINT.affiliation(here, HostQuestion(address="10.77.0.5"))
    assert (found.answer, found.source) == (
        Answer.yes,
        "Defender for Endpoint: lastIpAddress, then findbyip",
    )


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({"address": "ws-0417"}, "This is no IP address."),
        ({"id": "ws-0417.northwind.example"}, "neither a machine id nor"),
        ({"id": "../alerts"}, "neither a machine id nor"),
    ],
    ids=str,
)
def test_what_has_not_the_form_cannot_be_asked(here, world, question, reason):
    """It costs no call."""
    found = ENDPOINT.affiliation(here, HostQuestion(**question))
    assert found.answer is Answer.could_not_ask
    assert reason in (found.reason or "")
    assert world.count("/api/") == 0


def test_who_may_not_read_machines_cannot_say_no(limited):
    """It raises, and says what to grant."""
    with pytest.raises(PermissionMissing, match=r"Machine\.Read\.All"):
        ENDPOINT.affiliation(limited("defender_endpoint"), HostQuestion(name="nobody.example"))


@pytest.mark.parametrize("with_severity", [True, False])
def test_an_assessment_has_its_severity_wherever_the_service_keeps_it(world, reach, with_severity):
    """In the list, or only in the metadata, which is then read."""
    switches = scenarios.switches(world, "cloud")
    switches.assessments_with_severity, switches.page_size = with_severity, 2
    found = _items(CLOUD, reach("defender_for_cloud"), "assessment")
    assert Counter(item.severity for item in found) == {"high": 4, "medium": 1, "low": 1}
    assert {item.status for item in found} == {"Healthy", "Unhealthy", "NotApplicable"}
    assert all((item.link or "").startswith("https://portal.azure.com/") for item in found)


def test_the_secure_score_is_the_sum_of_its_controls(world, reach):
    """Both with their maximum."""
    scenarios.switches(world, "cloud").page_size = 1
    connection = reach("defender_for_cloud")
    (score,) = _items(CLOUD, connection, "score")
    controls = _items(CLOUD, connection, "control")
    assert score.score == sum(item.score for item in controls)
    assert score.maximum == sum(item.maximum for item in controls)
    assert controls[0].properties["definition"]


def test_assessments_come_without_severities_where_only_they_may_be_read(world, reach):
    """A role of the customer's own need not allow their metadata."""
    scenarios.switches(world, "cloud").assessments_with_severity = False
    metadata = f"/subscriptions/{SUBSCRIPTION_ID}/providers/Microsoft.Security/assessmentMetadata"
    world.faults.append(Fault(metadata, "403", code="AuthorizationFailed"))
    found = _items(CLOUD, reach("defender_for_cloud"), "assessment")
    assert len(found) == 6
    assert {item.severity for item in found} == {None}


@pytest.mark.parametrize("kind", CLOUD.inventory_kinds)
def test_security_reader_is_enough_and_nothing_is_too_little(limited, kind):
    """For every kind; ARM's roles are in no token."""
    assert _items(CLOUD, limited("defender_for_cloud", arm_roles={"Security Reader"}), kind)
    with pytest.raises(PermissionMissing, match="Security Reader"):
        _items(CLOUD, limited("defender_for_cloud"), kind)


def test_a_sweep_finds_every_alert_made_since_and_ends(world, here):
    """Also what became visible late, what is tied, and what was updated meanwhile; in small pages."""
    scenarios.add_endpoint_alerts(world, count=30, within=20 * HOUR, ends=-HOUR)
    scenarios.tie_endpoint_alerts(world, count=9, age=2 * HOUR)
    late = scenarios.late_endpoint_alerts(world, age=7 * HOUR)
    scenarios.switches(world, "endpoint").page_size = 4
    world.advance(60)
    since = instant_of(world.now() - 48 * HOUR)
    found = [alert["id"] for page in ENDPOINT.sweep(here, since) for alert in page]
    assert set(found) == set(scenarios.endpoint_ids(world)) >= set(late)
    scenarios.endless_nextlink(world, "endpoint")
    with pytest.raises(TryLater):
        list(ENDPOINT.sweep(here, since))
