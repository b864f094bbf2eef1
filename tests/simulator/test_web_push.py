"""A Web Push service, fed by an encoder that is not ours (http_ece)."""

from __future__ import annotations

import json
import os
from typing import Any

import http_ece
import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec

from simulator import elliptic, web_push
from simulator.serve import Simulator
from simulator.tokens import b64url
from simulator.world import World

pytestmark = pytest.mark.peer

SERVER_KEY = elliptic.key_named("application server")


@pytest.fixture
def browser(world: World) -> web_push.Subscription:
    """A browser's subscription."""
    return web_push.subscribe(world, "browser")


def encrypt(text: bytes, subscription: dict[str, Any]) -> bytes:
    """An aes128gcm message for what a browser registered, made by http_ece."""
    return bytes(
        http_ece.encrypt(
            text,
            salt=os.urandom(16),
            private_key=ec.generate_private_key(ec.SECP256R1()),
            dh=elliptic.from_b64url(subscription["keys"]["p256dh"]),
            auth_secret=elliptic.from_b64url(subscription["keys"]["auth"]),
            version="aes128gcm",
        )
    )


def vapid(world: World, *, key: Any = SERVER_KEY, lifetime: int = 3600, **changes: Any) -> str:
    """An Authorization header that the service accepts, unless changed."""
    claims = {
        "aud": world.origin,
        "exp": int(world.now().timestamp()) + lifetime,
        "sub": "mailto:soc@example.com",
    }
    token = jwt.encode(claims | changes, key, algorithm="ES256")
    return f"vapid t={token}, k={b64url(elliptic.point(SERVER_KEY.public_key()))}"


def _push(
    world: World,
    http: requests.Session,
    browser: web_push.Subscription,
    payload: Any = None,
    **headers: str | None,
) -> requests.Response:
    registered = browser.as_browser(world)
    sent: dict[str, Any] = {"TTL": "3600", "Content-Encoding": "aes128gcm", "Authorization": vapid(world)}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    body = payload if isinstance(payload, bytes) else encrypt(json.dumps(payload or {}).encode(), registered)
    return http.post(registered["endpoint"], data=body, headers=sent, timeout=10)


def test_a_good_push_is_decrypted_into_the_inbox(
    world: World, http: requests.Session, browser: web_push.Subscription
) -> None:
    """201 with a Location, and the phone shows what was encrypted elsewhere."""
    answer = _push(world, http, browser, {"title": "Something happened"}, Urgency="high", Topic="a-1")
    assert answer.status_code == 201
    assert answer.headers["Location"].startswith(world.origin)
    assert [push.payload for push in browser.phone.screen] == [{"title": "Something happened"}]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"TTL": None}, 400),
        ({"TTL": "soon"}, 400),
        ({"Content_Encoding": "aesgcm"}, 400),
        ({"Urgency": "extreme"}, 400),
        ({"Topic": "x" * 33}, 400),
        ({"Topic": "not/url/safe"}, 400),
        ({"Authorization": None}, 401),
        ({"Authorization": "vapid t=a.b.c, k=AAAA"}, 403),
    ],
)
def test_wrong_headers_are_refused(
    world: World,
    http: requests.Session,
    browser: web_push.Subscription,
    headers: dict[str, str | None],
    status: int,
) -> None:
    """TTL, encoding, urgency, topic and VAPID are all checked; nothing reaches the phone."""
    assert _push(world, http, browser, **headers).status_code == status
    assert browser.phone.received == []


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://push.example"},
        {"lifetime": 25 * 3600},
        {"lifetime": -1},
        {"sub": "soc@example.com"},
        {"key": elliptic.key_named("somebody else")},
    ],
)
def test_a_wrong_vapid_token_is_refused(
    world: World, http: requests.Session, browser: web_push.Subscription, changes: dict[str, Any]
) -> None:
    """Audience, lifetime, contact and signature must be right."""
    assert _push(world, http, browser, Authorization=vapid(world, **changes)).status_code == 403


def test_a_subscription_is_bound_to_its_vapid_key(world: World, http: requests.Session) -> None:
    """A subscription made for one application server takes nothing from another."""
    mine = b64url(elliptic.point(SERVER_KEY.public_key()))
    other = b64url(elliptic.point(elliptic.key_named("other").public_key()))
    bound = web_push.subscribe(world, "bound", application_server_key=mine)
    foreign = web_push.subscribe(world, "foreign", application_server_key=other)
    assert _push(world, http, bound).status_code == 201
    assert _push(world, http, foreign).status_code == 403


