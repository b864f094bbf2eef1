"""Chooses how a configuration signs in."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared.auth.cache import CachedTokens
from shared.auth.client_secret import ClientSecret, SecretReader
from shared.auth.managed_identity import ManagedIdentity
from shared.auth.tokens import TokenSource
from shared.nouns.configurations import AuthType, Cloud, Configuration


def token_source(
    configuration: Configuration,
    cloud: Cloud,
    secrets: SecretReader,
    *,
    ca_bundle: str | None = None,
    identity_client_id: str | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> TokenSource:
    """The configuration's tokens. Keep it as long as the configuration is unchanged: it holds the cache.

    A managed identity is the configuration's own client id, else `identity_client_id` (the identity this app
    runs as), else the system-assigned one. `clock` gives seconds from any beginning. Opens nothing until a
    token is asked for.
    """
    if configuration.auth_type is AuthType.managed_identity:
        client_id = configuration.client_id or identity_client_id
        return CachedTokens(ManagedIdentity(client_id, ca_bundle=ca_bundle), clock=clock)
    return CachedTokens(ClientSecret(configuration, cloud, secrets, ca_bundle=ca_bundle), clock=clock)
