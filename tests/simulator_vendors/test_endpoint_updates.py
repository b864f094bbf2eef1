"""Changing alerts of Defender for Endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import scenarios
from simulator.world import World

Api = Any


def test_resolving_stamps_the_alert(endpoint: Api, world: World) -> None:
    """200 with the alert; resolvedTime is set and lastUpdateTime moves on; other fields stay."""
    [made] = scenarios.add_endpoint_alerts(world, fixture="credential_dump")
    before = endpoint(f"/api/alerts/{made}").json()
    world.advance(60)

    answer = endpoint(f"/api/alerts/{made}", "PATCH", {"status": "Resolved", "comment": "done"})

    after = endpoint(f"/api/alerts/{made}").json()
    assert answer.status_code == 200
    assert (after["status"], after["severity"], after["title"]) == (
        "Resolved",
        before["severity"],
        before["title"],
    )
    assert after["lastUpdateTime"] > before["lastUpdateTime"]
    assert after["resolvedTime"] is not None
    assert [one["comment"] for one in after["comments"]] == ["done"]


def test_a_changed_alert_moves_to_the_end_of_the_order(endpoint: Api, world: World) -> None:
    """What is updated while somebody walks is found again behind everything else."""
    made = scenarios.add_endpoint_alerts(world, count=5)
    world.advance(1)
    endpoint(f"/api/alerts/{made[1]}", "PATCH", {"assignedTo": "ada@fabrikam-soc.example"})

    rows = endpoint("/api/alerts", orderby="lastUpdateTime").json()["value"]

    assert [row["id"] for row in rows] == [made[0], *made[2:], made[1]]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"Status": "Resolved"}, "InvalidRequestBody"),
        ({"status": "resolved"}, "InvalidInput"),
        ({"status": "Closed"}, "InvalidInput"),
        ({"determination": "Apt"}, "InvalidInput"),
        ({"title": "x"}, "InvalidRequestBody"),
        ({}, "InvalidRequestBody"),
        ([], "InvalidRequestBody"),
    ],
)
def test_wrong_bodies_are_400(body: Any, code: str, endpoint: Api, world: World) -> None:
    """Names are case-sensitive, values are those of the documentation."""
    [made] = scenarios.add_endpoint_alerts(world)

    answer = endpoint(f"/api/alerts/{made}", "PATCH", body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_capitals_in_a_body_serve_where_the_switch_says(endpoint: Api, world: World) -> None:
    """Some clients send `Status`; whether the service minds is not verified."""
    [made] = scenarios.add_endpoint_alerts(world)
    scenarios.switches(world, "endpoint").body_names = "any_case"

    assert endpoint(f"/api/alerts/{made}", "PATCH", {"Status": "InProgress"}).json()["status"] == "InProgress"


def test_many_are_updated_at_once(endpoint: Api, world: World) -> None:
    """batchUpdate answers 200 with nothing in it, and passes over ids that do not exist."""
    made = scenarios.add_endpoint_alerts(world, count=3)

    answer = endpoint(
        "/api/alerts/batchUpdate", "POST", {"alertIds": [*made[:2], "da1_1"], "status": "Resolved"}
    )

    assert (answer.status_code, answer.content) == (200, b"")
    rows = endpoint("/api/alerts", filter="status eq 'Resolved'").json()["value"]
    assert {row["id"] for row in rows} >= set(made[:2])


def test_a_batch_needs_ids_and_has_a_maximum(endpoint: Api) -> None:
    """400 with the codes of the error list."""
    missing = endpoint("/api/alerts/batchUpdate", "POST", {"status": "Resolved"})
    many = endpoint("/api/alerts/batchUpdate", "POST", {"alertIds": ["a"] * 101, "status": "Resolved"})

    assert missing.json()["error"]["code"] == "MissingRequiredParameter"
    assert many.json()["error"]["code"] == "MaximumBatchSizeExceeded"
