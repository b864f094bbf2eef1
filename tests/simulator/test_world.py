"""The world's own promises: clock, tokens, and what the APIs check about them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.requests import Request

from simulator import sample, tokens
from simulator.world import Denied, World


@pytest.fixture
def world() -> World:
    """A world that nobody serves; its clock stands still until moved."""
    start = datetime(2026, 11, 20, 12, tzinfo=UTC)
    return World.sample(clock=lambda: start)


def _request(authorization: str | None) -> Request:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    return Request({"type": "http", "headers": headers})


def _denied(world: World, authorization: str | None, audience: str = sample.ARM_AUDIENCE) -> str:
    with pytest.raises(Denied) as denied:
        world.verify(_request(authorization), audience=audience)
    return denied.value.kind


def _claims(world: World, **changes: Any) -> dict[str, Any]:
    now = int(world.now().timestamp())
    claims = {"aud": sample.ARM_AUDIENCE, "tid": sample.TENANT_ID, "oid": "x", "nbf": now, "exp": now + 60}
    return claims | changes


def test_the_clock_stands_until_it_is_moved(world: World) -> None:
    """Time is a thing of the world."""
    world.advance(90)
    assert world.now() == datetime(2026, 11, 20, 12, 1, 30, tzinfo=UTC)


def test_a_part_keeps_its_state(world: World) -> None:
    """The same object for the same name."""
    world.part("mine", dict[str, int])["a"] = 1
    assert world.part("mine", dict[str, int]) == {"a": 1}


def test_a_good_token_gives_its_claims(world: World) -> None:
    """Audience with or without trailing slash, one or several accepted."""
    token = world.token(f"{sample.ARM_AUDIENCE}/")
    accepted = ["https://other.example", sample.ARM_AUDIENCE]
    claims = world.verify(_request(f"Bearer {token}"), audience=accepted)
    assert (claims["oid"], claims["appid"]) == (sample.CLIENT_OBJECT_ID, sample.CLIENT_ID)


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic abc"])
def test_no_token_is_missing(world: World, authorization: str | None) -> None:
    """Anything that is no bearer token counts as none."""
    assert _denied(world, authorization) == "missing"


@pytest.mark.parametrize("token", ["abc", "a.b.c"])
def test_nonsense_is_malformed(world: World, token: str) -> None:
    """What is no JWT is told apart from a wrong one."""
    assert _denied(world, f"Bearer {token}") == "malformed"


def test_a_token_of_a_stranger_has_a_wrong_signature(world: World) -> None:
    """A key that is not published, even under a published kid."""
    stranger = tokens.SigningKey.new()
    forged = tokens.SigningKey(world.keys.live()[0].kid, stranger.private, stranger.certificate)
    assert _denied(world, f"Bearer {tokens.sign(world, _claims(world), key=stranger)}") == "signature"
    assert _denied(world, f"Bearer {tokens.sign(world, _claims(world), key=forged)}") == "signature"


def test_an_unsigned_token_is_refused(world: World) -> None:
    """`alg: none` never passes."""
    kid = world.keys.live()[0].kid
    parts = [{"alg": "none", "kid": kid}, _claims(world)]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    assert _denied(world, f"Bearer {encoded[0]}.{encoded[1]}.") == "signature"


def test_a_token_expires_five_minutes_after_its_end(world: World) -> None:
    """The APIs forgive five minutes of clock difference, not more."""
    token = world.token(sample.ARM_AUDIENCE, lifetime=3599)
    world.advance(3599 + 299)
    world.verify(_request(f"Bearer {token}"), audience=sample.ARM_AUDIENCE)
    world.advance(1)
    assert _denied(world, f"Bearer {token}") == "expired"


def test_a_token_for_another_api_is_refused(world: World) -> None:
    """A Defender for Endpoint token is no use at ARM."""
    assert _denied(world, f"Bearer {world.token(sample.ENDPOINT_AUDIENCE)}") == "audience"


def test_a_token_of_an_unknown_tenant_is_refused(world: World) -> None:
    """Even if well signed."""
    token = tokens.sign(world, _claims(world, tid="00000000-0000-4000-8000-000000000000"))
    assert _denied(world, f"Bearer {token}") == "tenant"


def test_in_the_wrong_cloud_every_token_is_refused(world: World) -> None:
    """The switch for addresses of another cloud."""
    world.switches.wrong_cloud = True
    assert _denied(world, f"Bearer {world.token(sample.ARM_AUDIENCE)}") == "wrong_cloud"


def test_a_token_signed_before_a_rollover_is_still_good(world: World) -> None:
    """One rollover withdraws the oldest key only; two withdraw the one that signed."""
    token = world.token(sample.ARM_AUDIENCE)
    world.keys.roll()
    world.verify(_request(f"Bearer {token}"), audience=sample.ARM_AUDIENCE)
    world.keys.roll()
    assert _denied(world, f"Bearer {token}") == "signature"


def test_a_user_without_role_has_no_roles_claim(world: World) -> None:
    """Any user of the tenant can get a token for an API; the role is what counts."""
    claims = world.verify(_request(f"Bearer {world.api_token(None)}"), audience=sample.API_CLIENT_ID)
    assert "roles" not in claims
    assert claims["scp"] == "access_as_user"


def test_an_api_of_version_1_names_its_uri(world: World) -> None:
    """The API's registration decides the shape of its tokens."""
    old = next(one for one in world.resources if one.app_id == sample.API_CLIENT_ID)
    world.resources[world.resources.index(old)] = replace(old, version=1)
    claims = world.verify(_request(f"Bearer {world.api_token('Admin')}"), audience=sample.API_AUDIENCE)
    assert (claims["ver"], claims["iss"]) == ("1.0", f"https://sts.windows.net/{sample.TENANT_ID}/")
