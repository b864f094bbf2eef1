"""Secure score, controls and assessments of the simulated Defender for Cloud, over a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator import scenarios
from simulator.sample import ARM_AUDIENCE, SUBSCRIPTION_ID
from simulator.world import World

Api = Any
PROVIDER = "/providers/Microsoft.Security"
LISTS = {
    "secureScores": "2020-01-01",
    "secureScoreControls": "2020-01-01",
    "assessments": "2021-06-01",
    "assessmentMetadata": "2021-06-01",
}
every_list = pytest.mark.parametrize(("name", "version"), LISTS.items())


def read(arm: Api, name: str, **more: Any) -> Any:
    return arm(f"{PROVIDER}/{name}", api_version=LISTS.get(name, "2020-01-01"), **more)


@every_list
def test_each_list_knows_its_versions(arm: Api, name: str, version: str) -> None:
    """The one of the alerts is none of them."""
    assert read(arm, name).status_code == 200
    answer = arm(f"{PROVIDER}/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "NoRegisteredProviderFound")


@every_list
def test_each_list_needs_a_role_on_the_subscription(
    simulator: Any,
    sign_in: Callable[..., requests.Session],
    new_app: Callable[..., str],
    name: str,
    version: str,
) -> None:
    """Security Reader is enough; the refusal names the action."""
    url = f"{simulator.url}/subscriptions/{SUBSCRIPTION_ID}{PROVIDER}/{name}?api-version={version}"
    reader = sign_in(ARM_AUDIENCE, new_app({}, {SUBSCRIPTION_ID: {"Security Reader"}}))
    nobody = sign_in(ARM_AUDIENCE, new_app({}))

    assert reader.get(url, timeout=30).status_code == 200
    refused = nobody.get(url, timeout=30).json()["error"]
    assert refused["code"] == "AuthorizationFailed"
    assert f"'Microsoft.Security/{name}/read'" in refused["message"]


@pytest.mark.parametrize("name", ["secureScoreControls", "assessments", "assessmentMetadata"])
def test_lists_are_paged_with_absolute_links(arm: Api, world: World, simulator: Any, name: str) -> None:
    """Each row once, and the link keeps what was asked."""
    whole = read(arm, name).json()["value"]
    scenarios.switches(world, "cloud").page_size = 2

    pages = arm.walk(f"{PROVIDER}/{name}", "nextLink", api_version=LISTS[name], expand="definition")

    assert [row["id"] for page in pages for row in page] == [row["id"] for row in whole]
    assert len(pages) > 1
    assert read(arm, name).json()["nextLink"].startswith(f"{simulator.url}/subscriptions/")


def test_the_score_is_the_sum_of_its_controls(arm: Api) -> None:
    """And they of their assessments."""
    score = read(arm, "secureScores").json()["value"][0]
    controls = read(arm, "secureScoreControls", expand="definition").json()["value"]
    unhealthy = [
        a
        for a in read(arm, "assessments").json()["value"]
        if a["properties"]["status"]["code"] == "Unhealthy"
    ]

    assert score["properties"]["score"]["current"] == sum(
        c["properties"]["score"]["current"] for c in controls
    )
    assert sum(c["properties"]["unhealthyResourceCount"] for c in controls) == len(unhealthy)
    assert all(c["properties"]["definition"]["properties"]["assessmentDefinitions"] for c in controls)
    assert read(arm, "secureScores/ascScore").json() == score


def test_definitions_come_only_when_asked_for(arm: Api) -> None:
    """`$expand=definition`."""
    controls = read(arm, "secureScoreControls").json()["value"]

    assert all("definition" not in control["properties"] for control in controls)


def test_the_severity_stands_in_the_metadata(arm: Api, world: World) -> None:
    """Unless the switch adds it to the list."""
    bare = read(arm, "assessments").json()["value"]
    metadata = {row["name"]: row["properties"] for row in read(arm, "assessmentMetadata").json()["value"]}
    scenarios.switches(world, "cloud").assessments_with_severity = True
    full = read(arm, "assessments").json()["value"]

    assert all("metadata" not in row["properties"] for row in bare)
    assert all(row["properties"]["metadata"]["severity"] == metadata[row["name"]]["severity"] for row in full)


def test_a_broken_token_is_400(arm: Api) -> None:
    """As for alerts."""
    assert read(arm, "assessments", **{"$skipToken": "??"}).status_code == 400
