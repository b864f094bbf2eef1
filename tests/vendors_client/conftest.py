"""A vendor on loopback that answers https requests as it is told, and a client that talks to it."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from shared.vendors.client import ApiClient

AUDIENCE = "https://api.vendor.example"


@dataclass
class Reply:
    """One scripted answer. `drop` closes the connection instead, `cut` in the middle of the body."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    cut: bool = False
    delay: float = 0.0

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Seen:
    """One request as it arrived; `target` is the request line's, `peer` tells connections apart."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    peer: tuple[str, int]


class ScriptedServer:
    """Answers each request with the next reply, and with `{}` when there is none left."""

    def __init__(self, certificate: trustme.LeafCert) -> None:
        self.replies: list[Reply] = []
        self.seen: list[Seen] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        # The handshake is left to the request's thread, so that a client that refuses us harms nobody else.
        self._http.socket = context.wrap_socket(
            self._http.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._http.server_address[1]
        self.url = f"https://localhost:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def script(self, *replies: Reply) -> None:
        """Say what comes next."""
        self.replies.extend(replies)

    def stop(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True

        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.seen.append(
                Seen(self.command, self.path, headers, self.rfile.read(size), self.client_address)
            )
            reply = server.replies.pop(0) if server.replies else Reply()
            time.sleep(reply.delay)
            if reply.drop:
                self.close_connection = True
                return
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.content) + (100 if reply.cut else 0)))
            self.end_headers()
            self.wfile.write(reply.content)
            self.close_connection = self.close_connection or reply.cut

        do_GET = do_POST = do_PATCH = do_PUT = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@dataclass
class CountedTokens:
    """A TokenSource whose token changes with each refresh."""

    made: int = 1
    asked: list[tuple[str, bool]] = field(default_factory=list)
    text: str = "secret-token"

    def token(self, audience: str, *, refresh: bool = False) -> str:
        self.asked.append((audience, refresh))
        self.made += refresh
        return f"{self.text}-{self.made}"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The certificate authority that signed the servers."""
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its PEM file."""
    path: Path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def start_server(authority: trustme.CA) -> Iterator[Callable[..., ScriptedServer]]:
    """Starts a vendor whose certificate is for these names."""
    started: list[ScriptedServer] = []

    def start(*names: str) -> ScriptedServer:
        started.append(ScriptedServer(authority.issue_cert(*names)))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def server(start_server: Callable[..., ScriptedServer]) -> ScriptedServer:
    """The vendor."""
    return start_server("localhost", "127.0.0.1")


@pytest.fixture
def tokens() -> CountedTokens:
    """Where the client gets its tokens."""
    return CountedTokens()


@pytest.fixture
def make_client(server: ScriptedServer, tokens: CountedTokens, ca_bundle: str) -> Callable[..., ApiClient]:
    """A client of the vendor; keywords replace the usual ones."""

    def make(**changed: Any) -> ApiClient:
        usual = {"root": server.url, "tokens": tokens, "audience": AUDIENCE, "vendor_title": "Vendor X"}
        return ApiClient(**{**usual, "ca_bundle": ca_bundle, **changed})

    return make


@pytest.fixture
def client(make_client: Callable[..., ApiClient]) -> ApiClient:
    """The usual client."""
    return make_client()


@pytest.fixture
def reply() -> type[Reply]:
    """The builder of scripted answers."""
    return Reply


@pytest.fixture
def refusal() -> Callable[..., Reply]:
    """An answer with the error body that the vendors have in common."""

    def build(
        status: int, code: str = "", message: str = "", *, target: str | None = None, **headers: str
    ) -> Reply:
        error = {"code": code, "message": message} | ({"target": target} if target else {})
        return Reply(status, {"error": error}, {k.replace("_", "-"): v for k, v in headers.items()})

    return build
