"""Advanced hunting of the simulated Defender for Endpoint, over a socket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from simulator import scenarios
from simulator.sample import ENDPOINT_AUDIENCE
from simulator.world import World

Api = Any
RUN = "/api/advancedqueries/run"
HOUR = timedelta(hours=1)


def hunt(endpoint: Api, query: str) -> Any:
    return endpoint(RUN, "POST", json={"Query": query})


def rows(endpoint: Api, query: str) -> Any:
    answer = hunt(endpoint, query)
    assert answer.status_code == 200, answer.text
    return answer.json()["Results"]


def test_an_answer_has_a_schema_and_results(endpoint: Api) -> None:
    """Both in capitals, the columns in order."""
    answer = hunt(
        endpoint, "DeviceInfo | where OSPlatform == 'Ubuntu' | project Timestamp, DeviceName"
    ).json()

    assert answer["Schema"] == [
        {"Name": "Timestamp", "Type": "DateTime"},
        {"Name": "DeviceName", "Type": "String"},
    ]
    assert [list(row) for row in answer["Results"]] == [["Timestamp", "DeviceName"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("DeviceInfo | count", [{"Count": 9}]),
        ('DeviceInfo | where DeviceName startswith "WS-" // clients\n| summarize count() by OSPlatform', 2),
        ("DeviceInfo | where DeviceName has 'northwind' and not_there == 1", None),
        ("DeviceInfo | where DeviceName in ('srv-dc-01.northwind.example', 'nobody') | take 5", 1),
        (
            "DeviceInfo | where (DeviceName has 'srv' or DeviceName contains 'lnx') | distinct OSPlatform",
            3,
        ),
        ("DeviceInfo | where Timestamp > ago(1d) | sort by DeviceName asc | take 1 | project DeviceName", 1),
        ("DeviceInfo | where Timestamp < datetime(2026-11-01) | count", [{"Count": 2}]),
        ("DeviceInfo | top 2 by DeviceName desc", 2),
        ("DeviceTvmSoftwareVulnerabilities | where VulnerabilitySeverityLevel =~ 'critical' | limit 3", 3),
    ],
)
def test_usual_queries_are_answered(endpoint: Api, query: str, found: Any) -> None:
    """A list: exactly these rows; a number: so many; None: refused."""
    if found is None:
        assert hunt(endpoint, query).status_code == 400
    elif isinstance(found, int):
        assert len(rows(endpoint, query)) == found
    else:
        assert rows(endpoint, query) == found


def test_alerts_and_their_processes_can_be_hunted(endpoint: Api, world: World) -> None:
    """What the alerts list shows."""
    [made] = scenarios.add_endpoint_alerts(world, fixture="encoded_powershell")

    assert [row["AlertId"] for row in rows(endpoint, "AlertInfo")] == [made]
    assert rows(endpoint, "DeviceProcessEvents | where ProcessCommandLine contains 'enc' | project FileName")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("Nothing", "no table of this name"),
        ("DeviceInfo | where Nothing == 1", "named 'Nothing'"),
        ("DeviceInfo | frobnicate", "not recognized"),
        ("DeviceInfo | where DeviceName == 'open", "could not be parsed"),
        ("DeviceInfo | take many", "could not be parsed"),
        ("DeviceInfo DeviceInfo", "could not be parsed"),
        ("DeviceInfo | where Timestamp > 'x'", "another type"),
    ],
)
def test_a_bad_query_is_400_with_what_is_wrong(endpoint: Api, query: str, words: str) -> None:
    """Code BadRequest."""
    answer = hunt(endpoint, query)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [{}, {"query": "DeviceInfo"}, {"Query": " "}, {"Query": 7}, [], None])
def test_a_body_without_a_query_is_400(endpoint: Api, body: Any) -> None:
    """The name is case-sensitive; the text is the one that people report."""
    answer = endpoint(RUN, "POST", json=body)

    assert answer.status_code == 400
    assert (answer.json()["error"]["code"], answer.json()["error"]["message"]) == (
        "InvalidRequestBody",
        "Missing query.",
    )


def test_hunting_has_its_role(
    simulator: Any, sign_in: Callable[..., requests.Session], new_app: Callable[..., str]
) -> None:
    """AdvancedQuery.Read.All."""
    session = sign_in(ENDPOINT_AUDIENCE, new_app({ENDPOINT_AUDIENCE: {"Alert.Read.All"}}))

    answer = session.post(simulator.url + RUN, json={"Query": "DeviceInfo"}, timeout=30)

    assert answer.status_code == 403
    assert "AdvancedQuery.Read.All" in answer.json()["error"]["message"]


def test_the_46th_call_in_a_minute_is_429(endpoint: Api, world: World) -> None:
    """With the limit in its words."""
    assert {hunt(endpoint, "DeviceInfo | take 1").status_code for _ in range(45)} == {200}
    refused = hunt(endpoint, "DeviceInfo | take 1")

    assert refused.json()["error"]["message"] == "API calls quota exceeded! maximum allowed 45 per 00:01:00"
    world.advance(int(refused.headers["Retry-After"]))
    assert hunt(endpoint, "DeviceInfo | take 1").status_code == 200


def test_spent_running_time_is_429_too(endpoint: Api, world: World) -> None:
    """However few calls there were."""
    scenarios.switches(world, "endpoint").hunting_cpu_used_up = True

    assert hunt(endpoint, "DeviceInfo").status_code == 429
