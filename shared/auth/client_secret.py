"""Sign-in as an app with its client secret, read from the secret store at each new token, so that a rotated
one is picked up.

There may be a second secret. It is tried at once when Entra refuses the first as wrong or expired, or when
the day on which the first ends has passed; when it works it has taken over, and that is reported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Protocol

from shared.auth.cache import IssuedToken
from shared.auth.registration import app_token, client_of, tenant_of
from shared.errors import PocketSOCError, SignInFailed
from shared.nouns.configurations import Cloud, Configuration, SecretField

_ENDED = frozenset({"AADSTS7000215", "AADSTS7000222"})
_log = logging.getLogger(__name__)


class SecretReader(Protocol):
    """The part of the secret store that signing in needs."""

    def get(self, name: str) -> str | None:
        """The newest value of a secret; None if there is none."""
        ...


class ClientSecret:
    """Gets tokens for one configuration. Raises SignInFailed before any call if the configuration is
    incomplete. `took_over` is told when the next secret has been used because the first one no longer
    serves."""

    def __init__(
        self,
        configuration: Configuration,
        cloud: Cloud,
        secrets: SecretReader,
        *,
        ca_bundle: str | None = None,
        took_over: Callable[[Configuration], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._configuration = configuration
        self._cloud = cloud
        self._secrets = secrets
        self._ca_bundle = ca_bundle
        self._took_over = took_over
        self._now = now

    def __call__(self, audience: str) -> IssuedToken:
        """A new token for the resource `audience`."""
        first, second = SecretField.client_secret, SecretField.next_client_secret
        if self._configuration.reference(second) is None:
            return self._with(first, audience)
        if _passed(self._configuration.client_secret_expires, self._now()):
            return self._next_then_first(audience)
        try:
            return self._with(first, audience)
        except SignInFailed as error:
            if error.code not in _ENDED and self._value(first):
                raise
            return self._next_instead(audience, error)

    def _next_instead(self, audience: str, refused: SignInFailed) -> IssuedToken:
        try:
            issued = self._with(SecretField.next_client_secret, audience)
        except SignInFailed as error:
            raise SignInFailed(
                f"{refused} The next client secret does not serve either ({error.code or 'not usable'}).",
                code=refused.code,
                meaning=refused.meaning,
                remedy=refused.remedy,
            ) from error
        self._report()
        return issued

    def _next_then_first(self, audience: str) -> IssuedToken:
        """The day typed in may be wrong: what still works is used."""
        try:
            issued = self._with(SecretField.next_client_secret, audience)
        except SignInFailed as error:
            _log.warning("the next client secret of %s does not serve: %s", self._configuration.id, error)
            return self._with(SecretField.client_secret, audience)
        self._report()
        return issued

    def _report(self) -> None:
        if self._took_over is None:
            return
        try:
            self._took_over(self._configuration)
        except PocketSOCError as error:
            # The token is good; the next one reports again.
            _log.warning("that the next secret took over is not noted yet: %s", error)

    def _with(self, field: SecretField, audience: str) -> IssuedToken:
        from azure.identity import ClientSecretCredential

        tenant, client = tenant_of(self._configuration), client_of(self._configuration)
        secret = self._secret(field)
        make = partial(ClientSecretCredential, tenant, client, secret)
        return app_token(self._cloud, audience, make, ca_bundle=self._ca_bundle, hidden=secret)

    def _secret(self, field: SecretField) -> str:
        if self._configuration.reference(field) is None:
            raise SignInFailed(
                "Sign-in failed: this configuration has no client secret. Enter the secret's value."
            )
        secret = self._value(field)
        if not secret:
            raise SignInFailed(
                "Sign-in failed: the client secret is not in the secret store any more. Enter the secret's "
                "value again."
            )
        return secret

    def _value(self, field: SecretField) -> str:
        reference = self._configuration.reference(field)
        return (self._secrets.get(reference) or "").strip() if reference else ""  # pasted with line ends


def _passed(day: date | None, now: datetime) -> bool:
    return day is not None and day < now.date()
