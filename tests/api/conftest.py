"""A made-up tenant that issues tokens, and the API on memory stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

TENANT = "3f9b6c1e-57a0-4c2d-9d0e-6a8b1c2d3e4f"
AUDIENCE = "5b1f0a77-1d3c-4b8e-8a55-90c3d7e6f201"
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
        from shared.errors import TryLater

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
