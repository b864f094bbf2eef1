"""Machines of the simulated Defender for Endpoint, over a socket."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import scenarios
from simulator.world import World

Api = Any
WORKSTATION = "aa2134f0faaa695ca38fa8363800a9d099c1728f"


def names(answer: Any) -> list[str]:
    return [row["computerDnsName"] for row in answer.json()["value"]]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("computerDnsName eq 'ws-0417.northwind.example'", 1),
        ("computerDnsName eq 'WS-0417.northwind.example'", 0),
        ("startswith(computerDnsName,'ws-')", 4),
        ("startswith(computerDnsName, 'ws-04') and osPlatform eq 'Windows11'", 1),
        ("lastIpAddress eq '10.20.4.17'", 1),
        ("aadDeviceId eq '8f5d0f57-2f6b-4b2a-9f53-c72f93c225bb'", 1),
        ("rbacGroupId eq 12 and healthStatus eq 'Inactive'", 1),
        ("lastSeen ge 2026-11-19T12:00:00Z", 7),
    ],
)
def test_the_documented_filters_find_machines(endpoint: Api, condition: str, found: int) -> None:
    """Active ones have reported within the last day."""
    assert len(endpoint("/api/machines", filter=condition).json()["value"]) == found


@pytest.mark.parametrize(
    "condition", ["contains(computerDnsName,'ws')", "startswith(rbacGroupId,'1')", "startswith(x,'1')"]
)
def test_functions_that_are_not_documented_are_odata_errors(endpoint: Api, condition: str) -> None:
    """A client must not learn from the simulator what the service does not know."""
    answer = endpoint("/api/machines", filter=condition)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ODataError")


def test_a_machine_is_read_by_its_id_or_name(endpoint: Api) -> None:
    """In any casing; the context is that of one entity."""
    by_id = endpoint(f"/api/machines/{WORKSTATION.upper()}").json()
    by_name = endpoint("/api/machines/WS-0417.northwind.example").json()

    assert by_id == by_name
    assert by_id["@odata.context"].endswith("#Machines/$entity")


def test_an_unknown_machine_is_404(endpoint: Api) -> None:
    """With its name in the message."""
    answer = endpoint("/api/machines/123123123")

    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Machine 123123123 was not found"


def test_machines_are_found_by_an_internal_address(endpoint: Api) -> None:
    """Of any of their interfaces, at a time of the last 30 days."""
    path = "/api/machines/findbyip(ip='10.20.4.17',timestamp=2026-11-20T11:50:00Z)"

    assert names(endpoint(path)) == ["ws-0417.northwind.example"]
    assert names(endpoint(path.replace("10.20.4.17", "10.99.0.1"))) == []


@pytest.mark.parametrize(
    ("ip", "timestamp", "code"),
    [
        ("10.20.4.17", "2026-10-01T00:00:00Z", "InvalidInput"),
        ("10.20.4.17", "2026-11-20T13:00:00Z", "InvalidInput"),
        ("10.20.4.17", "yesterday", "InvalidInput"),
        ("ws-0417", "2026-11-20T11:50:00Z", "InvalidIpAddress"),
    ],
)
def test_a_wrong_address_or_time_is_400(endpoint: Api, ip: str, timestamp: str, code: str) -> None:
    """More than 30 days ago, in the future, or no time at all."""
    answer = endpoint(f"/api/machines/findbyip(ip='{ip}',timestamp={timestamp})")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_no_machines_may_be_404(endpoint: Api, world: World) -> None:
    """The documentation says so; payloads say an empty list, which is the default."""
    nothing = {"filter": "osPlatform eq 'Plan9'"}
    assert endpoint("/api/machines", **nothing).status_code == 200
    scenarios.switches(world, "endpoint").no_machines = 404

    assert endpoint("/api/machines", **nothing).status_code == 404
