"""Peers and builders of the push tests: a Web Push service, APNs, a certificate authority, and values with
sane defaults."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import http_ece
import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from hypercorn.asyncio import serve
from hypercorn.config import Config

from shared.nouns.detections import Severity, Status
from shared.nouns.notifications import Installation, Notification, Reason, Transport
from shared.push.apns import ApnsTransport
from shared.push.encryption import encode64
from shared.push.signing import new_key
from shared.push.web_push import WebPushTransport

PUBLIC_URL = "https://soc.example.net"


class Vault:
    """Secrets in a dictionary that outlives what uses it."""

    def __init__(self, **values: str) -> None:
        self.values = dict(values)
        self.fails: Exception | None = None

    def get(self, name: str) -> str | None:
        if self.fails:
            raise self.fails
        return self.values.get(name)

    def set(self, name: str, value: str) -> None:
        self.values[name] = value


@dataclass
class Clock:
    """A clock that tests turn."""

    now: datetime = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Answer:
    """What a peer answers."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def saying(cls, status: int, reason: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        return cls(status, json.dumps({"reason": reason, **more}).encode(), headers or {})


@dataclass(frozen=True)
class Request:
    """What a peer received; header names are lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    connection: Any = None


class Browser:
    """The browser's end: registers, and reads what was encrypted for it (by an independent
    implementation)."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = os.urandom(16)

    def subscription(self, endpoint: str) -> dict[str, Any]:
        raw = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {
            "endpoint": endpoint,
            "expirationTime": None,
            "keys": {"p256dh": encode64(raw), "auth": encode64(self.auth)},
        }

    def read(self, body: bytes) -> dict[str, Any]:
        text = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        document: dict[str, Any] = json.loads(text)
        return document


class PushService(ThreadingHTTPServer):
    """A Web Push service over TLS that keeps what it gets and answers what it is told."""

    Answer = Answer
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _PushHandler)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.requests: list[Request] = []
        self.answer = Answer(201)

    @property
    def host(self) -> str:
        return f"localhost:{self.server_port}"

    def endpoint(self, name: str = "phone") -> str:
        return f"https://{self.host}/push/{name}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust us hangs up; that is what some tests want."""


class _PushHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PushService

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.path, headers, body, self.client_address))
        answer = self.server.answer
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


class Apns:
    """APNs over HTTP/2 and TLS: checks the provider token like Apple, then answers what it is told for a
    phone's token."""

    Answer = Answer
    key_id, team_id, topic = "KEY1234567", "TEAM123456", "net.example.pocketsoc"

    def __init__(self, context: ssl.SSLContext, clock: Clock) -> None:
        self.pem = new_key()
        self.clock = clock
        self.requests: list[Request] = []
        self.answers: dict[str, Answer] = {}
        self.skew = timedelta()
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{listener.getsockname()[1]}"
        self._config = _Tls.given(context, listener)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve(self._app, self._config, shutdown_trigger=self._stop.wait))

    async def _app(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] != "http":
            return
        assert scope["http_version"] == "2"
        body, more = b"", True
        while more:
            event = await receive()
            body, more = body + event.get("body", b""), event.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        request = Request(scope["path"], headers, body, tuple(scope["client"]))
        self.requests.append(request)
        answer = self._verdict(request) or self.answers.get(
            scope["path"].removeprefix("/3/device/"), Answer(200)
        )
        named = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": named})
        await send({"type": "http.response.body", "body": answer.body})

    def _verdict(self, request: Request) -> Answer | None:
        token = request.headers["authorization"].removeprefix("bearer ")
        header = jwt.get_unverified_header(token)
        options = {"verify_iat": False, "require": ["iss", "iat"]}
        try:
            claims = jwt.decode(
                token, self._public_key(), algorithms=["ES256"], issuer=self.team_id, options=options
            )
        except jwt.InvalidTokenError:
            return Answer.saying(403, "InvalidProviderToken")
        if header["kid"] != self.key_id:
            return Answer.saying(403, "InvalidProviderToken")
        age = (self.clock.now + self.skew).timestamp() - claims["iat"]
        if age > 3600:
            return Answer.saying(403, "ExpiredProviderToken")
        if request.headers.get("apns-topic") != self.topic:
            return Answer.saying(400, "TopicDisallowed")
        return Answer.saying(413, "PayloadTooLarge") if len(request.body) > 4096 else None

    def _public_key(self) -> Any:
        return load_pem_private_key(self.pem.encode(), None).public_key()


