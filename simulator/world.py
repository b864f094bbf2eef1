"""All state of the simulated cloud in one place: who exists, what time it is, what is going wrong.

Thread-safe: everything that changes is read and written under `lock` (reentrant). Each part keeps its own
state in `part(name, factory)`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from starlette.requests import Request

from simulator import tokens
from simulator.faults import Fault

State = TypeVar("State")


@dataclass(frozen=True)
class Tenant:
    """A directory. `cloud` is commercial, us_government or china; tokens are no use in another cloud."""

    id: str
    domain: str
    cloud: str = "commercial"


@dataclass(frozen=True)
class AppSecret:
    """A client secret: its id is what people paste by mistake, its value is what works."""

    id: str
    value: str = field(repr=False)
    expires: datetime


@dataclass(frozen=True)
class AppCertificate:
    """A certificate that an app may sign assertions with (DER)."""

    id: str
    der: bytes = field(repr=False)
    expires: datetime


@dataclass(frozen=True)
class FederatedCredential:
    """Whose tokens an app takes for its own credential. `{origin}` in the issuer is this simulator."""

    issuer: str
    subject: str
    audiences: tuple[str, ...] = ("api://AzureADTokenExchange",)


@dataclass(frozen=True)
class Resource:
    """An API that tokens can be asked for. Its first identifier is the documented audience; the others mean
    the same.

    `version` is the shape of its tokens and follows the API's registration, not the endpoint called: 1 (aud =
    the identifier that was asked for) or 2 (aud = app_id). `tenant_id` None: present in every tenant of its
    cloud.
    """

    identifiers: tuple[str, ...]
    app_id: str
    name: str
    version: int = 1
    cloud: str = "commercial"
    tenant_id: str | None = None


@dataclass
class Principal:
    """Whoever can have a token. `roles`: application roles by audience; `arm_roles`: names by scope: a
    subscription's id, or another ARM id in lower case."""

    object_id: str
    tenant_id: str
    name: str
    roles: dict[str, set[str]] = field(default_factory=dict)
    arm_roles: dict[str, set[str]] = field(default_factory=dict)

    @property
    def app_id(self) -> str:
        """The client id that its tokens carry; for a user, that of the app signed in to."""
        return ""


@dataclass
class App(Principal):
    """An application registration together with its service principal. `redirects`: what each address is
    registered as, `public` or `web`; `delegated`: consented scopes by audience; `public_flows`: whether the
    app may sign people in without proving itself.

    One registration in several tenants is one App for each, with the same client id and the same lists.
    """

    client_id: str = ""
    secrets: list[AppSecret] = field(default_factory=list)
    certificates: list[AppCertificate] = field(default_factory=list)
    federated: list[FederatedCredential] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    delegated: dict[str, set[str]] = field(default_factory=dict)
    public_flows: bool = False

    @property
    def app_id(self) -> str:
        return self.client_id


@dataclass
class ManagedIdentity(App):
    """An identity of an Azure resource, without a secret. A request without selector means the
    system-assigned one."""

    system_assigned: bool = False
    resource_id: str = ""


@dataclass
class User(Principal):
    """A person; `username` is the sign-in name."""

    username: str = ""


@dataclass
class Switches:
    """Where the real service's behaviour varies or is not verified, the world chooses."""

    token_lifetime: int = 3599  # seconds; the real one is random between 3599 and 5399
    aadsts_separator: str = (
        "\r\n"  # before 2024; since then a space between description, trace id and the rest
    )
    tenant_not_found_error: str = "invalid_tenant"  # earlier: invalid_request
    wrong_cloud: bool = False  # every API refuses every token as issued for another cloud
    clock_skew: float = 0.0  # seconds by which Entra's clock is ahead of its clients'
    strict_rotation: bool = False  # a refresh token is void once it was used; the real one stays valid
    device_interval: int = 5  # seconds between polls for a device code
    device_lifetime: int = 900  # seconds
    redirect_slash: bool = True  # an address without a path comes back with a slash at its end
    signs_in: str = ""  # sign-in name of the person in front of the browser; empty: the sample's
    identity_header: str = ""  # what X-IDENTITY-HEADER must say
    wrong_identity_header_status: int = 401  # 401 or 403 is not verified
    vault_challenge_tenant: str = ""  # tenant named in Key Vault's challenge; empty: the world's first
    push_payload_limit: int = 4096  # bytes, Web Push: what push services accept as a body at least
    apns_token_updates: bool = True  # refuse provider tokens that change more often than every 20 minutes


