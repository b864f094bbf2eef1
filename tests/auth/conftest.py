"""The simulated Microsoft cloud to sign in at, and builders for what a sign-in needs."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from shared.auth.sign_in import token_source
from shared.auth.tokens import TokenSource
from shared.nouns.configurations import CLOUDS, CloudName, Configuration
from simulator import sample
from simulator.serve import Simulator
from simulator.world import App, Tenant

GOVERNMENT_TENANT = "6b4f22e1-8d55-4f1c-8b62-0c0ffee00041"
GOVERNMENT_CLIENT = "d2d9b3e7-a104-4e6b-98f5-0c0ffee00043"
_IDENTITY_VARIABLES = (
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "WEBSITE_INSTANCE_ID",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
)


class FakeSecrets:
    """A secret store that counts how often it is asked."""

    def __init__(self) -> None:
        self.values = {"secret-1": sample.CLIENT_SECRET}
        self.reads = 0

    def get(self, name: str) -> str | None:
        self.reads += 1
        return self.values.get(name)


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture(scope="session")
def running_cloud() -> Iterator[Simulator]:
    """One simulator for the session."""
    with Simulator() as running:
        government = Tenant(GOVERNMENT_TENANT, "gov.example", cloud="us_government")
        running.world.tenants[government.id] = government
        commercial = running.world.app(sample.CLIENT_ID)
        assert commercial
        running.world.add(
            App("gov-object", government.id, "PocketSOC", {}, {}, GOVERNMENT_CLIENT, commercial.secrets)
        )
        yield running


@pytest.fixture
def cloud(running_cloud: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The simulator without faults and counts, and an environment without managed identity."""
    for name in _IDENTITY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    resources = list(running_cloud.world.resources)
    running_cloud.world.requests.clear()
    yield running_cloud
    running_cloud.world.faults.clear()
    running_cloud.world.resources[:] = resources


@pytest.fixture
def secrets() -> FakeSecrets:
    """Holds the simulated app's secret as `secret-1`."""
    return FakeSecrets()


@pytest.fixture
def clock() -> Clock:
    """The clock that the usual source goes by."""
    return Clock()


@pytest.fixture
def make_source(cloud: Simulator, secrets: FakeSecrets, clock: Clock) -> Callable[..., TokenSource]:
    """A token source of the simulated app; keywords change the configuration and the source's own."""

    def make(
        *,
        authority: str | None = None,
        ca_bundle: str | None = None,
        identity_client_id: str | None = None,
        **changed: Any,
    ) -> TokenSource:
        usual = {
            "id": "c1",
            "vendor": "defender_endpoint",
            "display_name": "Endpoint",
            "tenant_id": sample.TENANT_ID,
            "client_id": sample.CLIENT_ID,
            "secret_reference": "secret-1",
        }
        configuration = Configuration(**{**usual, **changed})
        where = CLOUDS[CloudName(configuration.cloud)].model_copy(
            update={"authority": authority or cloud.url}
        )
        return token_source(
            configuration,
            where,
            secrets,
            ca_bundle=ca_bundle or cloud.ca_bundle,
            identity_client_id=identity_client_id,
            clock=clock,
        )

    return make


@pytest.fixture
def source(make_source: Callable[..., TokenSource]) -> TokenSource:
    """The usual source."""
    return make_source()


@pytest.fixture
def posts(cloud: Simulator) -> Callable[[], int]:
    """How many tokens have been asked for at the token endpoint."""
    return lambda: sum(n for key, n in cloud.world.requests.items() if key.endswith("/oauth2/v2.0/token"))


class OddServer:
    """An https server that answers each path (whatever its query) as told, and 404 otherwise."""

    def __init__(self, certificate: trustme.LeafCert, ca_bundle: str) -> None:
        self.ca_bundle = ca_bundle
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.seen: list[tuple[str, bytes]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"https://localhost:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)


def _handler(server: OddServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.seen.append((self.path, body))
            status, content = server.answers.get(self.path.partition("?")[0], (404, b"{}"))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@pytest.fixture
def odd_server(tmp_path: Path) -> Iterator[OddServer]:
    """A sign-in service that does what the real one should not."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "odd-ca.pem"))
    running = OddServer(authority.issue_cert("localhost"), str(tmp_path / "odd-ca.pem"))
    yield running
    running.stop()
