"""Sign-in as an app without any secret: a user-assigned managed identity vouches for it. The identity's token
for Entra's token exchange is the app's credential, also in another tenant of the same cloud.

Source: "Configure an application to trust a managed identity". Only user-assigned identities can do it.
"""

from __future__ import annotations

from functools import partial

from shared.auth.cache import IssuedToken
from shared.auth.managed_identity import ManagedIdentity
from shared.auth.registration import app_token, client_of, tenant_of
from shared.errors import SignInFailed
from shared.nouns.configurations import Cloud, Configuration


class Federated:
    """Gets tokens for one configuration. `identity_client_id` is the identity that this product runs as, for
    a configuration that names none."""

    def __init__(
        self,
        configuration: Configuration,
        cloud: Cloud,
        *,
        identity_client_id: str | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        self._configuration = configuration
        self._cloud = cloud
        self._identity = configuration.identity_client_id or identity_client_id
        self._ca_bundle = ca_bundle

    def __call__(self, audience: str) -> IssuedToken:
        """A new token for the resource `audience`."""
        from azure.identity import ClientAssertionCredential

        tenant, client = tenant_of(self._configuration), client_of(self._configuration)
        assertion = self._vouched()
        make = partial(ClientAssertionCredential, tenant, client, lambda: assertion)
        return app_token(self._cloud, audience, make, ca_bundle=self._ca_bundle, hidden=assertion)

    def _vouched(self) -> str:
        if not self._identity:
            raise SignInFailed(
                "Sign-in failed: federation needs a user-assigned managed identity. Assign one to the "
                "Function App and enter its client id."
            )
        identity = ManagedIdentity(self._identity, ca_bundle=self._ca_bundle)
        return identity(self._cloud.token_exchange).text
