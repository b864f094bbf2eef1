"""An app registration, as every way to sign in needs it: its tenant and client id, checked before any call,
and one attempt to get a token with a credential of the app."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.auth import aadsts
from shared.auth.cache import IssuedToken
from shared.errors import SignInFailed, TryLater
from shared.nouns.configurations import Cloud, Configuration

if TYPE_CHECKING:
    from shared.auth.attempt import Attempt

WHO = "Entra ID's sign-in service"
TIMEOUT = (10.0, 30.0)
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
NO_TENANT = frozenset({"common", "organizations", "consumers"})  # only users can sign in there


def tenant_of(configuration: Configuration) -> str:
    """The tenant's id or domain. Raises SignInFailed."""
    tenant = (configuration.tenant_id or "").strip()
    if not tenant:
        raise SignInFailed(
            "Sign-in failed: this configuration has no tenant id. Enter the Directory (tenant) ID."
        )
    if tenant.lower() in NO_TENANT or not _TENANT.fullmatch(tenant):
        raise SignInFailed(
            "Sign-in failed: this configuration's tenant id is neither an id nor a domain. Enter the "
            "Directory (tenant) ID."
        )
    return tenant


def client_of(configuration: Configuration) -> str:
    """The app's client id. Raises SignInFailed."""
    client = (configuration.client_id or "").strip()
    if not client:
        raise SignInFailed(
            "Sign-in failed: this configuration has no client id. Enter the Application (client) ID."
        )
    return client


def app_token(
    cloud: Cloud,
    audience: str,
    credential: Callable[..., Any],
    *,
    ca_bundle: str | None,
    hidden: str | None = None,
) -> IssuedToken:
    """A new token for the resource `audience`. `credential` makes an azure-identity credential out of the
    keyword arguments that it is given; `hidden` is taken out of whatever Entra says."""
    from shared.auth.attempt import Attempt

    attempt = Attempt(
        who=WHO, ca_bundle=ca_bundle, timeout=TIMEOUT, only_host=urlsplit(cloud.authority).netloc
    )

    def explain(failed: Attempt) -> SignInFailed | TryLater:
        return aadsts.explain(
            failed.body, status=failed.status, retry_after=failed.retry_after, secret=hidden
        )

    made = credential(authority=cloud.authority, disable_instance_discovery=True, **attempt.options())
    return attempt.token(made, f"{audience}/.default", explain=explain)
