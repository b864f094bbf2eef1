"""The keys with which a tenant signs its tokens: fetched late, kept for a day, and never fetched because of
what a stranger sends.

Promises: keys come only from the configured authority, over https, without redirects; a key id that is not
known causes at most one fetch every five minutes; keys once had stay good while Entra ID is away.

Source: Microsoft identity platform, "OpenID Connect" (discovery document, `jwks_uri`) and "Signing key
rollover"."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests

from shared.errors import TryLater

KEYS_GOOD_FOR = timedelta(days=1)
REFETCH_AFTER = timedelta(minutes=5)
RETRY_FIRST_FETCH_AFTER = timedelta(seconds=10)

FetchJson = Callable[[str], Mapping[str, Any]]


class SigningKeys:
    """One tenant's published keys by their id. Thread-safe; nothing is fetched before the first is asked
    for."""

    def __init__(
        self, authority: str, tenant_id: str, *, fetch: FetchJson, clock: Callable[[], datetime]
    ) -> None:
        self._authority = authority
        self._tenant = tenant_id
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched: datetime | None = None
        self._attempted: datetime | None = None

    def get(self, kid: str) -> jwt.PyJWK | None:
        """The key, or None if the tenant publishes none of that id. Raises TryLater when no keys could be
        had yet."""
        with self._lock:
            if self._due(kid):
                self._refetch()
            return self._keys.get(kid)

    def _due(self, kid: str) -> bool:
        now = self._clock()
        if self._fetched is None or self._attempted is None:
            if self._attempted is not None and now - self._attempted < RETRY_FIRST_FETCH_AFTER:
                raise TryLater("Entra ID's signing keys could not be read.", retry_after=10)
            return True
        wanted = kid not in self._keys or now - self._fetched >= KEYS_GOOD_FOR
        return wanted and now - self._attempted >= REFETCH_AFTER

    def _refetch(self) -> None:
        self._attempted = self._clock()
        try:
            keys = self._published()
        except TryLater:
            if self._fetched is None:
                raise
            return
        self._keys, self._fetched = keys, self._attempted

    def _published(self) -> dict[str, jwt.PyJWK]:
        document = self._fetch(f"{self._authority}/{self._tenant}/v2.0/.well-known/openid-configuration")
        address = str(document.get("jwks_uri", ""))
        if urlsplit(address)[:2] != urlsplit(self._authority)[:2]:
            raise TryLater("Entra ID's discovery document names keys on another host; they are not used.")
        found = self._fetch(address).get("keys")
        made = (self._made(key) for key in found) if isinstance(found, list) else ()
        keys = {key.key_id: key for key in made if key is not None and key.key_id}
        if not keys:
            raise TryLater("Entra ID published no signing key that can be used.", retry_after=60)
        return keys

    def _made(self, key: Any) -> jwt.PyJWK | None:
        if not isinstance(key, dict) or key.get("kty") != "RSA":
            return None
        # The list also holds keys that are good only for personal accounts; such a key names its issuer.
        issuer = str(key.get("issuer") or self._tenant).lower()
        if self._tenant not in issuer and "{tenantid}" not in issuer:
            return None
        try:
            return jwt.PyJWK(key, algorithm="RS256")
        except jwt.PyJWTError:
            return None


def over_https(ca_bundle: str | None) -> FetchJson:
    """GET a JSON object, trusting the authorities in `ca_bundle` (a PEM file) or the usual ones. Raises
    TryLater."""

    def fetch(address: str) -> Mapping[str, Any]:
        try:
            answer = requests.get(address, timeout=(5, 10), verify=ca_bundle or True, allow_redirects=False)
            found = answer.json() if answer.status_code == 200 else None
        except (requests.RequestException, ValueError) as error:
            raise TryLater("Entra ID could not be reached for its signing keys.", retry_after=10) from error
        if not isinstance(found, dict):
            raise TryLater("Entra ID did not give its signing keys.", retry_after=10)
        return found

    return fetch
