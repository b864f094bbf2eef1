"""Who may call Defender for Endpoint, and how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator import scenarios
from simulator.sample import ARM_AUDIENCE, ENDPOINT_AUDIENCE
from simulator.world import World

Api = Any


def get(session: requests.Session, simulator: Any) -> requests.Response:
    return session.get(f"{simulator.url}/api/alerts", timeout=30)


def test_no_token_is_401(simulator: Any, sign_in: Callable[..., requests.Session]) -> None:
    """Code Unauthorized."""
    session = sign_in(ENDPOINT_AUDIENCE)
    del session.headers["Authorization"]

    answer = get(session, simulator)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Unauthorized")


def test_a_token_for_another_api_is_401(simulator: Any, sign_in: Callable[..., requests.Session]) -> None:
    """The audience decides, before any role."""
    assert get(sign_in(ARM_AUDIENCE), simulator).status_code == 401


def test_the_old_audience_serves_as_well(simulator: Any, sign_in: Callable[..., requests.Session]) -> None:
    """Tokens for the .windows.com name are accepted."""
    assert get(sign_in("https://api.securitycenter.windows.com"), simulator).status_code == 200


@pytest.mark.parametrize(
    ("text", "begins"),
    [("2026", "Missing application roles. API required"), ("2021", "The application does not")],
)
def test_a_token_without_the_role_is_403(
    text: str,
    begins: str,
    simulator: Any,
    sign_in: Callable[..., requests.Session],
    new_app: Callable[..., str],
) -> None:
    """Both texts that the service is known to say name the roles that would do."""
    scenarios.switches(simulator.world, "endpoint").forbidden_text = text
    client_id = new_app({ENDPOINT_AUDIENCE: {"Machine.Isolate"}})

    answer = get(sign_in(ENDPOINT_AUDIENCE, client_id), simulator)

    assert answer.status_code == 403
    assert answer.json()["error"]["message"].startswith(begins)
    assert "Alert.ReadWrite.All" in answer.json()["error"]["message"]


def test_reading_rights_do_not_write(
    simulator: Any, world: World, sign_in: Callable[..., requests.Session], new_app: Callable[..., str]
) -> None:
    """PATCH needs Alert.ReadWrite.All."""
    [made] = scenarios.add_endpoint_alerts(world)
    session = sign_in(ENDPOINT_AUDIENCE, new_app({ENDPOINT_AUDIENCE: {"Alert.Read.All"}}))

    answer = session.patch(f"{simulator.url}/api/alerts/{made}", json={"status": "Resolved"}, timeout=30)

    assert (answer.status_code, get(session, simulator).status_code) == (403, 200)


def test_the_101st_call_in_a_minute_is_429(endpoint: Api, world: World) -> None:
    """The body carries code "429" and the limit; a minute later the API answers again."""
    statuses = [endpoint("/api/alerts", top=1).status_code for _ in range(100)]
    refused = endpoint("/api/alerts", top=1)
    world.advance(int(refused.headers["Retry-After"]))

    assert set(statuses) == {200}
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "429"
    assert refused.json()["error"]["message"] == "API calls quota exceeded! maximum allowed 100 per 00:01:00"
    assert endpoint("/api/alerts", top=1).status_code == 200


def test_quotas_are_kept_per_app(
    endpoint: Api, simulator: Any, sign_in: Callable[..., requests.Session], new_app: Callable[..., str]
) -> None:
    """One application's haste does not cost another its calls; nor do other endpoints."""
    for _ in range(101):
        last = endpoint("/api/alerts", top=1)
    other = sign_in(ENDPOINT_AUDIENCE, new_app({ENDPOINT_AUDIENCE: {"Alert.Read.All"}}))

    assert last.status_code == 429
    assert get(other, simulator).status_code == 200
    assert endpoint("/api/machines").status_code == 200
