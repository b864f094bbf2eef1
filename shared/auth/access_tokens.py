"""Who sent an access token: signature, issuer, audience, tenant and lifetime are proven before anything is
believed.

Promises: only RS256, only keys that the configured tenant publishes, only this tenant and these audiences,
access tokens only. What is wrong is said in words; what is in the token never is.

Source: Microsoft identity platform, "Access tokens" (versions 1.0 and 2.0, `idtyp`, `scp`, `roles`,
validation)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from jwt.types import Options

from shared.auth.signing_keys import FetchJson, SigningKeys, over_https
from shared.errors import HostNotAllowed, OperatorMustAct, Unauthenticated

LEEWAY = timedelta(minutes=5)

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LONGEST = 16_384
_NAMES = ("name", "preferred_username", "upn", "app_displayname", "azp", "appid")


@dataclass(frozen=True)
class Caller:
    """Whom a token speaks for. `oid`: the user's or application's object id; `app_only`: no user is
    involved."""

    oid: str
    name: str
    roles: frozenset[str]
    app_only: bool
    tenant_id: str


class AccessTokens:
    """Verifies Entra ID access tokens for this API. Thread-safe; keys are fetched when the first token comes.

    `authority` is the cloud's https sign-in origin, `audiences` the API's client id and App ID URI,
    `ca_bundle` a PEM file of further authorities, `clock` gives aware UTC; `fetch` replaces the network in
    tests."""

    def __init__(
        self,
        authority: str,
        tenant_id: str | None,
        audiences: Sequence[str],
        ca_bundle: str | None,
        clock: Callable[[], datetime],
        *,
        fetch: FetchJson | None = None,
    ) -> None:
        self._authority = authority.rstrip("/")
        self._tenant = (tenant_id or "").lower()
        self._audiences = tuple(audiences)
        self._clock = clock
        self._keys = SigningKeys(
            self._authority, self._tenant, fetch=fetch or over_https(ca_bundle), clock=clock
        )

    def verify(self, token: str) -> Caller:
        """Whom the token speaks for.

        Raises Unauthenticated with what is wrong, TryLater when there are no keys to check it with,
        OperatorMustAct while the API's tenant or audiences are not set."""
        self._ready()
        key = self._keys.get(_key_id(token))
        if key is None:
            raise Unauthenticated("The access token is signed with a key that the tenant does not publish.")
        claims = self._claims(token, key)
        self._in_time(claims)
        if str(claims["tid"]).lower() != self._tenant:
            raise Unauthenticated("The access token is from another tenant.")
        return _caller(claims)

    def _ready(self) -> None:
        if not _GUID.fullmatch(self._tenant) or not self._audiences:
            raise OperatorMustAct(
                "Sign-in to the API is not set up: set POCKETSOC_API_TENANT_ID to the tenant's id (a GUID), "
                "and POCKETSOC_API_AUDIENCE to the API application's client id and App ID URI."
            )
        if not self._authority.startswith("https://"):
            raise HostNotAllowed("The sign-in authority must be an https address.")

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        # Version 1.0 or 2.0 follows the API's registration, not the endpoint that was asked: both are normal.
        issuers = [f"https://sts.windows.net/{self._tenant}/", f"{self._authority}/{self._tenant}/v2.0"]
        # Times are checked below, against the clock that was handed in.
        options: Options = {
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "require": ["exp", "iss", "aud", "tid"],
        }
        try:
            return jwt.decode(
                token, key, algorithms=["RS256"], audience=self._audiences, issuer=issuers, options=options
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(_complaint(error)) from None

    def _in_time(self, claims: Mapping[str, Any]) -> None:
        now = self._clock().timestamp()
        try:
            expires, begins = float(claims["exp"]), float(claims.get("nbf", 0))
        except (TypeError, ValueError, OverflowError):
            raise Unauthenticated("The access token's times cannot be read.") from None
        # Written so that a NaN fails both comparisons.
        if not expires > now - LEEWAY.total_seconds():
            raise Unauthenticated("The access token has expired: sign in again.")
        if not begins <= now + LEEWAY.total_seconds():
            raise Unauthenticated(
                "The access token is not valid yet: check the clock of the one who sent it."
            )


def _key_id(token: str) -> str:
    if len(token) > _LONGEST:
        raise Unauthenticated("The access token is too long.")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise Unauthenticated("This is not an access token.") from None
    if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
        raise Unauthenticated("The access token is not signed as Entra ID signs (RS256 with a key id).")
    return str(header["kid"])


def _complaint(error: jwt.PyJWTError) -> str:
    if isinstance(error, jwt.InvalidAudienceError):
        return "The access token is for another application: ask for a token for this API."
    if isinstance(error, jwt.InvalidIssuerError):
        return "The access token was issued by somebody else than the configured tenant."
    if isinstance(error, jwt.InvalidSignatureError):
        return "The access token's signature is wrong."
    return "The access token is malformed."


def _caller(claims: Mapping[str, Any]) -> Caller:
    oid = claims.get("oid")
    if not isinstance(oid, str) or not oid:
        raise Unauthenticated("The access token does not say for whom it speaks (no oid).")
    delegated = bool(claims.get("scp"))
    # An ID token has our client id as its audience too, where app and API share a registration. It has no
    # scope, and its subject is not the object id; only an application's own access token has that.
    if not delegated and claims.get("idtyp") != "app" and claims.get("sub") != oid:
        raise Unauthenticated("This is an ID token: send the access token for this API.")
    names = (claims.get(n) for n in _NAMES)
    roles = claims.get("roles")
    return Caller(
        oid=oid,
        name=next((n for n in names if isinstance(n, str) and n), oid),
        roles=frozenset(r for r in roles if isinstance(r, str)) if isinstance(roles, list) else frozenset(),
        app_only=not delegated,
        tenant_id=str(claims["tid"]).lower(),
    )
