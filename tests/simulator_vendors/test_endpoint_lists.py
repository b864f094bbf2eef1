"""Listing alerts of Defender for Endpoint, over a socket."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulator import scenarios
from simulator.world import World

Api = Any
HOUR = timedelta(hours=1)


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def test_a_filter_at_a_stored_time_returns_its_ties(endpoint: Api, world: World) -> None:
    """`ge` the text of lastUpdateTime finds all that share it; `gt` finds none of them."""
    tied = scenarios.tie_endpoint_alerts(world, count=3)
    scenarios.add_endpoint_alerts(world, count=4, ends=-HOUR)
    at = endpoint("/api/alerts", top=1, orderby="lastUpdateTime desc").json()["value"][0]["lastUpdateTime"]

    assert sorted(ids(endpoint("/api/alerts", filter=f"lastUpdateTime ge {at}").json()["value"])) == sorted(
        tied
    )
    assert endpoint("/api/alerts", filter=f"lastUpdateTime gt {at}").json()["value"] == []


def test_evidence_comes_only_when_asked_for(endpoint: Api, world: World) -> None:
    """Without `$expand=evidence` the list is there and empty."""
    scenarios.add_endpoint_alerts(world, fixture="encoded_powershell")

    assert endpoint("/api/alerts").json()["value"][0]["evidence"] == []
    expanded = endpoint("/api/alerts", expand="evidence").json()["value"][0]["evidence"]
    assert [one["entityType"] for one in expanded] == ["User", "Process", "File"]
    assert all(len(one) == 25 for one in expanded)


def test_the_id_holds_the_time_of_creation(endpoint: Api, world: World) -> None:
    """`da`, the ticks of alertCreationTime, and a signed 32-bit number."""
    from simulator import ticks

    scenarios.add_endpoint_alerts(world, count=20, within=HOUR)

    for row in endpoint("/api/alerts").json()["value"]:
        moment, number = row["id"].removeprefix("da").split("_")
        assert ticks.text_of(int(moment)) == row["alertCreationTime"]
        assert -(2**31) <= int(number) < 2**31


def test_server_pages_are_followed_by_absolute_links(endpoint: Api, world: World, simulator: Any) -> None:
    """The link is on the host that was called and keeps filter, order and expansion."""
    made = scenarios.add_endpoint_alerts(world, count=25, within=HOUR)
    scenarios.switches(world, "endpoint").page_size = 10

    pages = endpoint.walk("/api/alerts", "@odata.nextLink", orderby="lastUpdateTime asc", expand="evidence")

    assert [len(page) for page in pages] == [10, 10, 5]
    assert [one for page in pages for one in ids(page)] == made
    link = endpoint("/api/alerts").json()["@odata.nextLink"]
    assert link.startswith(f"{simulator.url}/api/alerts?")


@pytest.mark.parametrize(("mode", "linked"), [("always", True), ("server_pages", False), ("never", False)])
def test_a_top_that_cuts_is_linked_as_the_switch_says(
    mode: str, linked: bool, endpoint: Api, world: World
) -> None:
    """A client's own `$top` gets a nextLink only in mode `always`."""
    scenarios.add_endpoint_alerts(world, count=5)
    scenarios.switches(world, "endpoint").nextlink = mode

    assert ("@odata.nextLink" in endpoint("/api/alerts", top=2).json()) is linked
    assert "@odata.nextLink" not in endpoint("/api/alerts", top=5).json()


def test_top_and_skip_page_by_hand(endpoint: Api, world: World) -> None:
    """`$skip` beyond the end is an empty page."""
    made = scenarios.add_endpoint_alerts(world, count=7, within=HOUR)

    pages = [
        endpoint("/api/alerts", top=3, skip=n, orderby="lastUpdateTime").json()["value"] for n in (0, 3, 6, 9)
    ]

    assert [ids(page) for page in pages] == [made[:3], made[3:6], made[6:], []]


def test_without_order_the_newest_created_comes_first(endpoint: Api, world: World) -> None:
    """The default order is by alertCreationTime, descending; a switch turns it round."""
    made = scenarios.add_endpoint_alerts(world, count=4, within=4 * HOUR, fixture="credential_dump")
    newest = ids(endpoint("/api/alerts").json()["value"])
    scenarios.switches(world, "endpoint").default_order = "oldest"

    assert newest == made[::-1]
    assert ids(endpoint("/api/alerts").json()["value"]) == made


@pytest.mark.parametrize(
    "params",
    [
        {"filter": "color eq 'red'"},
        {"filter": "severity eq High"},
        {"top": 10_001},
        {"top": "ten"},
        {"skip": -1},
        {"orderby": "title down"},
        {"expand": "machines"},
        {"select": "id"},
    ],
)
def test_bad_queries_are_odata_errors(params: dict[str, Any], endpoint: Api) -> None:
    """400 with code ODataError and a correlation id."""
    answer = endpoint("/api/alerts", **params)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "ODataError"
    assert answer.json()["error"]["target"]


def test_both_prefixes_and_any_casing_serve(endpoint: Api, world: World) -> None:
    """`/api/v1.0` is the same; paths are read in any case."""
    [made] = scenarios.add_endpoint_alerts(world)

    assert ids(endpoint("/api/v1.0/Alerts").json()["value"]) == [made]
    assert endpoint(f"/api/alerts/{made}").json()["id"] == made
    assert endpoint("/api/alerts/da1_1").status_code == 404


def test_an_endless_list_repeats_its_first_page(endpoint: Api, world: World) -> None:
    """The fault answers the same rows with a nextLink for ever."""
    made = scenarios.add_endpoint_alerts(world, count=3)
    scenarios.endless_nextlink(world, "endpoint")

    first = endpoint("/api/alerts", top=2, orderby="lastUpdateTime").json()
    second = endpoint(first["@odata.nextLink"]).json()

    assert ids(first["value"]) == ids(second["value"]) == made[:2]
    assert "@odata.nextLink" in second


def test_machines_of_the_alerts_are_there(endpoint: Api, world: World) -> None:
    """Every machine that an alert names can be read."""
    scenarios.add_endpoint_alerts(world, count=10)
    named = {row["machineId"] for row in endpoint("/api/alerts").json()["value"]} - {None}

    known = {row["id"] for row in endpoint("/api/machines").json()["value"]}

    assert named <= known
    assert endpoint(f"/api/machines/{named.pop()}").json()["computerDnsName"]
    assert endpoint("/api/machines/" + "0" * 40).json()["error"]["code"] == "ResourceNotFound"
    assert len(endpoint("/api/machines", filter="osPlatform eq 'Ubuntu'").json()["value"]) == 1
