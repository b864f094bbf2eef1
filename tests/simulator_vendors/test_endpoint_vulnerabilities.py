"""Vulnerability management of the simulated Defender for Endpoint, over a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator import scenarios
from simulator.sample import ENDPOINT_AUDIENCE
from simulator.world import World

Api = Any
WORKSTATION = "aa2134f0faaa695ca38fa8363800a9d099c1728f"
EXPORT = "/api/machines/SoftwareVulnerabilitiesByMachine"


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("/api/vulnerabilities", "Vulnerability.Read.All"),
        ("/api/vulnerabilities/machinesVulnerabilities", "Vulnerability.Read.All"),
        (f"/api/machines/{WORKSTATION}/vulnerabilities", "Vulnerability.Read.All"),
        (EXPORT, "Vulnerability.Read.All"),
        ("/api/recommendations", "SecurityRecommendation.Read.All"),
        ("/api/exposureScore", "Score.Read.All"),
        ("/api/configurationScore", "Score.Read.All"),
        ("/api/machines", "Machine.Read.All"),
    ],
)
def test_each_list_has_its_own_role(
    simulator: Any,
    sign_in: Callable[..., requests.Session],
    new_app: Callable[..., str],
    path: str,
    role: str,
) -> None:
    """And no other one will do."""
    every = {
        "Vulnerability.Read.All",
        "SecurityRecommendation.Read.All",
        "Score.Read.All",
        "Machine.Read.All",
    }
    with_it = sign_in(ENDPOINT_AUDIENCE, new_app({ENDPOINT_AUDIENCE: {role}}))
    without = sign_in(ENDPOINT_AUDIENCE, new_app({ENDPOINT_AUDIENCE: every - {role}}))

    assert with_it.get(simulator.url + path, timeout=30).status_code == 200
    refused = without.get(simulator.url + path, timeout=30)
    assert refused.status_code == 403
    assert role in refused.json()["error"]["message"]


@pytest.mark.parametrize(("path", "most"), [("vulnerabilities", 8_000), ("recommendations", 10_000)])
def test_each_list_has_its_largest_page(endpoint: Api, path: str, most: int) -> None:
    """Vulnerabilities are the odd one."""
    assert endpoint(f"/api/{path}", top=most).status_code == 200
    answer = endpoint(f"/api/{path}", top=most + 1)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ODataError")


@pytest.mark.parametrize(
    ("path", "condition"),
    [
        ("vulnerabilities", "severity eq 'Critical' and cvssV3 ge 9.5"),
        ("vulnerabilities", "updatedOn ge 2026-09-01T00:00:00Z and name eq 'CVE-2026-91001'"),
        (
            "vulnerabilities/machinesVulnerabilities",
            f"machineId eq '{WORKSTATION}' and severity eq 'Critical'",
        ),
        ("recommendations", "productName eq 'reader' and remediationType eq 'Upgrade'"),
    ],
)
def test_the_documented_filters_find_rows(endpoint: Api, path: str, condition: str) -> None:
    """Numbers may have a fraction."""
    assert len(endpoint(f"/api/{path}", filter=condition).json()["value"]) == 1


def test_a_machines_vulnerabilities_are_those_of_the_long_list(endpoint: Api) -> None:
    """The same CVEs, in another shape."""
    rows = endpoint(f"/api/machines/{WORKSTATION}/vulnerabilities").json()["value"]
    condition = f"machineId eq '{WORKSTATION}'"
    listed = endpoint("/api/vulnerabilities/machinesVulnerabilities", filter=condition).json()["value"]

    assert {row["id"] for row in rows} == {row["cveId"] for row in listed} != set()
    assert all(row["@odata.type"].endswith("PublicVulnerabilityDto") for row in rows)
    assert endpoint("/api/machines/" + "0" * 40 + "/vulnerabilities").status_code == 404


def test_the_export_pages_by_an_opaque_token(endpoint: Api, simulator: Any) -> None:
    """The links say `pagesize` in small letters, and every row comes once."""
    pages = endpoint.walk(EXPORT, "@odata.nextLink", pageSize=4)
    rows = [row for page in pages for row in page]

    assert {len(page) for page in pages[:-1]} == {4}
    assert len({row["id"] for row in rows}) == len(rows)
    link = endpoint(EXPORT, pageSize=4).json()["@odata.nextLink"]
    assert link.startswith(f"{simulator.url}{EXPORT}?pagesize=4&$skiptoken=")
    assert any(row["cveId"] is None for row in rows)


def test_the_export_given_a_top_says_nothing_of_more(endpoint: Api) -> None:
    """A trap: such a client believes that it has read everything."""
    assert len(endpoint(EXPORT, top=4).json()["value"]) == 4
    assert "@odata.nextLink" not in endpoint(EXPORT, top=4).json()


@pytest.mark.parametrize("size", ["0", "200001", "many"])
def test_the_export_refuses_a_wrong_page_size(endpoint: Api, size: str) -> None:
    """1 to 200,000."""
    assert endpoint(EXPORT, pageSize=size).status_code == 400


def test_the_export_has_a_quota_of_its_own(endpoint: Api) -> None:
    """30 a minute."""
    statuses = [endpoint(EXPORT, pageSize=1).status_code for _ in range(31)]

    assert (statuses[:30], statuses[30]) == ([200] * 30, 429)
    assert endpoint("/api/exposureScore").status_code == 200


def test_scores_are_single_entities_of_now(endpoint: Api, world: World) -> None:
    """With the time that they are for."""
    for name in ("ExposureScore", "ConfigurationScore"):
        score = endpoint(f"/api/{name}").json()
        assert score["@odata.context"].endswith(f"#{name}/$entity")
        assert score["score"] > 0
        assert score["time"].startswith("2026-11-20T12:00")


def test_server_pages_are_linked(endpoint: Api, world: World) -> None:
    """As the lists of alerts are."""
    scenarios.switches(world, "endpoint").page_size = 3

    pages = endpoint.walk("/api/vulnerabilities", "@odata.nextLink")

    assert [len(page) for page in pages] == [3, 3, 1]