def test_a_message_for_other_keys_is_refused(
    world: World, http: requests.Session, browser: web_push.Subscription
) -> None:
    """What the browser could not decrypt is told at once."""
    body = encrypt(b"{}", web_push.subscribe(world, "another").as_browser(world))
    assert _push(world, http, browser, body).status_code == 400


def test_a_message_that_is_too_large_is_refused(
    world: World, http: requests.Session, browser: web_push.Subscription
) -> None:
    """413 above 4096 bytes of body; the limit itself fits."""
    overhead = len(encrypt(b"x", browser.as_browser(world))) - 1
    fits = encrypt(b"x" * (4096 - overhead), browser.as_browser(world))
    assert _push(world, http, browser, fits).status_code == 201
    assert _push(world, http, browser, fits + b"x").status_code == 413


def test_gone_and_unknown_subscriptions_say_so(
    world: World, http: requests.Session, browser: web_push.Subscription
) -> None:
    """410 when it was cancelled, 404 when it never was."""
    browser.gone = True
    gone = _push(world, http, browser)
    browser.id = "0" * 32
    assert (gone.status_code, _push(world, http, browser).status_code) == (410, 404)


def test_throttling_can_be_forced(
    world: World, http: requests.Session, browser: web_push.Subscription
) -> None:
    """429 with Retry-After, once."""
    browser.answer, browser.times, browser.retry_after = 429, 1, 30
    first, second = _push(world, http, browser), _push(world, http, browser)
    assert (first.status_code, first.headers["Retry-After"], second.status_code) == (429, "30", 201)


def test_the_tag_replaces_on_the_screen(
    world: World, http: requests.Session, browser: web_push.Subscription
) -> None:
    """Notifications with one tag show once, in the declarative format as in others."""
    for payload in ({"tag": "a", "n": 1}, {"notification": {"tag": "a"}, "n": 2}, {"tag": "b", "n": 3}):
        _push(world, http, browser, payload)
    assert [push.payload["n"] for push in browser.phone.screen] == [2, 3]


def test_a_topic_replaces_only_what_still_waits(
    world: World, http: requests.Session, browser: web_push.Subscription
) -> None:
    """While the phone is away the service keeps one message per topic; once shown, only a tag replaces."""
    _push(world, http, browser, {"n": 1}, Topic="a")
    browser.phone.online = False
    for number in (2, 3):
        _push(world, http, browser, {"n": number}, Topic="a")
    browser.phone.come_online(world.now())
    assert [push.payload["n"] for push in browser.phone.screen] == [1, 3]


def test_a_message_outlives_not_its_ttl(
    world: World, http: requests.Session, browser: web_push.Subscription
) -> None:
    """TTL 0 is lost on a phone that is away; an hour is kept for less than an hour."""
    browser.phone.online = False
    _push(world, http, browser, {"n": 0}, TTL="0")
    _push(world, http, browser, {"n": 1}, TTL="3600")
    _push(world, http, browser, {"n": 2}, TTL="60")
    world.advance(1800)
    browser.phone.come_online(world.now())
    assert [push.payload["n"] for push in browser.phone.screen] == [1]


def test_people_can_look_at_all_pushes(
    simulator: Simulator, world: World, http: requests.Session, browser: web_push.Subscription
) -> None:
    """`/_control/pushes` lists what came and what shows; DELETE empties it."""
    _push(world, http, browser, {"tag": "a", "n": 1})
    _push(world, http, browser, {"tag": "a", "n": 2})
    view = http.get(f"{simulator.url}/_control/pushes", timeout=10).json()
    shown = {one["name"]: one["shows"] for one in view["phones"]}
    assert (view["count"], shown["browser"]) == (2, [{"tag": "a", "n": 2}])
    http.delete(f"{simulator.url}/_control/pushes", timeout=10)
    assert http.get(f"{simulator.url}/_control/pushes", timeout=10).json()["count"] == 0


def test_another_process_can_subscribe(simulator: Simulator, world: World, http: requests.Session) -> None:
    """The control address hands out what a browser would register, the same after a restart."""
    made = http.post(f"{simulator.url}/_control/subscriptions", json={"name": "e2e"}, timeout=10).json()
    assert made == web_push.subscribe(World.sample(), "e2e").as_browser(world)
