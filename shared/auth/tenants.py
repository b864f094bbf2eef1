"""Which tenant a domain belongs to, as Entra ID's discovery document says it.

Source: "OpenID Connect on the Microsoft identity platform": the issuer names the tenant by its id.
"""

from __future__ import annotations

import re
from typing import Any

import requests

from shared.auth import aadsts
from shared.auth.registration import NO_TENANT, WHO
from shared.auth.wire import trusting_session, unreachable
from shared.errors import SignInFailed, TryLater
from shared.nouns.configurations import Cloud

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TIMEOUT = (5.0, 10.0)


def tenant_id(named: str, cloud: Cloud, *, ca_bundle: str | None = None) -> str:
    """The tenant's id, in small letters; a domain is looked up. Raises SignInFailed when there is no such
    tenant in the cloud, TryLater when nobody can be asked."""
    named = named.strip().lower()
    if _GUID.fullmatch(named):
        return named
    if named in NO_TENANT or "." not in named:
        raise SignInFailed("This is neither a tenant's id nor one of its domains.")
    found = _GUID.search(str(_document(named, cloud, ca_bundle).get("issuer", "")))
    if found is None:
        raise TryLater(f"{WHO} did not say which tenant this domain belongs to.")
    return found[0].lower()


def _document(domain: str, cloud: Cloud, ca_bundle: str | None) -> dict[str, Any]:
    address = f"{cloud.authority.rstrip('/')}/{domain}/v2.0/.well-known/openid-configuration"
    try:
        with trusting_session(ca_bundle) as session:
            answer = session.get(address, timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        raise unreachable(error, WHO) from error
    if answer.status_code >= 400:
        raise aadsts.explain(answer.text, status=answer.status_code)
    try:
        body = answer.json()
    except ValueError as error:
        raise TryLater(f"{WHO} answered with something that is not JSON.") from error
    return body if isinstance(body, dict) else {}
