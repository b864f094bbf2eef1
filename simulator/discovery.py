"""What a client reads before it signs in or trusts a token: OpenID configuration and key sets, v1 and v2.

Under `common` and `organizations` the issuer is the literal template `{tenantid}`, as at Microsoft.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.entra_refusals import SignInRefused, refusal_body
from simulator.world import World

_CONFIGURATION = ".well-known/openid-configuration"


def routes(world: World) -> list[BaseRoute]:
    """Discovery documents and key sets."""

    async def v2(request: Request) -> Response:
        return _configuration(world, request.path_params["tenant"], 2)

    async def v1(request: Request) -> Response:
        return _configuration(world, request.path_params["tenant"], 1)

    async def keys_v2(request: Request) -> Response:
        return _keys(world, request.path_params["tenant"], 2)

    async def keys_v1(request: Request) -> Response:
        return _keys(world, request.path_params["tenant"], 1)

    return [
        Route("/{tenant}/v2.0/" + _CONFIGURATION, v2),
        Route("/{tenant}/" + _CONFIGURATION, v1),
        Route("/{tenant}/discovery/v2.0/keys", keys_v2),
        Route("/{tenant}/discovery/keys", keys_v1),
    ]


def _tenant_id(world: World, name: str) -> str | None:
    if name.lower() in ("common", "organizations"):
        return "{tenantid}"
    tenant = world.tenant(name)
    return tenant.id if tenant else None


def _issuer(world: World, tenant_id: str, version: int) -> str:
    if version == 2:
        return f"{world.origin}/{tenant_id}/v2.0"
    return f"https://sts.windows.net/{tenant_id}/"


def _configuration(world: World, name: str, version: int) -> Response:
    tenant_id = _tenant_id(world, name)
    if tenant_id is None:
        return _unknown(world, name)
    base = f"{world.origin}/{name}"
    prefix = f"{base}/oauth2/v2.0" if version == 2 else f"{base}/oauth2"
    document: dict[str, Any] = {
        "token_endpoint": f"{prefix}/token",
        "token_endpoint_auth_methods_supported": [
            "client_secret_post",
            "private_key_jwt",
            "client_secret_basic",
        ],
        "jwks_uri": f"{base}/discovery/{'v2.0/' if version == 2 else ''}keys",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": _issuer(world, tenant_id, version),
        "authorization_endpoint": f"{prefix}/authorize",
        "device_authorization_endpoint": f"{prefix}/devicecode",
        "end_session_endpoint": f"{prefix}/logout",
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "tid", "ver", "oid", "roles"],
        "tenant_region_scope": None,
        "cloud_instance_name": world.origin.removeprefix("https://"),
    }
    return JSONResponse(document)


def _keys(world: World, name: str, version: int) -> Response:
    tenant_id = _tenant_id(world, name)
    if tenant_id is None:
        return _unknown(world, name)
    issuer = _issuer(world, tenant_id, version)
    return JSONResponse({"keys": [key.as_jwk(issuer) for key in world.keys.live()]})


def _unknown(world: World, name: str) -> Response:
    text = f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID and cloud."
    refused = SignInRefused(90002, world.switches.tenant_not_found_error, text)
    return JSONResponse(refusal_body(world, refused, str(uuid4())), status_code=400)