class _Tls(Config):
    """hypercorn on an open socket with a context of our own."""

    context: ssl.SSLContext

    @classmethod
    def given(cls, context: ssl.SSLContext, listener: socket.socket) -> _Tls:
        config = cls()
        context.set_alpn_protocols(["h2"])
        config.context = context
        config.bind = [f"fd://{listener.detach()}"]
        config.graceful_timeout = 0.2
        config.errorlog = None
        return config

    @property
    def ssl_enabled(self) -> bool:
        return True

    def create_ssl_context(self) -> ssl.SSLContext:
        return self.context


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault() -> Vault:
    return Vault()


@pytest.fixture
def browser() -> Browser:
    return Browser()


@pytest.fixture
def push_service(server_context: ssl.SSLContext) -> Iterator[PushService]:
    service = PushService(server_context)
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield service
    service.shutdown()
    service.server_close()
    thread.join(5)


@pytest.fixture
def apns(server_context: ssl.SSLContext, clock: Clock) -> Iterator[Apns]:
    peer = Apns(server_context, clock)
    yield peer
    peer.close()


@pytest.fixture
def make_notification() -> Callable[..., Notification]:
    def make(**changes: Any) -> Notification:
        values: dict[str, Any] = {
            "id": "7f3a-0c21.1",
            "detection_id": "7f3a-0c21",
            "reason": Reason.first_sight,
            "title": "Credential dumping with comsvcs.dll",
            "severity": Severity.high,
            "status": Status.active,
            "vendor": "defender_endpoint",
            "asset": "ws-finance-07",
            "source": "Head office",
            "created": "2026-11-20T10:15:30.1234567Z",
        }
        return Notification(**(values | changes))

    return make


@pytest.fixture
def make_installation() -> Callable[..., Installation]:
    def make(
        registration: dict[str, Any], transport: Transport = Transport.webpush, **changes: Any
    ) -> Installation:
        values: dict[str, Any] = {
            "id": "installation-1",
            "owner": "user-1",
            "name": "Pixel",
            "transport": transport,
            "registration": registration,
            "registered": "2026-11-01T08:00:00.0000000Z",
        }
        return Installation(**(values | changes))

    return make


@pytest.fixture
def make_web_push(vault: Vault, clock: Clock, ca_bundle: str) -> Callable[..., WebPushTransport]:
    def make(*hosts: str, **changes: Any) -> WebPushTransport:
        values: dict[str, Any] = {"public_url": PUBLIC_URL, "ca_bundle": ca_bundle, "clock": clock}
        return WebPushTransport(
            changes.pop("secrets", vault), "mailto:soc@example.net", hosts, **(values | changes)
        )

    return make


@pytest.fixture
def make_apns(clock: Clock, ca_bundle: str, apns: Apns) -> Iterator[Callable[..., ApnsTransport]]:
    made: list[ApnsTransport] = []

    def make(**changes: Any) -> ApnsTransport:
        values: dict[str, Any] = {
            "key_reference": "apns-signing-key",
            "key_id": apns.key_id,
            "team_id": apns.team_id,
            "topic": apns.topic,
            "url": apns.url,
            "public_url": PUBLIC_URL,
            "ca_bundle": ca_bundle,
            "clock": clock,
        }
        secrets = changes.pop("secrets", None) or Vault(**{"apns-signing-key": apns.pem})
        made.append(ApnsTransport(secrets, **(values | changes)))
        return made[-1]

    yield make
    for transport in made:
        transport.close()
