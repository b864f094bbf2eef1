"""Who may call Microsoft Graph, how often, and what its refusals look like."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from simulator.graph_access import FUTURE, HUNT, READ_ALERTS, admit, answer, graph, route
from simulator.sample import ARM_AUDIENCE, GRAPH_AUDIENCE
from simulator.world import World

BODY = {"serviceSource": "microsoftSentinel", "evidence": [{"remediationStatus": "active", "roles": []}]}


@pytest.fixture
def graph_client(world: World) -> TestClient:
    """A Graph of one endpoint, over the world that the other tests use."""

    async def read(request: Request) -> Response:
        with world.lock:
            caller = admit(world, request, roles=READ_ALERTS, group="security")
            return answer(caller, request, "things", BODY)

    return TestClient(Starlette(routes=[route("/v1.0/things", read, "GET")]))


def _call(client: TestClient, token: str | None, **headers: str) -> Any:
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    return client.get("/V1.0/Things", headers=bearer | headers)


@pytest.mark.parametrize(
    ("audience", "says"), [(None, "Access token is empty."), (ARM_AUDIENCE, "Invalid audience.")]
)
def test_a_missing_or_foreign_token_is_401_with_graphs_body(
    audience: str | None, says: str, graph_client: TestClient, world: World
) -> None:
    """innerError names the request for Microsoft's support, and the client's own id comes back."""
    token = world.token(audience) if audience else None

    refused = _call(graph_client, token, **{"client-request-id": "mine-1"})

    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (401, "InvalidAuthenticationToken")
    assert error["message"].endswith(says)
    assert error["innerError"]["client-request-id"] == "mine-1"
    assert error["innerError"]["request-id"] == refused.headers["request-id"]


def test_a_token_for_graphs_app_id_serves_as_well(graph_client: TestClient, world: World) -> None:
    """Graph has two names."""
    assert _call(graph_client, world.token("00000003-0000-0000-c000-000000000000")).status_code == 200


def test_a_token_without_the_role_is_403_and_names_it(
    graph_client: TestClient, world: World, new_app: Any
) -> None:
    """Another endpoint's role does not help."""
    client_id = new_app({GRAPH_AUDIENCE: set(HUNT)})

    refused = _call(graph_client, world.token(GRAPH_AUDIENCE, client_id=client_id))

    assert refused.status_code == 403
    assert "API required roles: SecurityAlert.Read.All" in refused.json()["error"]["message"]


def test_later_enum_members_are_seen_only_by_who_prefers_them(graph_client: TestClient, world: World) -> None:
    """The others read unknownFutureValue, also inside evidence."""
    token = world.token(GRAPH_AUDIENCE)

    plain = _call(graph_client, token).json()
    preferring = _call(graph_client, token, Prefer="odata.maxpagesize=5, include-unknown-enum-members")

    assert (plain["serviceSource"], plain["evidence"][0]["remediationStatus"]) == (FUTURE, FUTURE)
    assert preferring.json()["serviceSource"] == "microsoftSentinel"
    assert preferring.headers["Preference-Applied"] == "include-unknown-enum-members"


def test_the_151st_call_in_a_minute_is_429(graph_client: TestClient, world: World) -> None:
    """With a time to wait, after which it goes on; and never when throttling is off."""
    token = world.token(GRAPH_AUDIENCE)
    statuses = {_call(graph_client, token).status_code for _ in range(150)}
    refused = _call(graph_client, token)
    graph(world).switches.throttle = False
    unthrottled = _call(graph_client, token).status_code
    graph(world).switches.throttle = True
    world.advance(int(refused.headers["Retry-After"]))

    assert (statuses, refused.status_code, unthrottled) == ({200}, 429, 200)
    assert refused.json()["error"]["code"] == "TooManyRequests"
    assert _call(graph_client, token).status_code == 200
