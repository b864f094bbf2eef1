"""Apple's push service over real HTTP/2."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import jwt
import pytest
import requests

from simulator import apns, elliptic, sample
from simulator.serve import Simulator
from simulator.world import World

pytestmark = pytest.mark.peer

ALERT = {"aps": {"alert": {"title": "Something happened"}}}


@pytest.fixture
def app(world: World) -> apns.Registered:
    """The app on a phone of this test."""
    return apns.install(world, "iphone", topic=sample.APNS_TOPIC)


def provider_token(world: World, *, age: int = 0, key: Any = None, **changes: Any) -> str:
    """A provider token issued `age` seconds ago in the world's time."""
    claims = {"iss": sample.APNS_TEAM_ID, "iat": int(world.now().timestamp()) - age} | changes
    headers = {"kid": sample.APNS_KEY_ID}
    return jwt.encode(claims, key or sample.apns_signing_key(), algorithm="ES256", headers=headers)


def _push(
    http2: httpx2.Client, token: str, device: str, payload: Any = ALERT, **headers: str
) -> httpx2.Response:
    sent = {"authorization": f"bearer {token}", "apns-topic": sample.APNS_TOPIC, "apns-push-type": "alert"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return http2.post(f"/3/device/{device}", content=content, headers=sent)


def test_a_good_push_arrives(world: World, http2: httpx2.Client, app: apns.Registered) -> None:
    """200 with the id that was sent, over HTTP/2, and the phone shows the payload."""
    identity = "0F0E0D0C-1111-4222-8333-444455556666"
    answer = _push(http2, provider_token(world), app.token, apns_id=identity)
    assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
    assert answer.headers["apns-id"] == identity
    assert [push.payload for push in app.phone.screen] == [ALERT]


def test_http_1_is_not_spoken(simulator: Simulator, http: requests.Session, app: apns.Registered) -> None:
    """A client without HTTP/2 cannot push."""
    headers = {"authorization": f"bearer {provider_token(simulator.world)}"}
    answer = http.post(f"{simulator.url}/3/device/{app.token}", json=ALERT, headers=headers, timeout=10)
    assert answer.status_code == 505
    assert app.phone.received == []


def test_a_collapse_id_replaces_what_the_phone_shows(
    world: World, http2: httpx2.Client, app: apns.Registered
) -> None:
    """Two pushes, one notification on the screen: the newer."""
    token = provider_token(world)
    for number in (1, 2):
        _push(http2, token, app.token, ALERT | {"n": number}, apns_collapse_id="same")
    assert len(app.phone.received) == 2
    assert [push.payload["n"] for push in app.phone.screen] == [2]


def test_a_phone_that_is_away_gets_only_the_newest(
    world: World, http2: httpx2.Client, app: apns.Registered
) -> None:
    """APNs stores one notification per app."""
    app.phone.online = False
    token, later = provider_token(world), str(int(world.now().timestamp()) + 3600)
    for number in (1, 2):
        _push(http2, token, app.token, ALERT | {"n": number}, apns_expiration=later)
    app.phone.come_online(world.now())
    assert [push.payload["n"] for push in app.phone.screen] == [2]


def test_a_small_expiration_is_a_day_in_1970(
    world: World, http2: httpx2.Client, app: apns.Registered
) -> None:
    """`apns-expiration` is absolute: 3600 loses the push on a phone that is away."""
    app.phone.online = False
    _push(http2, provider_token(world), app.token, apns_expiration="3600")
    app.phone.come_online(world.now())
    assert app.phone.screen == []


def test_an_old_provider_token_is_expired(world: World, http2: httpx2.Client, app: apns.Registered) -> None:
    """Older than an hour: 403 ExpiredProviderToken; just below is fine."""
    fine = _push(http2, provider_token(world, age=3500), app.token)
    world.advance(1200)
    old = _push(http2, provider_token(world, age=3700), app.token)
    assert fine.status_code == 200
    assert (old.status_code, old.json()["reason"]) == (403, "ExpiredProviderToken")


@pytest.mark.parametrize(
    "changes", [{"iss": "SOMEBODY01"}, {"iat": "yesterday"}, {"key": elliptic.key_named("another")}]
)
def test_a_wrong_provider_token_is_invalid(
    world: World, http2: httpx2.Client, app: apns.Registered, changes: dict[str, Any]
) -> None:
    """Wrong team, wrong time, wrong key: 403 InvalidProviderToken."""
    answer = _push(http2, provider_token(world, **changes), app.token)
    assert (answer.status_code, answer.json()["reason"]) == (403, "InvalidProviderToken")


def test_provider_tokens_may_not_change_too_often(
    world: World, http2: httpx2.Client, app: apns.Registered
) -> None:
    """A second token within 20 minutes: 429; later it is accepted."""
    _push(http2, provider_token(world), app.token)
    early = _push(http2, provider_token(world), app.token)
    world.advance(21 * 60)
    late = _push(http2, provider_token(world), app.token)
    assert (early.status_code, early.json()["reason"]) == (429, "TooManyProviderTokenUpdates")
    assert late.status_code == 200


@pytest.mark.parametrize(
    ("headers", "payload", "status", "reason"),
    [
        ({"authorization": ""}, ALERT, 403, "MissingProviderToken"),
        ({"apns_topic": ""}, ALERT, 400, "MissingTopic"),
        ({"apns_topic": "another.app"}, ALERT, 400, "DeviceTokenNotForTopic"),
        ({"apns_priority": "7"}, ALERT, 400, "BadPriority"),
        ({"apns_push_type": "shout"}, ALERT, 400, "InvalidPushType"),
        ({"apns_collapse_id": "x" * 65}, ALERT, 400, "BadCollapseId"),
        ({"apns_expiration": "soon"}, ALERT, 400, "BadExpirationDate"),
        ({"apns_id": "not-a-uuid"}, ALERT, 400, "BadMessageId"),
        ({}, b"", 400, "PayloadEmpty"),
        ({}, {"aps": "x" * 4096}, 413, "PayloadTooLarge"),
    ],
)
def test_each_mistake_has_its_reason(
    world: World,
    http2: httpx2.Client,
    app: apns.Registered,
    headers: dict[str, str],
    payload: Any,
    status: int,
    reason: str,
) -> None:
    """Apple's statuses and reasons; nothing reaches the phone."""
    answer = _push(http2, provider_token(world), app.token, payload, **headers)
    assert (answer.status_code, answer.json()) == (status, {"reason": reason})
    assert app.phone.received == []


def test_exactly_4096_bytes_fit(world: World, http2: httpx2.Client, app: apns.Registered) -> None:
    """The limit itself is allowed."""
    payload = json.dumps({"aps": "x" * (4096 - len('{"aps": ""}'))}).encode()
    assert len(payload) == 4096
    assert _push(http2, provider_token(world), app.token, payload).status_code == 200


def test_an_unknown_device_token_is_bad(world: World, http2: httpx2.Client) -> None:
    """400 BadDeviceToken."""
    answer = _push(http2, provider_token(world), "ab" * 32)
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadDeviceToken")


def test_a_removed_app_is_unregistered_since(
    world: World, http2: httpx2.Client, app: apns.Registered
) -> None:
    """410 with the time, in milliseconds, since when the app is gone."""
    app.unregistered = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(milliseconds=250)
    answer = _push(http2, provider_token(world), app.token)
    assert answer.status_code == 410
    assert answer.json() == {"reason": "Unregistered", "timestamp": 1793491200250}


def test_an_answer_can_be_forced_for_a_while(
    world: World, http2: httpx2.Client, app: apns.Registered
) -> None:
    """429 twice, then the push goes through."""
    app.answer, app.times = (429, "TooManyRequests"), 2
    token = provider_token(world)
    assert [_push(http2, token, app.token).status_code for _ in range(3)] == [429, 429, 200]
