"""The stores under test: whoever asks for `tables`, `queues` or `blobs` gets memory and Azurite in turn."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.core.credentials import AccessToken

from shared.settings import Settings
from shared.store.blobs import azure_blobs
from shared.store.memory import MemoryBlobs, MemoryQueues, MemoryTables
from shared.store.queues import azure_queues
from shared.store.secrets import KeyVaultSecrets
from shared.store.stores import Blobs, Queues, Tables
from shared.store.tables import azure_tables


@pytest.fixture(params=["memory", pytest.param("azurite", marks=pytest.mark.azurite)])
def account(request: pytest.FixtureRequest) -> Settings | None:
    """None for memory; on Azurite, the settings of an account that no other test uses."""
    if request.param == "memory":
        return None
    return Settings(storage=request.getfixturevalue("storage"))


@pytest.fixture
def tables(account: Settings | None) -> Tables:
    """Empty tables."""
    return azure_tables(account) if account else MemoryTables()


@pytest.fixture
def queues(account: Settings | None) -> Queues:
    """Empty queues."""
    return azure_queues(account) if account else MemoryQueues()


@pytest.fixture
def blobs(account: Settings | None) -> Blobs:
    """Empty containers."""
    return azure_blobs(account) if account else MemoryBlobs()


class Vault:
    """A vault's data plane on loopback: challenges, soft delete, refusals on demand."""

    tenant = "72f988bf-0000-4000-8000-000000000001"

    def __init__(self, folder: Path) -> None:
        self.values: dict[str, str] = {}
        self.deleted: dict[str, str] = {}
        self.refuse: tuple[int, str | None] | None = None
        self.requests: list[tuple[str, str, str | None]] = []
        self.asked: list[tuple[str, str | None]] = []
        authority = trustme.CA()
        self.ca_bundle = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_bundle)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answer, self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def secrets(self, **options: Any) -> KeyVaultSecrets:
        """The product's client of this vault, signed in as this vault's own credential."""
        return KeyVaultSecrets(
            self.url, lambda: self, ca_bundle=self.ca_bundle, **{"verify_challenge": False, **options}
        )

    def get_token(self, scope: str, *, tenant_id: str | None = None, **options: Any) -> AccessToken:
        """A token, as azure-identity gives it."""
        self.asked.append((scope, tenant_id))
        return AccessToken("token", 2**33)

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> tuple[int, object]:
        """Status and JSON for a request."""
        self.requests.append((method, path, token))
        if token is None:
            return 401, {}
        if self.refuse:
            status, reason = self.refuse
            return status, {"error": {"code": "Refused", "message": "no", "innererror": {"code": reason}}}
        kind, name, *verb = path.split("?")[0].strip("/").split("/")
        if method == "PUT" and name in self.deleted:
            return 409, {
                "error": {"code": "Conflict", "innererror": {"code": "ObjectIsDeletedButRecoverable"}}
            }
        if method == "PUT":
            self.values[name] = json.loads(body)["value"]
        elif verb == ["recover"]:
            self.values[name] = self.deleted.pop(name)
        place = self.deleted if kind == "deletedsecrets" and not verb else self.values
        if name not in place:
            return 404, {"error": {"code": "SecretNotFound", "message": name}}
        found = {"value": place[name], "id": f"{self.url}/secrets/{name}/1", "attributes": {}}
        if method == "DELETE":
            self.deleted[name] = self.values.pop(name)
            return 200, {**found, "recoveryId": f"{self.url}/deletedsecrets/{name}"}
        return 200, found

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, vault: Vault, *rest: Any) -> None:
        self._vault = vault
        super().__init__(*rest)

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, answer = self._vault.answer(self.command, self.path, self.headers["Authorization"], body)
        content = json.dumps(answer).encode()
        self.send_response(status)
        if self.headers["Authorization"] is None:
            login = f"https://login.microsoftonline.com/{self._vault.tenant}"
            challenge = f'Bearer authorization="{login}", resource="https://vault.azure.net"'
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *words: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """A key vault of this test's own."""
    made = Vault(tmp_path)
    yield made
    made.stop()
