"""A made-up tenant that issues tokens, and the API on memory stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient
from jwt.algorithms import RSAAlgorithm
from pydantic import Field

from shared.api.app import create_app
from shared.api.parts import ApiParts
from shared.auth.access_tokens import AccessTokens
from shared.auth.certificate import read_certificate
from shared.errors import BadRequest, HostNotAllowed, TryLater
from shared.nouns.configurations import CLOUDS, Cloud, Configuration
from shared.nouns.detections import Channel, Detection, RawAlert, instant_of
from shared.nouns.notifications import Installation, Notification, Outcome, Transport
from shared.pipeline.doctor import Doctor
from shared.pipeline.expiry import Expiry
from shared.pipeline.inventory import InventoryTicker
from shared.pipeline.known_configurations import KnownConfigurations
from shared.pipeline.quarantine import Quarantiner
from shared.pipeline.receive import Receiver
from shared.pipeline.remap import Remapper
from shared.push.transport import Delivery
from shared.settings import Settings
from shared.store.audit import Audit
from shared.store.checkups import Checkups
from shared.store.configurations import Configurations
from shared.store.detections import Detections, Source
from shared.store.exported import Exported
from shared.store.feed import Feed
from shared.store.incident_list import IncidentList
from shared.store.incidents import Incidents
from shared.store.installations import Installations
from shared.store.inventory import Inventory
from shared.store.ledger import Ledger
from shared.store.mailbox import Mailbox
from shared.store.memory import MemoryBlobs, MemoryQueues, MemorySecrets, MemoryTables
from shared.store.quarantine import Quarantine
from shared.store.sign_ins import SignIns
from shared.store.troubles import Troubles
from shared.vendors.vendor import (
    Api,
    Check,
    Connection,
    Feature,
    FeatureCheck,
    Fields,
    Page,
    Permission,
    WebhookItem,
)
from tests.api.made_up import AUDIENCE, CANARY, TENANT, MadeUpApi, MadeUpSignIns, tenant_id_of

AUTHORITY = "https://login.example.test"
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    time: datetime = NOW

    def __call__(self) -> datetime:
        return self.time

    def move(self, by: timedelta) -> None:
        self.time += by


def _jwk(key: rsa.RSAPrivateKey, kid: str, **more: str) -> dict[str, Any]:
    public: dict[str, Any] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": kid, "use": "sig", **more}


@dataclass
class Issuer:
    """A tenant: publishes keys, signs tokens, counts how often it is asked for its keys."""

    clock: Clock
    key: rsa.RSAPrivateKey
    other_key: rsa.RSAPrivateKey
    authority: str = AUTHORITY
    asked: list[str] = field(default_factory=list)
    away: bool = False
    published: list[dict[str, Any]] = field(default_factory=list)

    def publish(self, kid: str, **more: str) -> None:
        """Add the second key to the published ones."""
        self.published.append(_jwk(self.other_key, kid, **more))

    def fetch(self, address: str) -> Mapping[str, Any]:
        """What stands at the address."""
        self.asked.append(address)
        if self.away:
            raise TryLater("away")
        if address.endswith("openid-configuration"):
            return {"jwks_uri": f"{self.authority}/{TENANT}/discovery/v2.0/keys"}
        return {"keys": self.published}

    def token(
        self,
        *roles: str,
        kid: str = "key-1",
        signed_by: rsa.RSAPrivateKey | None = None,
        without: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """A delegated v2 token with these app roles; claims replace the usual ones."""
        now = int(self.clock().timestamp())
        usual: dict[str, Any] = {
            "aud": AUDIENCE,
            "iss": f"{self.authority}/{TENANT}/v2.0",
            "tid": TENANT,
            "oid": "00000000-0000-4000-8000-00000000000a",
            "sub": "pairwise",
            "name": "Ana Lyst",
            "scp": "access_as_user",
            "roles": list(roles),
            "nbf": now,
            "iat": now,
            "exp": now + 3600,
        }
        payload = {k: v for k, v in (usual | claims).items() if k not in without}
        return jwt.encode(payload, signed_by or self.key, algorithm="RS256", headers={"kid": kid})


@pytest.fixture(scope="session")
def rsa_keys() -> tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey]:
    """Two keys, made once."""
    return rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)


@pytest.fixture
def clock() -> Clock:
    """A clock at NOW."""
    return Clock()


@pytest.fixture
def issuer(rsa_keys: tuple[rsa.RSAPrivateKey, rsa.RSAPrivateKey], clock: Clock) -> Issuer:
    """The configured tenant."""
    made = Issuer(clock, *rsa_keys)
    made.published.append(_jwk(made.key, "key-1"))
    return made


class EndpointFields(Fields):
    """A vendor with an own field and an own base URL."""

    base_url: str | None = Field(None, title="Base URL", max_length=200)
    machine_groups: list[str] = Field(default_factory=list, title="Machine groups")


class MadeUpVendor:
    """A vendor that answers what the test wants."""

    slug = "defender_endpoint"
    title = "Defender for Endpoint"
    fields: type[Fields] = EndpointFields
    permissions: ClassVar = {Feature.read_alerts: Permission(("Alert.Read.All",), "App registration")}
    answer: Check | Exception = Check(
        ok=True,
        summary="Connected.",
        features=(FeatureCheck(Feature.read_alerts, True),),
        token={"tid": TENANT, "roles": ["Alert.Read.All"], "secret_claim": CANARY},
    )

    def api_root(self, configuration: Configuration, cloud: Cloud) -> str:
        root = configuration.base_url or cloud.endpoint_api
        if root.removeprefix("https://") not in cloud.endpoint_hosts:
            raise HostNotAllowed("The base URL must be one of Defender for Endpoint's.")
        return root

    def audience(self, configuration: Configuration, cloud: Cloud) -> str:
        return cloud.endpoint_audience

    def fetch(self, connection: Connection, cursor: Any) -> Iterator[Page]:
        raise NotImplementedError

    def sweep(self, connection: Connection, since: Any) -> Iterator[tuple[Any, ...]]:
        raise NotImplementedError

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        raise NotImplementedError

    def check(self, connection: Connection) -> Check:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class MadeUpCloudVendor(MadeUpVendor):
    """The vendor that can call us."""

    slug = "defender_for_cloud"
    title = "Defender for Cloud"
    fields = Fields

    def read_webhook(self, body: Any) -> tuple[WebhookItem, ...]:
        raise NotImplementedError


@dataclass
class MadeUpTransport:
    """A push service that keeps what it was given."""

    name: ClassVar[Transport] = Transport.webpush
    delivery: Delivery = field(default_factory=lambda: Delivery(Outcome.delivered))
    sent: list[tuple[Notification, Installation]] = field(default_factory=list)

    def validate(self, registration: dict[str, Any]) -> dict[str, Any]:
        endpoint = registration.get("endpoint")
        if not isinstance(endpoint, str):
            raise BadRequest("The registration has no endpoint.")
        if not endpoint.startswith("https://push.example.test/"):
            raise HostNotAllowed("This push service is not allowed here.")
        return {"endpoint": endpoint}

    def send(self, notification: Notification, installation: Installation) -> Delivery:
        self.sent.append((notification, installation))
        return self.delivery

    def public_key(self) -> str | None:
        return "BPublicKey"


@pytest.fixture
def parts(issuer: Issuer, clock: Clock) -> ApiParts:
    """Everything in memory."""
    tables, blobs, secrets = MemoryTables(), MemoryBlobs(), MemorySecrets()
    queues = MemoryQueues(clock=clock)
    quarantine = Quarantine(tables=tables, blobs=blobs, clock=clock)
    configurations = Configurations(tables=tables)
    vendors: dict[str, Any] = {v.slug: v for v in (MadeUpVendor(), MadeUpCloudVendor())}

    def connect(configuration: Configuration) -> Connection:
        cloud, api = CLOUDS[configuration.cloud], cast(Api, MadeUpApi())
        return Connection(configuration=configuration, cloud=cloud, api=api, now=clock)

    checkups, expiry = Checkups(tables=tables), Expiry(secrets, lambda _: cast(Any, None))
    doctor = Doctor(configurations, checkups, expiry, vendors, connect, clock)
    detections, feed = Detections(tables=tables, blobs=blobs, clock=clock), Feed(tables=tables, clock=clock)
    known = KnownConfigurations(configurations=configurations)
    return ApiParts(
        settings=Settings(public_url="https://soc.example.test/"),
        detections=detections,
        feed=feed,
        remapper=Remapper(detections, feed, known, vendors, clock),
        configurations=configurations,
        incidents=Incidents(tables=tables, blobs=blobs, clock=clock),
        incident_list=IncidentList(tables=tables),
        inventory=Inventory(tables=tables),
        inventory_ticker=InventoryTicker(
            Inventory(tables=tables), Configurations(tables=tables), Mailbox(queues, blobs), vendors, clock
        ),
        exported=Exported(
            tables=tables,
            blobs=blobs,
            inventory=Inventory(tables=tables),
            configurations=Configurations(tables=tables),
        ),
        audit=Audit(tables=tables, clock=clock),
        installations=Installations(tables=tables, secrets=secrets),
        quarantine=quarantine,
        quarantiner=Quarantiner(quarantine, Mailbox(queues, blobs)),
        receiver=Receiver(
            configurations=known,
            mailbox=Mailbox(queues, blobs),
            clock=clock,
            max_bytes=1_000_000,
        ),
        troubles=Troubles(tables=tables),
        ledger=Ledger(tables=tables),
        queues=queues,
        clouds=CLOUDS,
        secrets=secrets,
        vendors=vendors,
        transports={Transport.webpush: MadeUpTransport()},
        connect=connect,
        doctor=doctor,
        checkups=checkups,
        sign_in=MadeUpSignIns(),
        sign_ins=SignIns(tables=tables, secrets=secrets, clock=clock),
        tenant_id_of=tenant_id_of,
        read_certificate=read_certificate,
        verifier=AccessTokens(AUTHORITY, TENANT, (AUDIENCE,), None, clock, fetch=issuer.fetch),
        now=clock,
    )


@pytest.fixture
def client(parts: ApiParts) -> Iterator[TestClient]:
    """Nobody in particular."""
    with TestClient(create_app(parts), base_url="https://soc.example.test") as made:
        yield made


SignIn = Callable[..., TestClient]


@pytest.fixture
def signed_in(client: TestClient, issuer: Issuer) -> SignIn:
    """The client of somebody with these roles; `oid` makes it somebody else."""

    def sign_in(*roles: str, **claims: Any) -> TestClient:
        token = issuer.token(*roles, **claims)
        return TestClient(
            client.app, base_url="https://soc.example.test", headers={"Authorization": f"Bearer {token}"}
        )

    return sign_in


@pytest.fixture
def admin(signed_in: SignIn) -> TestClient:
    """An Admin."""
    return signed_in("Admin")


@pytest.fixture
def reader(signed_in: SignIn) -> TestClient:
    """A Reader."""
    return signed_in("Reader")


@pytest.fixture
def fields() -> dict[str, Any]:
    """A complete form, secret included."""
    return {
        "display_name": "Endpoint, head office",
        "tenant_id": TENANT,
        "client_id": AUDIENCE,
        "client_secret": CANARY,
        "machine_groups": ["servers"],
    }


@pytest.fixture
def configuration(admin: TestClient, fields: dict[str, Any]) -> dict[str, Any]:
    """A stored configuration, as the API showed it."""
    answer = admin.post("/api/v1/configurations", json={"vendor": "defender_endpoint", "fields": fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


Seen = Callable[..., str]


@pytest.fixture
def seen(parts: ApiParts, clock: Clock) -> Seen:
    """Records an alert, as ingest does, and gives its card's id. Fields replace the usual ones."""

    def record(native_id: str = "da1", *, configuration_id: str = "conf-1", **values: Any) -> str:
        source = Source(
            Configuration(id=configuration_id, vendor="defender_endpoint", display_name="Head office"),
            Channel.poll,
            batch="batch-1",
        )
        usual = {"native_id": native_id, "title": f"Alert {native_id}", "created": instant_of(clock())}
        detection = Detection.model_validate(usual | values)
        parts.detections.record(source, [(detection, RawAlert(body={}, received=instant_of(clock())))])
        return parts.detections.known(source.configuration.scope, [native_id])[native_id].card_id

    return record
