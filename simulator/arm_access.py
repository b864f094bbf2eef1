"""Who may call Azure Resource Manager, whatever provider is asked: api-version, token, subscription, quota.

Source: Azure's pages on request limits and on error codes; the codes of 401, 403 and 404 are general
knowledge, and so is that a missing api-version is noticed before a missing token.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from starlette.requests import Request

from simulator.refusals import Refused
from simulator.throttle import Bucket
from simulator.world import Denied, World

AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-[a-z]+)?")


def check_version(request: Request, versions: Sequence[str]) -> None:
    """Raises Refused (400) unless the api-version is one of these."""
    version = request.query_params.get("api-version")
    if version is None:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise Refused(400, "MissingApiVersionParameter", text)
    if not _VERSION.fullmatch(version):
        raise Refused(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")
    if version not in versions:
        supported = ", ".join(versions)
        text = f"No provider is registered for API version '{version}'. Supported are '{supported}'."
        raise Refused(400, "NoRegisteredProviderFound", text)


def claims_of(world: World, request: Request) -> dict[str, Any]:
    """The token's claims. Raises Refused (401)."""
    try:
        return world.verify(request, audience=AUDIENCES)
    except Denied as why:
        code = "ExpiredAuthenticationToken" if why.kind == "expired" else "InvalidAuthenticationToken"
        code = "AuthenticationFailed" if why.kind == "missing" else code
        text = f"The access token is not accepted ({why.kind})."
        header = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise Refused(401, code, text, header) from why


def check_tenant(claims: dict[str, Any], tenant_id: str) -> None:
    """Raises Refused (401) for a token of another tenant than the subscription's."""
    if claims["tid"] != tenant_id:
        text = "The access token is from the wrong issuer: it must match the tenant of this subscription."
        raise Refused(401, "InvalidAuthenticationTokenTenant", text)


def forbidden(object_id: str, action: str, scope: str) -> Refused:
    """The 403 for who has no role that allows the action."""
    text = (
        f"The client '{object_id}' with object id '{object_id}' does not have authorization to perform "
        f"action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, "
        "please refresh your credentials."
    )
    return Refused(403, "AuthorizationFailed", text)


def spend(bucket: Bucket | None, key: object, now: float, *, kind: str, code: str) -> dict[str, str]:
    """Take one call from a bucket of `kind` (reads, writes); gives the answer's headers. None: no limit.
    Raises Refused (429) with `code`."""
    ids = {"x-ms-request-id": str(uuid4()), "x-ms-correlation-request-id": str(uuid4())}
    if bucket is None:
        return ids
    left, wait = bucket.take(key, now)
    if wait:
        text = f"The request is throttled as the limit has been reached. Please retry after {wait} seconds."
        raise Refused(429, code, text, ids | {"Retry-After": str(wait)})
    return ids | {f"x-ms-ratelimit-remaining-subscription-{kind}": str(left)}
