"""Microsoft Graph beside the alerts: hunting, scores, managed devices, applications."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulator import graph_scenarios, scenarios
from simulator.graph_access import graph as state
from simulator.sample import CLIENT_ID, CLIENT_SECRET, GRAPH_AUDIENCE, SECRET_ID, SYSTEM_IDENTITY_CLIENT_ID
from simulator.world import World

Api = Any
DEVICES = "/deviceManagement/managedDevices"
HUNT = "/security/runHuntingQuery"
PROFILES = "/security/secureScoreControlProfiles"


def test_hunting_answers_a_table_with_graphs_names(graph: Api, world: World) -> None:
    """`schema` and `results` in small letters; the body's names in any casing."""
    made = graph_scenarios.add_graph_alerts(world, count=2, fixture="identity_domain")

    found = graph(HUNT, "POST", {"query": "AlertInfo | where Severity == 'high' | project AlertId"}).json()

    assert found["schema"] == [{"name": "AlertId", "type": "String"}]
    assert sorted(row["AlertId"] for row in found["results"]) == sorted(made)


@pytest.mark.parametrize(
    ("span", "found"),
    [(None, 2), ("P1D", 1), ("PT12H", 0), ("2026-11-01T00:00:00Z", 2), ("2026-11-01T00:00:00Z/P10D", 0)],
)
def test_a_time_span_narrows_what_there_is(span: str | None, found: int, graph: Api, world: World) -> None:
    """A length up to now, a start, or both."""
    for days in (0.75, 5):
        graph_scenarios.add_graph_alerts(world, ends=-timedelta(days=days), fixture="entra_risk")
    body = {"Query": "AlertInfo | count"} | ({"Timespan": span} if span else {})

    assert graph(HUNT, "POST", body).json()["results"] == [{"Count": found}]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"Query": "Nothing | take 1"}, "'Nothing' could not be resolved"),
        ({"Query": "AlertInfo | where Colour == 1"}, "Failed to resolve column or scalar expression named"),
        ({"Query": "AlertInfo | dance"}, "not recognized"),
        ({"Query": " "}, "empty"),
        ({"Query": "AlertInfo", "Timespan": "a week"}, "ISO 8601"),
    ],
)
def test_a_bad_query_is_400_in_words(body: Any, says: str, graph: Api) -> None:
    """The words name what could not be resolved."""
    refused = graph(HUNT, "POST", body)

    assert refused.status_code == 400
    assert says in refused.json()["error"]["message"]


def test_hunting_finds_a_machine_by_address(graph: Api) -> None:
    """Addresses are JSON text."""
    query = "DeviceNetworkInfo | where IPAddresses contains '\"10.20.4.17\"' | project DeviceName"

    found = graph(HUNT, "POST", {"Query": query}).json()["results"]

    assert found == [{"DeviceName": "ws-0417.northwind.example"}]


def test_hunting_is_limited_by_tenant(graph: Api, world: World) -> None:
    """45 a minute."""
    statuses = [graph(HUNT, "POST", {"Query": "DeviceInfo | count"}).status_code for _ in range(46)]

    assert (set(statuses[:45]), statuses[45]) == ({200}, 429)


def test_the_newest_score_comes_first(graph: Api, world: World) -> None:
    """One a day."""
    [latest] = graph("/security/secureScores", top=1).json()["value"]

    assert latest["id"].endswith("_2026-11-20")
    assert latest["currentScore"] <= latest["maxScore"]
    assert {one["controlName"] for one in latest["controlScores"]} == {
        one["id"] for one in graph(PROFILES).json()["value"]
    }


def test_profiles_page_by_links_that_may_be_refused(graph: Api, world: World) -> None:
    """As they were in June 2024; rows can still be counted."""
    state(world).switches.page_size = 5
    pages = graph.walk(PROFILES, "@odata.nextLink")
    state(world).switches.skiptoken_refused = True
    link = graph(PROFILES).json()["@odata.nextLink"]

    assert [len(page) for page in pages] == [5, 5, 2]
    assert graph(link).status_code == 400
    assert len(graph(PROFILES, skip=10).json()["value"]) == 2


