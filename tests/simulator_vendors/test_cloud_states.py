"""Changing the state of Defender for Cloud's alerts, and simulating some."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import scenarios
from simulator.sample import SUBSCRIPTION_ID
from simulator.world import World

Api = Any
ALERTS = "/providers/Microsoft.Security/alerts"
SIMULATE = "/providers/Microsoft.Security/locations/westeurope/alerts/default/simulate"


def path_of(arm: Api) -> str:
    [row] = arm(ALERTS).json()["value"]
    return str(row["id"]).removeprefix(f"/subscriptions/{SUBSCRIPTION_ID}")


@pytest.mark.parametrize(
    ("verb", "status"),
    [("dismiss", "Dismissed"), ("resolve", "Resolved"), ("activate", "Active"), ("inProgress", "InProgress")],
)
def test_a_verb_sets_its_status(verb: str, status: str, arm: Api, world: World) -> None:
    """204 with nothing in it, the second time as well."""
    scenarios.add_cloud_alerts(world, fixture="sql_injection")
    path = path_of(arm)

    answers = [arm(f"{path}/{verb}", "POST") for _ in range(2)]

    assert [(one.status_code, one.content) for one in answers] == [(204, b""), (204, b"")]
    assert arm(path).json()["properties"]["status"] == status
    assert "x-ms-ratelimit-remaining-subscription-writes" in answers[0].headers


def test_another_location_or_group_is_404(arm: Api, world: World) -> None:
    """An alert is found only where its id says it is."""
    scenarios.add_cloud_alerts(world, fixture="sql_injection")
    path = path_of(arm)

    assert arm(path.replace("westeurope", "centralus")).status_code == 404
    assert arm(path.replace("rg-shop", "rg-other") + "/resolve", "POST").status_code == 404
    assert arm(path.replace("/resourceGroups/rg-shop", "")).status_code == 200
    assert arm(f"{path}/explode", "POST").status_code == 404


def test_in_progress_needs_the_newest_api_version(arm: Api, world: World) -> None:
    """The state did not exist before 2022-01-01."""
    scenarios.add_cloud_alerts(world, fixture="sql_injection")
    path = path_of(arm)

    assert arm(f"{path}/inProgress", "POST", api_version="2021-01-01").status_code == 400
    assert arm(f"{path}/resolve", "POST", api_version="2021-01-01").status_code == 204


def test_simulated_alerts_appear_shortly_after(arm: Api, world: World) -> None:
    """202 with Location and Retry-After; SIMULATED_ alerts of every bundle, two seconds apart."""
    bundles = ["KeyVaults", "VirtualMachines", "DNS"]
    answer = arm(SIMULATE, "POST", {"properties": {"kind": "Bundles", "bundles": bundles}})
    meanwhile = (arm(answer.headers["Location"]).status_code, arm(ALERTS).json()["value"])
    world.advance(2)

    rows = arm(ALERTS).json()["value"]

    assert (answer.status_code, int(answer.headers["Retry-After"])) == (202, 1)
    assert meanwhile == (202, [])
    assert arm(answer.headers["Location"]).status_code == 200
    assert len(rows) == len(bundles)
    assert all(row["properties"]["alertType"].startswith("SIMULATED_") for row in rows)
    assert all("/resourceGroups/Sample-RG/" in row["id"] for row in rows)
    assert [row["properties"]["startTimeUtc"][17:19] for row in rows] == ["00", "58", "56"]


@pytest.mark.parametrize(
    "body", [{}, {"properties": {"kind": "Bundles", "bundles": ["Moon"]}}, {"properties": []}]
)
def test_a_wrong_simulation_is_400(body: Any, arm: Api) -> None:
    """Only the published bundles can be simulated."""
    assert arm(SIMULATE, "POST", body).status_code == 400
