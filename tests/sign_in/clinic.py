"""A product whose configurations sign in at the simulated Entra ID in every way, asked through its API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from fastapi.testclient import TestClient

from shared.bootstrap import Parts
from simulator import sample
from simulator.entra_people import decide
from simulator.entra_proof import register_certificate
from simulator.serve import Simulator
from simulator.world import App, World

APP_WAYS = ("client_secret", "certificate", "federated", "managed_identity")
PERSON_WAYS = ("device_code", "authorization_code")
TRACE = re.compile(r" Trace id [0-9a-f-]{36}, [0-9-]{10} [0-9:]{8}Z\.")
VENDORS: dict[str, dict[str, Any]] = {
    "defender_endpoint": {},
    "defender_for_cloud": {"subscription_id": sample.SUBSCRIPTION_ID},
}


ROLES = {
    sample.ENDPOINT_AUDIENCE: {
        "Alert.Read.All",
        "Alert.ReadWrite.All",
        "Machine.Read.All",
        "Machine.Isolate",
    },
    sample.GRAPH_AUDIENCE: {"Application.Read.All"},
}
SCOPES = {
    sample.ENDPOINT_AUDIENCE: {"Alert.Read", "Alert.ReadWrite", "Machine.Read"},
    sample.ARM_AUDIENCE: {"user_impersonation"},
}


@dataclass
class Clinic:
    """The product with everything around it; time is the simulated world's. `pem` is a certificate with its
    private key."""

    parts: Parts
    simulator: Simulator
    client: TestClient
    pem: str

    @property
    def world(self) -> World:
        """The simulated Microsoft cloud."""
        return self.simulator.world

    @property
    def app(self) -> App:
        """The app that the configurations sign in as."""
        found = self.world.app(sample.CLIENT_ID, sample.TENANT_ID)
        assert found is not None
        return found

    def _send(self, method: str, path: str, body: Any) -> Any:
        skew, self.world.switches.clock_skew = self.world.switches.clock_skew, 0.0
        headers = {"Authorization": f"Bearer {self.world.api_token('Admin')}"}
        self.world.switches.clock_skew = skew
        return self.client.request(method, f"/api/v1{path}", json=body, headers=headers)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call as Admin; its answer."""
        answer = self._send(method, path, body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def refuse(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """One call as Admin that is refused: status and words."""
        answer = self._send(method, path, body)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, answer.json()["detail"]

    def configure(self, way: str, vendor: str = "defender_endpoint", **fields: Any) -> str:
        """A configuration that signs in in this way, ready to be used but for a person; its id."""
        usual: dict[str, Any] = {
            "display_name": f"{vendor} by {way}",
            "auth_type": way,
            "tenant_id": sample.TENANT_ID,
            "client_id": sample.CLIENT_ID,
            **VENDORS[vendor],
        }
        if way == "client_secret":
            usual["client_secret"] = sample.CLIENT_SECRET
        if way == "certificate":
            usual["certificate"] = self.pem
        if way == "managed_identity":
            usual["client_id"] = sample.USER_IDENTITY_CLIENT_ID
        made = self.call("POST", "/configurations", {"vendor": vendor, "fields": usual | fields})
        return str(made["id"])

    def check(self, id: str) -> dict[str, Any]:
        """The doctor's answer now."""
        found: dict[str, Any] = self.call("POST", f"/configurations/{id}/check")
        return found

    def start(self, id: str, way: str, **more: Any) -> dict[str, Any]:
        """Begin a person's sign-in."""
        begun: dict[str, Any] = self.call("POST", f"/configurations/{id}/sign-in", {"method": way, **more})
        return begun

    def look(self, id: str) -> dict[str, Any]:
        """How it stands."""
        found: dict[str, Any] = self.call("GET", f"/configurations/{id}/sign-in")
        return found

    def complete(self, id: str, **body: Any) -> dict[str, Any]:
        """Complete it in the browser's way."""
        done: dict[str, Any] = self.call("POST", f"/configurations/{id}/sign-in/complete", body)
        return done

    def browse(self, begun: dict[str, Any], user: str = "") -> str:
        """Open the page as a browser does; where it ends."""
        self.world.switches.signs_in = user
        address = begun["authorize_url"]
        answer = requests.get(address, verify=self.simulator.ca_bundle, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def sign_in(self, id: str, way: str, user: str = "") -> dict[str, Any]:
        """A person's whole sign-in; how it stands then."""
        begun = self.start(id, way)
        if way == "authorization_code":
            return self.complete(id, redirect_url=self.browse(begun, user))
        decide(self.world, begun["user_code"], user)
        self.world.advance(begun["interval"])
        return self.look(id)

    def ready(self, way: str, vendor: str = "defender_endpoint", **fields: Any) -> str:
        """A configuration that is signed in."""
        id = self.configure(way, vendor, **fields)
        if way in PERSON_WAYS:
            assert self.sign_in(id, way)["state"] == "done"
        return id

    def poll(self, id: str) -> str | None:
        """Let it be polled once; what went wrong."""
        from devhost.pump import Pump

        self.world.advance(1800)
        self.parts.ticker.tick()
        Pump(self.parts).drain()
        found = self.parts.configurations.get(id)
        assert found is not None
        return found.state.last_error


def grant(world: World) -> None:
    """Exactly these permissions."""
    for client_id in (sample.CLIENT_ID, sample.USER_IDENTITY_CLIENT_ID):
        app = world.app(client_id, sample.TENANT_ID)
        assert app is not None
        app.roles = {audience: set(names) for audience, names in ROLES.items()}
        app.delegated = {audience: set(names) for audience, names in SCOPES.items()}


def features(checkup: dict[str, Any]) -> dict[str, str]:
    """The doctor's table, short."""
    return {one["feature"]: one["state"] for one in checkup["features"]}


def missing(checkup: dict[str, Any]) -> dict[str, str]:
    """What is missing, by feature."""
    return {one["feature"]: one["missing"] for one in checkup["features"] if one["missing"]}


def refused(checkup: dict[str, Any]) -> tuple[str, str, str]:
    """What the doctor says when there is no token: number, cause, remedy; every feature is off."""
    [finding] = checkup["findings"]
    assert not checkup["ok"]
    assert {one["state"] for one in checkup["features"]} == {"off"}
    assert {one["missing"] for one in checkup["features"]} == {"a token"}
    assert {one["remedy"] for one in checkup["features"]} == {finding["remedy"]}
    assert not checkup["tokens"][0]["ok"]
    return finding["code"], finding["cause"], finding["remedy"]


def without_trace(text: str) -> str:
    """The words without what differs each time."""
    return TRACE.sub("", text)


def query_of(address: str) -> dict[str, str]:
    """The query of an address."""
    return dict(parse_qsl(urlsplit(address).query))


def certificate(*, days: int = 365, name: str = "PocketSOC") -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """A new certificate with its private key."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=400)).not_valid_after(now + timedelta(days=days))
    return key, builder.sign(key, hashes.SHA256())


def pem_of(key: rsa.RSAPrivateKey, made: x509.Certificate, password: bytes | None = None) -> str:
    """As PEM, private key first."""
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
    return (private + made.public_bytes(Encoding.PEM)).decode()


def pfx_of(key: rsa.RSAPrivateKey, made: x509.Certificate, password: bytes | None = None) -> bytes:
    """As PKCS#12."""
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"pocketsoc", key, made, None, lock)


def trust(world: World, made: x509.Certificate) -> None:
    """Upload the certificate to the app."""
    app = world.app(sample.CLIENT_ID, sample.TENANT_ID)
    assert app is not None
    register_certificate(world, app, made.public_bytes(Encoding.PEM), id=f"key-{made.serial_number}")
