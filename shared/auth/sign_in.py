"""Chooses how a configuration signs in."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from shared.auth.cache import CachedTokens, IssuedToken
from shared.auth.certificate import ClientCertificate
from shared.auth.client_secret import ClientSecret, SecretReader
from shared.auth.delegated import Delegated, SignInKeeper
from shared.auth.federated import Federated
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
    took_over: Callable[[Configuration], None] | None = None,
    keeper: SignInKeeper | None = None,
    renew: bool = False,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> TokenSource:
    """The configuration's tokens. Keep it as long as the configuration is unchanged: it holds the cache.

    A managed identity is the configuration's own client id, else `identity_client_id` (the identity this app
    runs as), else the system-assigned one. `took_over`: see ClientSecret. `keeper` keeps a person's sign-in,
    `renew` makes it begin with a new token. `clock` gives seconds from any beginning, `now` the time. Opens
    nothing until a token is asked for.
    """

    def acquire() -> Callable[[str], IssuedToken]:
        match configuration.auth_type:
            case AuthType.managed_identity:
                client_id = configuration.client_id or identity_client_id
                return ManagedIdentity(client_id, ca_bundle=ca_bundle)
            case AuthType.certificate:
                return ClientCertificate(configuration, cloud, secrets, ca_bundle=ca_bundle)
            case AuthType.federated:
                return Federated(
                    configuration, cloud, identity_client_id=identity_client_id, ca_bundle=ca_bundle
                )
            case AuthType.device_code | AuthType.authorization_code:
                if keeper is None:
                    raise TypeError("a person's sign-in needs a keeper")
                return Delegated(configuration, cloud, keeper, secrets, ca_bundle=ca_bundle, renew=renew)
            case _:
                return ClientSecret(
                    configuration, cloud, secrets, ca_bundle=ca_bundle, took_over=took_over, now=now
                )

    return CachedTokens(acquire(), clock=clock)
