"""Sign-in as the managed identity this app runs with: no secret at all."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from shared.auth import aadsts
from shared.auth.cache import IssuedToken
from shared.errors import SignInFailed, Throttled, TryLater

if TYPE_CHECKING:
    from shared.auth.attempt import Attempt

_TIMEOUT = (2.0, 30.0)  # the endpoint is on the same machine, or there is none
_WHO = "The managed identity service"
_UNKNOWN_RESOURCE = re.compile(r"AADSTS500011|invalid_resource|resource principal", re.IGNORECASE)
_PLATFORM = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE", "WEBSITE_INSTANCE_ID")


class ManagedIdentity:
    """Gets tokens as the user-assigned identity `client_id`, or as the system-assigned one.

    Azure itself keeps these tokens for hours, so permissions granted meanwhile show late and a new attempt
    does not help.
    """

    def __init__(self, client_id: str | None, *, ca_bundle: str | None = None) -> None:
        self._client_id = client_id or None
        self._ca_bundle = ca_bundle

    def __call__(self, audience: str) -> IssuedToken:
        """A new token for the resource `audience`."""
        from azure.identity import ManagedIdentityCredential

        from shared.auth.attempt import Attempt

        attempt = Attempt(who=_WHO, ca_bundle=self._ca_bundle, timeout=_TIMEOUT)
        credential = ManagedIdentityCredential(client_id=self._client_id, **attempt.options())
        try:
            return attempt.token(
                credential, f"{audience}/.default", explain=lambda failed: self._explain(failed, audience)
            )
        except TryLater as error:
            if attempt.status is None and not any(map(os.environ.get, _PLATFORM)):
                raise SignInFailed(
                    "Sign-in failed: there is no managed identity here. It exists only in Azure: switch it "
                    "on under Identity in the Function App, or use a client secret."
                ) from error
            raise

    def _explain(self, failed: Attempt, audience: str) -> SignInFailed | TryLater:
        if failed.status == 429:
            return Throttled(f"{_WHO} asks to be called less often.", retry_after=failed.retry_after or 60.0)
        if _UNKNOWN_RESOURCE.search(failed.body):
            return SignInFailed(
                f"Sign-in failed: the managed identity's tenant does not know the API {audience}. Check this "
                "configuration's cloud, and that the tenant is licensed for the product.",
                code="AADSTS500011" if "AADSTS500011" in failed.body else None,
            )
        if "AADSTS" in failed.body:
            return aadsts.explain(failed.body, status=failed.status, retry_after=failed.retry_after)
        if failed.status == 400:
            return SignInFailed(self._no_such_identity())
        if failed.status in (401, 403):
            return SignInFailed(
                "Sign-in failed: the managed identity service refuses this app. Restart the Function App; if "
                "that does not help, switch its identity off and on under Identity."
            )
        return TryLater(
            f"{_WHO} is out of order for the moment (HTTP {failed.status}). If it goes on, check that the "
            f"API {audience} exists in this configuration's cloud.",
            retry_after=failed.retry_after,
        )

    def _no_such_identity(self) -> str:
        if self._client_id:
            return (
                "Sign-in failed: this app has no user-assigned managed identity with the client id "
                f"{self._client_id}. Assign it under Identity in the Function App, or correct the client id."
            )
        return (
            "Sign-in failed: this app has no system-assigned managed identity. Switch it on under Identity "
            "in the Function App, or enter the client id of a user-assigned one."
        )
