"""Access tokens: made like Entra ID's, checked like the real APIs check theirs.

RS256 only. v1 tokens: `aud` as asked for, `iss` https://sts.windows.net/{tenant}/, `appid`. v2 tokens: `aud`
the API's client id, `iss` {origin}/{tenant}/v2.0, `azp`. Application permissions are in `roles`; absent
without any.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from simulator.world import App, Principal, Resource, World

SKEW = 300  # seconds of clock difference that the APIs forgive


@dataclass(frozen=True)
class SigningKey:
    """One RSA key with the certificate that the key set publishes."""

    kid: str
    private: rsa.RSAPrivateKey
    certificate: bytes

    @classmethod
    def new(cls) -> SigningKey:
        """A fresh 2048-bit key; its `kid` is the certificate's SHA-1 thumbprint, as at Microsoft."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "accounts.accesscontrol.windows.net")])
        start = datetime(2026, 1, 1, tzinfo=UTC)
        builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=1825))
        der = builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
        thumbprint = hashlib.sha1(der, usedforsecurity=False).digest()
        return cls(b64url(thumbprint), private, der)

    def as_jwk(self, issuer: str) -> dict[str, Any]:
        """The public key as the key set publishes it."""
        numbers = self.private.public_key().public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": b64url(numbers.n.to_bytes(256, "big")),
            "e": b64url(numbers.e.to_bytes(3, "big")),
            "x5c": [base64.b64encode(self.certificate).decode()],
            "issuer": issuer,
        }


class SigningKeys:
    """The live keys; the first one signs. Made on first use, because RSA keys cost time."""

    def __init__(self) -> None:
        self._keys: list[SigningKey] = []
        self._lock = threading.Lock()

    def live(self) -> list[SigningKey]:
        """All published keys, the signing one first."""
        with self._lock:
            while len(self._keys) < 2:
                self._keys.append(SigningKey.new())
            return list(self._keys)

    def roll(self) -> SigningKey:
        """Publish a new key and sign with it; the oldest is withdrawn. Returns the new one."""
        self.live()
        with self._lock:
            self._keys = [SigningKey.new(), self._keys[0]]
            return self._keys[0]


def b64url(raw: bytes) -> str:
    """URL-safe base64 without padding, as everything in JOSE and Web Push."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def issue(
    world: World,
    principal: Principal,
    audience: str,
    *,
    lifetime: int | None = None,
    via: App | None = None,
) -> str:
    """An access token of `principal` for the API with the identifier `audience`; `via`: the app through which
    a person has signed in, with the scopes consented to it.

    `lifetime` is in seconds. Raises LookupError if the principal's tenant has no such API.
    """
    tenant = world.tenants[principal.tenant_id]
    resource = world.resource(audience, tenant)
    if resource is None:
        raise LookupError(f"no resource {audience} in this tenant")
    claims = _claims(world, principal, resource, audience, lifetime)
    if via is not None:
        claims["azp" if resource.version == 2 else "appid"] = via.client_id
        claims["azpacr" if resource.version == 2 else "appidacr"] = "0"
        claims["scp"] = " ".join(sorted(scopes(via, resource)))
    return sign(world, claims)


def scopes(app: App, resource: Resource) -> set[str]:
    """The delegated permissions for an API that were consented to for an app."""
    return set().union(*(app.delegated.get(name, ()) for name in resource.identifiers))


def sign(world: World, claims: dict[str, Any], *, key: SigningKey | None = None) -> str:
    """Sign any claims with the world's current key; for tests of tokens that are wrong on purpose."""
    chosen = key or world.keys.live()[0]
    headers = {"kid": chosen.kid}
    if claims.get("ver") != "2.0":
        headers["x5t"] = chosen.kid
    return jwt.encode(claims, chosen.private, algorithm="RS256", headers=headers)


def _claims(
    world: World, principal: Principal, resource: Resource, audience: str, lifetime: int | None
) -> dict[str, Any]:
    now = int(world.service_now().timestamp())
    expires = now + (world.switches.token_lifetime if lifetime is None else lifetime)
    claims: dict[str, Any] = {
        "iat": now,
        "nbf": now,
        "exp": expires,
        "tid": principal.tenant_id,
        "oid": principal.object_id,
        "sub": principal.object_id,
        "uti": uuid4().hex[:22],
        **_version_claims(world, principal, resource, audience),
        **_who(principal, resource),
    }
    roles = sorted(set().union(*(principal.roles.get(name, ()) for name in resource.identifiers)))
    if roles:
        claims["roles"] = roles
    return claims


def _version_claims(world: World, principal: Principal, resource: Resource, audience: str) -> dict[str, Any]:
    app_id = principal.app_id or resource.app_id
    if resource.version == 2:
        issuer = f"{world.origin}/{principal.tenant_id}/v2.0"
        return {"aud": resource.app_id, "iss": issuer, "ver": "2.0", "azp": app_id, "azpacr": "1"}
    issuer = f"https://sts.windows.net/{principal.tenant_id}/"
    return {"aud": audience, "iss": issuer, "ver": "1.0", "appid": app_id, "appidacr": "1", "idp": issuer}


def _who(principal: Principal, resource: Resource) -> dict[str, Any]:
    from simulator.world import User

    if not isinstance(principal, User):
        return {"idtyp": "app"}
    named = {"name": principal.name, "scp": "access_as_user", "idtyp": "user"}
    return named | {"preferred_username" if resource.version == 2 else "upn": principal.username}


def verify(world: World, authorization: str, audience: str | Iterable[str]) -> dict[str, Any]:
    """The claims behind an Authorization header. Raises Denied; see World.verify."""
    from simulator.world import Denied

    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Denied("missing")
    claims = _checked_signature(world, token.strip())
    now = world.service_now().timestamp()
    if not claims["nbf"] - SKEW <= now < claims["exp"] + SKEW:
        raise Denied("expired", claims)
    accepted = {a.rstrip("/").lower() for a in ([audience] if isinstance(audience, str) else audience)}
    if str(claims["aud"]).rstrip("/").lower() not in accepted:
        raise Denied("audience", claims)
    if claims["tid"] not in world.tenants:
        raise Denied("tenant", claims)
    if world.switches.wrong_cloud:
        raise Denied("wrong_cloud", claims)
    return claims


def _checked_signature(world: World, token: str) -> dict[str, Any]:
    from simulator.world import Denied

    # Times and audience are checked by the caller, against the world's clock.
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    options["require"] = ["exp", "nbf", "aud", "tid", "oid"]
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError as problem:
        raise Denied("malformed") from problem
    key = next((one for one in world.keys.live() if one.kid == kid), None)
    if key is None:
        raise Denied("signature")
    try:
        return dict(jwt.decode(token, key.private.public_key(), algorithms=["RS256"], options=options))
    except jwt.MissingRequiredClaimError as problem:
        raise Denied("malformed") from problem
    except jwt.PyJWTError as problem:
        raise Denied("signature") from problem
