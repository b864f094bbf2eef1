"""A Web Push service (RFC 8030, 8291, 8292) and the browsers that subscribe to it.

`POST /push/{subscription}` is as strict as the strictest real service: TTL, VAPID, aes128gcm, Urgency and
Topic are checked, and the message is decrypted, which a real service cannot; what does not decrypt is refused
here with 400, where a real phone would drop it silently. Which status services use for a bad VAPID token
differs (401 or 403): 401 without one, 403 otherwise. Not verified.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.elliptic import Undecodable, decrypt, es256_claims, from_b64url, key_named, point
from simulator.inbox import Phone, Push, lifetime, phone
from simulator.tokens import b64url
from simulator.world import World

VAPID_LIFETIME = 24 * 3600
_URGENCIES = ("very-low", "low", "normal", "high")
_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass
class Subscription:
    """A browser's subscription. `gone` makes it answer 410; `answer` forces the next `times` answers (None:
    all), `retry_after` with them in seconds. `application_server_key` is the VAPID key it was made for
    (base64url), None: any."""

    id: str
    phone: Phone
    private: ec.EllipticCurvePrivateKey = field(repr=False)
    auth: bytes = field(repr=False)
    application_server_key: str | None = None
    gone: bool = False
    answer: int | None = None
    times: int | None = None
    retry_after: int | None = None

    def as_browser(self, world: World) -> dict[str, Any]:
        """What `PushSubscription.toJSON()` gives in a browser; this is what the web app registers."""
        keys = {"p256dh": b64url(point(self.private.public_key())), "auth": b64url(self.auth)}
        return {"endpoint": f"{world.origin}/push/{self.id}", "expirationTime": None, "keys": keys}


class Refused(Exception):
    """An answer other than 201."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


def subscriptions(world: World) -> dict[str, Subscription]:
    """All subscriptions by id."""
    return world.part("web_push", dict[str, Subscription])


def subscribe(world: World, name: str, *, application_server_key: str | None = None) -> Subscription:
    """Let the browser `name` subscribe. Its keys and id depend on the name only, so that they outlive a
    restart."""
    digest = hashlib.sha256(f"simulator:subscription:{name}".encode()).digest()
    with world.lock:
        made = Subscription(
            id=digest[16:].hex(),
            phone=phone(world, name, "webpush"),
            private=key_named(f"browser {name}"),
            auth=digest[:16],
            application_server_key=application_server_key,
        )
        subscriptions(world)[made.id] = made
    return made


def routes(world: World) -> list[BaseRoute]:
    """The push address, and a way for other processes to get a subscription."""

    async def push(request: Request) -> Response:
        body = await request.body()
        try:
            with world.lock:
                seconds = _accept(world, request, body)
        except Refused as refused:
            message = {"message": str(refused)}
            return JSONResponse(message, status_code=refused.status, headers=refused.headers)
        location = f"{world.origin}/push/message/{uuid4().hex}"
        return Response(status_code=201, headers={"Location": location, "TTL": str(seconds)})

    async def make(request: Request) -> Response:
        asked = json.loads(await request.body() or b"{}")
        key = asked.get("application_server_key")
        made = subscribe(world, asked.get("name", "browser"), application_server_key=key)
        return JSONResponse(made.as_browser(world), status_code=201)

    return [
        Route("/push/{subscription}", push, methods=["POST"]),
        Route("/_control/subscriptions", make, methods=["POST"]),
    ]


def _accept(world: World, request: Request, body: bytes) -> int:
    target = subscriptions(world).get(request.path_params["subscription"])
    if target is None:
        raise Refused(404, "no such subscription")
    if target.gone:
        raise Refused(410, "the subscription has expired or was cancelled")
    _check_vapid(world, target, request.headers.get("authorization", ""))
    seconds = _check_headers(request)
    if len(body) > world.switches.push_payload_limit:
        raise Refused(413, "the message is too large")
    _forced(target)
    target.phone.accept(_push(world, request, target, body, seconds))
    return seconds


def _check_vapid(world: World, target: Subscription, authorization: str) -> None:
    scheme, _, rest = authorization.partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if scheme.lower() != "vapid" or not {"t", "k"} <= set(parts):
        raise Refused(401, "VAPID is missing")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_b64url(parts["k"]))
        claims = es256_claims(parts["t"], key)
    except (ValueError, jwt.PyJWTError) as problem:
        raise Refused(403, "the VAPID key or signature is wrong") from problem
    if target.application_server_key not in (None, parts["k"].rstrip("=")):
        raise Refused(403, "the subscription was made for another VAPID key")
    _check_claims(world, claims)


def _check_claims(world: World, claims: dict[str, Any]) -> None:
    now = world.now().timestamp()
    if claims.get("aud") != world.origin:
        raise Refused(403, "VAPID aud is not this service's origin")
    if not isinstance(claims.get("exp"), int) or not now < claims["exp"] <= now + VAPID_LIFETIME:
        raise Refused(403, "VAPID exp is past or more than 24 hours away")
    # Optional in the RFC; some services insist on it.
    if not str(claims.get("sub", "")).startswith(("mailto:", "https:")):
        raise Refused(403, "VAPID sub is neither mailto: nor https:")


def _check_headers(request: Request) -> int:
    headers = request.headers
    seconds = headers.get("ttl", "")
    for wrong, message in (
        (not seconds.isdigit(), "TTL is missing or no number"),
        (headers.get("content-encoding") != "aes128gcm", "Content-Encoding must be aes128gcm"),
        (headers.get("urgency", "normal") not in _URGENCIES, "Urgency is unknown"),
        (
            not _TOPIC.fullmatch(headers.get("topic", "none")),
            "Topic must be 1 to 32 URL-safe characters",
        ),
    ):
        if wrong:
            raise Refused(400, message)
    return int(seconds)


def _forced(target: Subscription) -> None:
    if target.answer is None or target.times == 0:
        return
    if target.times is not None:
        target.times -= 1
    after = {} if target.retry_after is None else {"Retry-After": str(target.retry_after)}
    raise Refused(target.answer, "as the test wished", after)


def _push(world: World, request: Request, target: Subscription, body: bytes, seconds: int) -> Push:
    try:
        text = decrypt(body, target.private, target.auth)
    except Undecodable as problem:
        raise Refused(400, f"the message cannot be decrypted: {problem}") from problem
    payload = _payload(text)
    wanted = ("ttl", "urgency", "topic", "content-encoding")
    return Push(
        received=world.now(),
        payload=payload,
        headers={name: request.headers[name] for name in wanted if name in request.headers},
        stored_as=request.headers.get("topic"),
        shown_as=_tag(payload),
        expires=lifetime(world, seconds),
    )


def _payload(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode("utf-8", "replace")


def _tag(payload: Any) -> str | None:
    """The notification's tag: in the declarative format below `notification`, in others at the top."""
    if not isinstance(payload, dict):
        return None
    inner = payload.get("notification")
    tag = inner.get("tag") if isinstance(inner, dict) else payload.get("tag")
    return str(tag) if tag else None
