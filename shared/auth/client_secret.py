"""Sign-in as an app with its client secret, read from the secret store at each new token, so that a rotated
one is picked up."""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import urlsplit

from shared.auth import aadsts
from shared.auth.cache import IssuedToken
from shared.errors import SignInFailed, TryLater
from shared.nouns.configurations import Cloud, Configuration

_TIMEOUT = (10.0, 30.0)
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_NO_TENANT = {"common", "organizations", "consumers"}  # only users can sign in there


class SecretReader(Protocol):
    """The part of the secret store that signing in needs."""

    def get(self, name: str) -> str | None:
        """The newest value of a secret; None if there is none."""
        ...


class ClientSecret:
    """Gets tokens for one configuration. Raises SignInFailed before any call if the configuration is
    incomplete."""

    def __init__(
        self,
        configuration: Configuration,
        cloud: Cloud,
        secrets: SecretReader,
        *,
        ca_bundle: str | None = None,
    ) -> None:
        self._configuration = configuration
        self._authority = cloud.authority
        self._secrets = secrets
        self._ca_bundle = ca_bundle

    def __call__(self, audience: str) -> IssuedToken:
        """A new token for the resource `audience`."""
        from azure.identity import ClientSecretCredential

        from shared.auth.attempt import Attempt

        tenant, client, secret = self._tenant(), self._client(), self._secret()
        attempt = Attempt(
            who="Entra ID's sign-in service",
            ca_bundle=self._ca_bundle,
            timeout=_TIMEOUT,
            only_host=urlsplit(self._authority).netloc,
        )
        credential = ClientSecretCredential(
            tenant,
            client,
            secret,
            authority=self._authority,
            disable_instance_discovery=True,
            **attempt.options(),
        )

        def explain(failed: Attempt) -> SignInFailed | TryLater:
            return aadsts.explain(
                failed.body, status=failed.status, retry_after=failed.retry_after, secret=secret
            )

        return attempt.token(credential, f"{audience}/.default", explain=explain)

    def _tenant(self) -> str:
        tenant = (self._configuration.tenant_id or "").strip()
        if not tenant:
            raise SignInFailed(
                "Sign-in failed: this configuration has no tenant id. Enter the Directory (tenant) ID."
            )
        if tenant.lower() in _NO_TENANT or not _TENANT.fullmatch(tenant):
            raise SignInFailed(
                "Sign-in failed: this configuration's tenant id is neither an id nor a domain. Enter the "
                "Directory (tenant) ID."
            )
        return tenant

    def _client(self) -> str:
        client = (self._configuration.client_id or "").strip()
        if not client:
            raise SignInFailed(
                "Sign-in failed: this configuration has no client id. Enter the Application (client) ID."
            )
        return client

    def _secret(self) -> str:
        reference = self._configuration.secret_reference
        if not reference:
            raise SignInFailed(
                "Sign-in failed: this configuration has no client secret. Enter the secret's value."
            )
        secret = (self._secrets.get(reference) or "").strip()  # pasted values come with line ends
        if not secret:
            raise SignInFailed(
                "Sign-in failed: the client secret is not in the secret store any more. Enter the secret's "
                "value again."
            )
        return secret