class Denied(Exception):
    """A bearer token was refused. `kind` says why; each API turns it into its own 401 or 403 body.

    missing, malformed, signature, expired, audience, wrong_cloud, tenant.
    """

    def __init__(self, kind: str, claims: dict[str, Any] | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.claims = claims or {}


class World:
    """The simulated cloud's state. `origin` is where it is served (set at start), without a trailing
    slash."""

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.lock = threading.RLock()
        self.origin = "https://localhost:8443"
        self.tenants: dict[str, Tenant] = {}
        self.resources: list[Resource] = []
        self.principals: dict[str, Principal] = {}
        self.switches = Switches()
        self.faults: list[Fault] = []
        self.requests: Counter[str] = Counter()
        self.keys = tokens.SigningKeys()
        self._clock = clock
        self._moved = timedelta()
        self._parts: dict[str, Any] = {}

    @classmethod
    def sample(cls, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> World:
        """The default world: one tenant with what `dev.py run` and most tests need. Ids are in sample.py."""
        from simulator.sample import populate

        world = cls(clock=clock)
        populate(world)
        return world

    def now(self) -> datetime:
        """The world's time, in UTC."""
        with self.lock:
            return self._clock() + self._moved

    def service_now(self) -> datetime:
        """The time by the cloud's own clocks."""
        return self.now() + timedelta(seconds=self.switches.clock_skew)

    def service_wall(self) -> datetime:
        """Likewise, but without what `advance` added: for what clients stamp with their machine's clock."""
        with self.lock:
            return self._clock() + timedelta(seconds=self.switches.clock_skew)

    def advance(self, seconds: float) -> None:
        """Move the world's clock forward."""
        with self.lock:
            self._moved += timedelta(seconds=seconds)

    def part(self, name: str, factory: Callable[[], State]) -> State:
        """The state that a part keeps under this name, made on first use."""
        with self.lock:
            if name not in self._parts:
                self._parts[name] = factory()
            return cast(State, self._parts[name])

    def count(self, prefix: str, *, method: str | None = None) -> int:
        """How many requests came for paths beginning with `prefix`; faulty ones too, `/_control` never."""
        with self.lock:
            seen = [(key.split(" ", 1), number) for key, number in self.requests.items()]
        return sum(n for (verb, path), n in seen if path.startswith(prefix) and method in (None, verb))

    def add(self, *principals: Principal) -> None:
        """Let somebody exist."""
        with self.lock:
            self.principals.update({one.object_id: one for one in principals})

    def tenant(self, name: str) -> Tenant | None:
        """The tenant with this id or domain, in any casing."""
        wanted = name.lower()
        return next((t for t in self.tenants.values() if wanted in (t.id.lower(), t.domain.lower())), None)

    def app(self, client_id: str, tenant_id: str | None = None) -> App | None:
        """The application (or managed identity) with this client id, in this tenant if it matters."""
        found = (
            p
            for p in self.principals.values()
            if isinstance(p, App) and p.client_id == client_id.lower() and tenant_id in (None, p.tenant_id)
        )
        return next(found, None)

    def user(self, username: str) -> User | None:
        """The person with this sign-in name."""
        wanted = username.lower()
        people = (p for p in self.principals.values() if isinstance(p, User))
        return next((p for p in people if p.username.lower() == wanted), None)

    def resource(self, identifier: str, tenant: Tenant) -> Resource | None:
        """The API that has this identifier (with or without trailing slash) in the tenant and its cloud."""
        wanted = identifier.rstrip("/").lower()
        for one in self.resources:
            names = {name.rstrip("/").lower() for name in (*one.identifiers, one.app_id)}
            if wanted in names and one.cloud == tenant.cloud and one.tenant_id in (None, tenant.id):
                return one
        return None

    def verify(self, request: Request, *, audience: str | Iterable[str]) -> dict[str, Any]:
        """The claims of the request's bearer token, checked as the real APIs do: signature, times, audience,
        cloud.

        `audience` is one or several identifiers that the API accepts. Raises Denied.
        """
        return tokens.verify(self, request.headers.get("authorization", ""), audience)

    def arm_roles(self, claims: dict[str, Any], scope: str) -> set[str]:
        """Role names that the token's principal has on a scope itself; ARM roles are never in the token."""
        principal = self.principals.get(str(claims.get("oid", "")))
        return set(principal.arm_roles.get(scope, ())) if principal else set()

    def token(self, audience: str, *, client_id: str | None = None, lifetime: int | None = None) -> str:
        """An access token for `audience` without a request, of the sample's PocketSOC app or of
        `client_id`."""
        from simulator.sample import CLIENT_ID

        app = self.app(client_id or CLIENT_ID)
        if app is None:
            raise LookupError("no such app in this world")
        return tokens.issue(self, app, audience, lifetime=lifetime)

    def api_token(self, role: str | None, *, lifetime: int | None = None) -> str:
        """An access token for PocketSOC's own API, of the sample's user with this role.

        Roles: Admin, Responder, Reader; None for a user without any.
        """
        from simulator.sample import API_AUDIENCE, user_with_role

        return tokens.issue(self, user_with_role(self, role), API_AUDIENCE, lifetime=lifetime)
