"""Apple's push service: HTTP/2 only, `POST /3/device/{token}`, a provider token (ES256) in `authorization`.

Statuses and reasons are those of Apple's "Handling notification responses from APNs". Order of the checks,
and what the service says to a body that is no JSON object, are not documented; the latter is refused here as
PayloadEmpty so that nobody overlooks it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.elliptic import es256_claims, key_named
from simulator.inbox import Phone, Push, phone
from simulator.world import World

PAYLOAD_LIMIT = 4096
TOKEN_LIFETIME = 3600
TOKEN_REFRESH = 20 * 60
_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}){8,100}")
_PUSH_TYPES = (
    "alert",
    "background",
    "location",
    "voip",
    "complication",
    "fileprovider",
    "mdm",
    "liveactivity",
)


@dataclass(frozen=True)
class Key:
    """A publisher's signing key: the public half, its id, and the team that may sign with it."""

    id: str
    team: str
    public: ec.EllipticCurvePublicKey


@dataclass
class Registered:
    """An app on a phone. `unregistered` is since when the app is gone; `answer` (status, reason) forces the
    next answers, `times` of them (None: all)."""

    token: str
    topic: str
    phone: Phone
    unregistered: datetime | None = None
    answer: tuple[int, str] | None = None
    times: int | None = None


@dataclass
class Apns:
    """Who may push, and to whom. `token_updates` remembers per key the provider token last seen and since
    when."""

    keys: dict[str, Key] = field(default_factory=dict)
    apps: dict[str, Registered] = field(default_factory=dict)
    token_updates: dict[str, tuple[str, datetime]] = field(default_factory=dict)


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, reason: str, **more: Any) -> None:
        super().__init__(reason)
        self.status = status
        self.body = {"reason": reason, **more}


def apns(world: World) -> Apns:
    """The service's state."""
    return world.part("apns", Apns)


def add_key(world: World, *, key_id: str, team: str) -> ec.EllipticCurvePrivateKey:
    """Let a publisher have a signing key, the same one for the same id after every restart."""
    private = key_named(f"apns {team} {key_id}")
    with world.lock:
        apns(world).keys[key_id] = Key(key_id, team, private.public_key())
    return private


def install(world: World, name: str, *, topic: str) -> Registered:
    """Put the app `topic` on the phone `name`; its device token depends on both names only."""
    token = hashlib.sha256(f"simulator:{topic}:{name}".encode()).hexdigest()
    with world.lock:
        made = Registered(token, topic, phone(world, name, "apns"))
        apns(world).apps[token] = made
    return made


def routes(world: World) -> list[BaseRoute]:
    """The one address."""

    async def device(request: Request) -> Response:
        body = await request.body()
        # Apple sends the id in upper case, as it prints them.
        headers = {"apns-id": request.headers.get("apns-id") or str(uuid4()).upper()}
        try:
            with world.lock:
                _accept(world, request, body)
        except Refused as refused:
            return JSONResponse(refused.body, status_code=refused.status, headers=headers)
        return Response(status_code=200, headers=headers)

    return [Route("/3/device/{token}", device, methods=["POST", "GET", "PUT", "DELETE"])]


def _accept(world: World, request: Request, body: bytes) -> None:
    if request.scope["http_version"] != "2":
        raise Refused(505, "HTTP/2 is required")  # the real service does not even speak HTTP/1.1
    if request.method != "POST":
        raise Refused(405, "MethodNotAllowed")
    _check_provider_token(world, request.headers.get("authorization", ""))
    payload = _checked_payload(body)
    _check_headers(request)
    app = _addressee(world, request)
    _forced(app)
    app.phone.accept(_push(world, request, payload, app))


def _check_provider_token(world: World, authorization: str) -> None:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused(403, "MissingProviderToken")
    claims, key = _provider(world, token)
    age = world.now().timestamp() - claims["iat"]
    if age > TOKEN_LIFETIME or age < -TOKEN_LIFETIME:
        raise Refused(403, "ExpiredProviderToken")
    last, since = apns(world).token_updates.get(key.id, ("", datetime.min.replace(tzinfo=UTC)))
    if token != last:
        if world.switches.apns_token_updates and (world.now() - since).total_seconds() < TOKEN_REFRESH:
            raise Refused(429, "TooManyProviderTokenUpdates")
        apns(world).token_updates[key.id] = (token, world.now())


def _provider(world: World, token: str) -> tuple[dict[str, Any], Key]:
    try:
        key = apns(world).keys[jwt.get_unverified_header(token)["kid"]]
        claims = es256_claims(token, key.public)
    except (jwt.PyJWTError, KeyError) as problem:
        raise Refused(403, "InvalidProviderToken") from problem
    if claims.get("iss") != key.team or not isinstance(claims.get("iat"), int):
        raise Refused(403, "InvalidProviderToken")
    return claims, key


def _checked_payload(body: bytes) -> dict[str, Any]:
    if len(body) > PAYLOAD_LIMIT:
        raise Refused(413, "PayloadTooLarge")
    try:
        payload = json.loads(body)
    except ValueError as problem:
        raise Refused(400, "PayloadEmpty") from problem
    if not isinstance(payload, dict) or not payload:
        raise Refused(400, "PayloadEmpty")
    return payload


def _check_headers(request: Request) -> None:
    headers = request.headers
    for wrong, reason in (
        (not _is_uuid(headers.get("apns-id", "00000000-0000-0000-0000-000000000000")), "BadMessageId"),
        (not headers.get("apns-topic"), "MissingTopic"),
        (headers.get("apns-push-type", "alert") not in _PUSH_TYPES, "InvalidPushType"),
        (headers.get("apns-priority", "10") not in ("1", "5", "10"), "BadPriority"),
        (not headers.get("apns-expiration", "0").isdigit(), "BadExpirationDate"),
        (len(headers.get("apns-collapse-id", "").encode()) > 64, "BadCollapseId"),
    ):
        if wrong:
            raise Refused(400, reason)


def _addressee(world: World, request: Request) -> Registered:
    token = request.path_params["token"]
    app = apns(world).apps.get(token.lower())
    if app is None or not _TOKEN.fullmatch(token):
        raise Refused(400, "BadDeviceToken")
    if app.topic != request.headers["apns-topic"]:
        raise Refused(400, "DeviceTokenNotForTopic")
    if app.unregistered is not None:
        raise Refused(410, "Unregistered", timestamp=int(app.unregistered.timestamp() * 1000))
    return app


def _forced(app: Registered) -> None:
    if app.answer is None or app.times == 0:
        return
    if app.times is not None:
        app.times -= 1
    raise Refused(*app.answer)


def _push(world: World, request: Request, payload: dict[str, Any], app: Registered) -> Push:
    names = [name for name in request.headers if name.startswith("apns-")]
    until = request.headers.get("apns-expiration")
    return Push(
        received=world.now(),
        payload=payload,
        headers={name: request.headers[name] for name in names},
        stored_as=app.topic,  # one waiting notification per app
        shown_as=request.headers.get("apns-collapse-id"),
        # An absolute time. 0: try once. A small number is a day in 1970, and the push is lost on a phone that
        # is away.
        expires=None if until is None else datetime.fromtimestamp(int(until), UTC),
    )


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
