"""Who may call Azure Resource Manager for Defender for Cloud, and how often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from simulator import scenarios
from simulator.cloud_access import cloud
from simulator.sample import ARM_AUDIENCE, ENDPOINT_AUDIENCE, SUBSCRIPTION_ID
from simulator.world import World

Api = Any
ALERTS = "/providers/Microsoft.Security/alerts"


def refused(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("", "MissingApiVersionParameter"),
        ("?api-version=latest", "InvalidApiVersionParameter"),
        ("?api-version=2030-01-01", "NoRegisteredProviderFound"),
    ],
)
def test_the_api_version_is_checked(version: str, code: str, arm: Api) -> None:
    """400, before anything else."""
    assert refused(arm(f"{arm.url}{ALERTS}{version}")) == (400, code)


def test_a_token_for_another_api_is_401(arm: Api, world: World) -> None:
    """InvalidAuthenticationToken."""
    arm.token = lambda: world.token(ENDPOINT_AUDIENCE)

    assert refused(arm(ALERTS)) == (401, "InvalidAuthenticationToken")


def test_an_expired_token_is_401(arm: Api, world: World) -> None:
    """ExpiredAuthenticationToken."""
    old = world.token(ARM_AUDIENCE)
    world.advance(7200)
    arm.token = lambda: old

    assert refused(arm(ALERTS)) == (401, "ExpiredAuthenticationToken")


def test_a_subscription_of_another_tenant_is_401(arm: Api, world: World) -> None:
    """InvalidAuthenticationTokenTenant."""
    other = "0a1b2c3d-0000-4000-8000-00000000beef"
    cloud(world).add(other, "0a1b2c3d-1111-4000-8000-00000000beef")

    answer = arm(f"{arm.url.replace(SUBSCRIPTION_ID, other)}{ALERTS}?api-version=2022-01-01")

    assert refused(answer) == (401, "InvalidAuthenticationTokenTenant")


def test_an_unknown_subscription_is_404(arm: Api) -> None:
    """SubscriptionNotFound."""
    unknown = arm.url.replace(SUBSCRIPTION_ID, "0a1b2c3d-0000-4000-8000-000000000404")

    assert refused(arm(f"{unknown}{ALERTS}?api-version=2022-01-01")) == (404, "SubscriptionNotFound")


def test_without_a_role_it_is_403(arm: Api, world: World, new_app: Callable[..., str]) -> None:
    """AuthorizationFailed names the action."""
    client_id = new_app({})
    arm.token = lambda: world.token(ARM_AUDIENCE, client_id=client_id)

    answer = arm(ALERTS)

    assert refused(answer) == (403, "AuthorizationFailed")
    assert "Microsoft.Security/alerts/read" in answer.json()["error"]["message"]


def test_a_reader_does_not_write(arm: Api, world: World, new_app: Callable[..., str]) -> None:
    """Security Reader lists, and may not dismiss."""
    scenarios.add_cloud_alerts(world)
    client_id = new_app({}, {SUBSCRIPTION_ID: {"Security Reader"}})
    arm.token = lambda: world.token(ARM_AUDIENCE, client_id=client_id)
    [row] = arm(ALERTS).json()["value"]

    answer = arm(row["id"].removeprefix(f"/subscriptions/{SUBSCRIPTION_ID}") + "/dismiss", "POST")

    assert refused(answer) == (403, "AuthorizationFailed")


def test_the_read_bucket_empties_and_refills(arm: Api, world: World) -> None:
    """250 reads, the remaining number going down; then 429 with Retry-After; 25 come back each second."""
    left = [int(arm(ALERTS).headers["x-ms-ratelimit-remaining-subscription-reads"]) for _ in range(250)]
    empty = arm(ALERTS)
    world.advance(1)

    assert left == list(range(249, -1, -1))
    assert refused(empty) == (429, "TooManyRequests")
    assert empty.headers["Retry-After"] == "1"
    assert arm(ALERTS).headers["x-ms-ratelimit-remaining-subscription-reads"] == "24"
