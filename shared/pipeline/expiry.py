"""When a configuration's credentials end, and how soon somebody must be told.

Read in Entra ID where the app may (Application.Read.All), else the day that was typed in, else out of the
certificate itself. Source: Microsoft Graph's `passwordCredential` and `keyCredential`: `hint` is the first
three characters of a secret's value, `customKeyIdentifier` a certificate's SHA-1 thumbprint.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, Protocol

from shared.errors import PermissionMissing, PocketSOCError, Refused
from shared.nouns.checkups import (
    CredentialKind,
    CredentialLine,
    ExpirySource,
    FeatureLine,
    FeatureState,
)
from shared.nouns.configurations import AuthType, Configuration, SecretField
from shared.nouns.detections import Instant, instant, instant_of, moment_of
from shared.store.stores import Secrets
from shared.vendors.vendor import Connection, Feature

PERMISSION = "Application.Read.All"
WHERE = (
    "Microsoft Entra admin center > App registrations > your app > API permissions > Add a permission > "
    "Microsoft Graph > Application permissions > Application.Read.All; then Grant admin consent. Or type in "
    "the day on which the secret ends"
)
ASKS_GRAPH = frozenset({AuthType.client_secret, AuthType.certificate})
"""The ways to sign in with something that ends."""
WARN_DAYS = (30, 14, 7, 1)
_SELECT = "id,appId,displayName,passwordCredentials,keyCredentials"


class CertificateFacts(Protocol):
    """What is needed to know of a certificate."""

    @property
    def thumbprint(self) -> str: ...
    @property
    def ends(self) -> datetime: ...


@dataclass(frozen=True)
class Expiry:
    """Reads when credentials end. `certificate` gives a configuration's certificate; raises SignInFailed."""

    secrets: Secrets
    certificate: Callable[[Configuration], CertificateFacts]

    def look(self, connection: Connection) -> tuple[FeatureLine | None, tuple[CredentialLine, ...]]:
        """Whether the day can be read in Entra ID (None: nothing ends by itself), and each credential."""
        configuration = connection.configuration
        if configuration.auth_type not in ASKS_GRAPH:
            return None, ()
        feature, application = _application(connection)
        return feature, tuple(self._lines(configuration, application))

    def known(self, configuration: Configuration) -> tuple[CredentialLine, ...]:
        """Each credential, without asking anybody."""
        return tuple(self._lines(configuration, {})) if configuration.auth_type in ASKS_GRAPH else ()

    def _lines(self, configuration: Configuration, app: Mapping[str, Any]) -> Iterator[CredentialLine]:
        if configuration.auth_type is AuthType.certificate:
            yield self._certificate(configuration, app)
            return
        for kind, typed in (
            (CredentialKind.client_secret, configuration.client_secret_expires),
            (CredentialKind.next_client_secret, configuration.next_client_secret_expires),
        ):
            reference = configuration.reference(SecretField(kind.value))
            if reference is not None:
                yield self._secret(kind, reference, typed, app)

    def _secret(
        self, kind: CredentialKind, reference: str, typed: date | None, app: Mapping[str, Any]
    ) -> CredentialLine:
        hint = (self.secrets.get(reference) or "").strip()[:3]
        ends = [_end(one) for one in _objects(app, "passwordCredentials") if hint and one.get("hint") == hint]
        known = [one for one in ends if one]
        if known:
            return CredentialLine(
                kind=kind, expires=max(known), source=ExpirySource.graph, reference=reference
            )
        return typed_line(kind, typed, reference)

    def _certificate(self, configuration: Configuration, app: Mapping[str, Any]) -> CredentialLine:
        reference = configuration.certificate_name or configuration.reference(SecretField.certificate)
        kind = CredentialKind.certificate
        try:
            own = self.certificate(configuration)
        except PocketSOCError:
            return CredentialLine(kind=kind, reference=reference)
        for one in _objects(app, "keyCredentials"):
            end = _end(one)
            if end and _thumbprint(one) == own.thumbprint.upper():
                return CredentialLine(kind=kind, expires=end, source=ExpirySource.graph, reference=reference)
        ends = instant_of(own.ends)
        return CredentialLine(kind=kind, expires=ends, source=ExpirySource.certificate, reference=reference)


def typed_line(kind: CredentialKind, typed: date | None, reference: str | None) -> CredentialLine:
    """The line of a secret of which only the typed day is known, which counts to its end."""
    if typed is None:
        return CredentialLine(kind=kind, reference=reference)
    ends = instant_of(datetime.combine(typed, time(23, 59, 59), UTC))
    return CredentialLine(kind=kind, expires=ends, source=ExpirySource.typed, reference=reference)


def stage_of(expires: Instant, now: datetime) -> int:
    """How near the end is: 0 far away, then one more for each of WARN_DAYS, and the highest when it is
    over."""
    left = (moment_of(expires) - now).total_seconds()
    if left <= 0:
        return len(WARN_DAYS) + 1
    return sum(math.floor(left / 86_400) <= days for days in WARN_DAYS)


def _application(connection: Connection) -> tuple[FeatureLine, dict[str, Any]]:
    feature = Feature.secret_expiry
    if connection.graph is None:
        return FeatureLine(feature=feature, state=FeatureState.unknown), {}
    client = connection.configuration.client_id
    try:
        app = connection.graph.get(f"/v1.0/applications(appId='{client}')", {"$select": _SELECT})
    except PermissionMissing:
        off = FeatureState.off
        return FeatureLine(feature=feature, state=off, missing=PERMISSION, remedy=WHERE), {}
    except Refused as error:
        if error.status != 404:
            return _unknown(str(error)), {}
        return _unknown("The app is registered in another tenant: type in the day."), {}
    except PocketSOCError as error:
        return _unknown(str(error)), {}
    return FeatureLine(feature=feature, state=FeatureState.on), app


def _unknown(remedy: str) -> FeatureLine:
    return FeatureLine(feature=Feature.secret_expiry, state=FeatureState.unknown, remedy=remedy)


def _objects(app: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = app.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _end(credential: Mapping[str, Any]) -> Instant | None:
    return instant(credential.get("endDateTime"))


def _thumbprint(credential: Mapping[str, Any]) -> str:
    """Base64 of the bytes, or the hexadecimal digits, both of which Graph has been seen to give."""
    text = str(credential.get("customKeyIdentifier") or "")
    if len(text) == 40:
        return text.upper()
    try:
        return base64.b64decode(text, validate=True).hex().upper()
    except binascii.Error:
        return ""