def test_devices_are_filtered_by_the_few_properties_that_can_be(graph: Api) -> None:
    """In any casing; contains where it is allowed."""
    assert [d["deviceName"] for d in graph(DEVICES, filter="deviceName eq 'ws-0417'").json()["value"]] == [
        "WS-0417"
    ]
    assert len(graph(DEVICES, filter="contains(deviceName,'ws-')").json()["value"]) == 3


@pytest.mark.parametrize(
    "condition",
    [
        "ipAddressV4 eq '10.20.4.17'",
        "id eq 'x'",
        "serialNumber ne 'x'",
        "contains(serialNumber,'x')",
        "lastSyncDateTime ge 2026-01-01T00:00:00Z",
        "deviceName eq 'a' or serialNumber eq 'b'",
    ],
)
def test_other_filters_are_400(condition: str, graph: Api) -> None:
    """There is no address to filter on; operators are those of the metadata; no `or` over two properties."""
    assert graph(DEVICES, filter=condition).status_code == 400


def test_hardware_comes_only_when_it_is_selected_from_one(graph: Api) -> None:
    """Null and zero in lists."""
    listed = graph(DEVICES, filter="deviceName eq 'WS-0417'").json()["value"][0]
    one = graph(f"{DEVICES}/{listed['id']}", select="physicalMemoryInBytes,notes").json()

    assert (listed["physicalMemoryInBytes"], listed["notes"]) == (0, None)
    assert (one["physicalMemoryInBytes"], one["notes"]) == (17179869184, "Asset tag 4471")
    assert graph(f"{DEVICES}/none").status_code == 404


def test_without_an_intune_licence_nothing_is_answered(graph: Api, world: World) -> None:
    """Though the permission is there."""
    scenarios.switches(world, "graph").intune_licence = False

    assert graph(DEVICES).status_code == 400


def test_an_application_says_when_its_secrets_end(graph: Api) -> None:
    """With a hint of three letters and never the value."""
    answer = graph(f"/applications(appId='{CLIENT_ID}')", select="appId,passwordCredentials")
    first = answer.json()["passwordCredentials"][0]

    assert (first["hint"], first["keyId"], first["endDateTime"]) == ("sim", SECRET_ID, "2036-01-01T00:00:00Z")
    assert CLIENT_SECRET not in answer.text


def test_applications_are_found_by_their_own_object_id_too(graph: Api) -> None:
    """Which is not that of the service principal."""
    app = graph(f"/applications(appId='{CLIENT_ID}')").json()
    principal = graph(f"/servicePrincipals(appId='{CLIENT_ID}')").json()

    assert graph(f"/applications/{app['id']}").json()["appId"] == CLIENT_ID
    assert graph(f"/servicePrincipals/{principal['id']}").json()["appId"] == CLIENT_ID
    assert app["id"] != principal["id"]


def test_a_managed_identity_has_no_application(graph: Api) -> None:
    """Only a service principal."""
    assert graph(f"/applications(appId='{SYSTEM_IDENTITY_CLIENT_ID}')").status_code == 404
    found = graph(f"/servicePrincipals(appId='{SYSTEM_IDENTITY_CLIENT_ID}')").json()
    assert found["servicePrincipalType"] == "ManagedIdentity"


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/security/secureScores", "SecurityEvents.Read.All"),
        (DEVICES, "DeviceManagementManagedDevices.Read.All"),
        (f"/applications(appId='{CLIENT_ID}')", "Application.Read.All"),
    ],
)
def test_each_has_its_own_permission(
    path: str, role: str, simulator: Any, sign_in: Any, new_app: Any
) -> None:
    """Another one's is no use."""
    with_role = sign_in(GRAPH_AUDIENCE, new_app({GRAPH_AUDIENCE: {role}}))
    without = sign_in(GRAPH_AUDIENCE, new_app({GRAPH_AUDIENCE: {"SecurityAlert.Read.All"}}))

    assert with_role.get(f"{simulator.url}/v1.0{path}", timeout=30).status_code == 200
    refused = without.get(f"{simulator.url}/v1.0{path}", timeout=30)
    assert (refused.status_code, role in refused.text) == (403, True)
