"""Entra ID's token endpoints, v1 and v2, for applications with a client secret; discovery and keys are in
discovery.py.

Checks come in the order of the real service: tenant, grant, application, secret, resource. The codes and
their HTTP status are collected from logs where such exist; 900023, 50059, 900144, 7000216, 1002012 and the
status of 70011 and 500011 are from memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator import discovery, tokens
from simulator.world import App, ManagedIdentity, Resource, Tenant, World

_DEFAULT = "/.default"
_SHARED_TENANTS = ("common", "organizations", "consumers")


class SignInRefused(Exception):
    """What the token endpoint says no with: AADSTS number, OAuth error, HTTP status, text."""

    def __init__(self, number: int, error: str, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.number = number
        self.error = error
        self.text = text
        self.status = status


@dataclass(frozen=True)
class _Form:
    """The posted fields; `required` raises what Entra says when one is absent."""

    fields: dict[str, str]

    def get(self, name: str) -> str:
        return self.fields.get(name, "").strip()

    def required(self, name: str) -> str:
        value = self.get(name)
        if not value:
            text = f"The request body must contain the following parameter: '{name}'."
            raise SignInRefused(900144, "invalid_request", text)
        return value


def routes(world: World) -> list[BaseRoute]:
    """Token endpoints, discovery documents and key sets of every tenant.

    Beside them two controls: `GET /_control/tokens/{role}` gives a user's token for PocketSOC's API, `POST
    /_control/keys` rolls the signing keys over.
    """

    async def v2(request: Request) -> Response:
        return await _answer(world, request, "scope")

    async def v1(request: Request) -> Response:
        return await _answer(world, request, "resource")

    async def user_token(request: Request) -> Response:
        try:
            return JSONResponse({"access_token": world.api_token(request.path_params["role"])})
        except LookupError as unknown:
            return JSONResponse({"error": str(unknown)}, status_code=404)

    async def roll(request: Request) -> Response:
        return JSONResponse({"kid": world.keys.roll().kid})

    return [
        Route("/_control/tokens/{role}", user_token),
        Route("/_control/keys", roll, methods=["POST"]),
        Route("/{tenant}/oauth2/v2.0/token", v2, methods=["POST"]),
        Route("/{tenant}/oauth2/token", v1, methods=["POST"]),
        *discovery.routes(world),
    ]


async def _answer(world: World, request: Request, asks_by: str) -> Response:
    form = _Form(dict(parse_qsl((await request.body()).decode("utf-8", "replace"))))
    try:
        with world.lock:
            body = _token(world, request.path_params["tenant"], form, asks_by)
    except SignInRefused as refused:
        correlation = request.headers.get("client-request-id") or str(uuid4())
        return JSONResponse(refusal_body(world, refused, correlation), status_code=refused.status)
    return JSONResponse(body, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def _token(world: World, tenant_name: str, form: _Form, asks_by: str) -> dict[str, Any]:
    tenant = find_tenant(world, tenant_name)
    grant = form.required("grant_type")
    if grant != "client_credentials":
        text = f"The app requested an unsupported grant type '{grant}'."
        raise SignInRefused(70003, "unsupported_grant_type", text)
    app = _find_app(world, tenant, form.required("client_id"))
    _check_secret(world, app, form.get("client_secret"))
    audience = _audience_of_scope(form) if asks_by == "scope" else form.required("resource")
    _find_resource(world, tenant, audience)
    access = tokens.issue(world, app, audience)
    return _v2_body(world, access) if asks_by == "scope" else _v1_body(world, access, audience)


def find_tenant(world: World, name: str) -> Tenant:
    """The tenant that an address names. Raises SignInRefused."""
    if name.lower() in _SHARED_TENANTS:
        text = "No tenant-identifying information found in either the request or implied by any credentials."
        raise SignInRefused(50059, "invalid_request", text)
    if not (_is_guid(name) or "." in name):
        text = f"Specified tenant identifier '{name}' is neither a valid DNS name nor an external domain."
        raise SignInRefused(900023, "invalid_request", text)
    tenant = world.tenant(name)
    if tenant is None:
        text = f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID and cloud."
        raise SignInRefused(90002, world.switches.tenant_not_found_error, text)
    return tenant


def _find_app(world: World, tenant: Tenant, client_id: str) -> App:
    app = world.app(client_id)
    if app is None or app.tenant_id != tenant.id or isinstance(app, ManagedIdentity):
        text = f"Application with identifier '{client_id}' was not found in the directory '{tenant.domain}'."
        raise SignInRefused(700016, "unauthorized_client", text)
    return app


def _check_secret(world: World, app: App, secret: str) -> None:
    if not secret:
        text = "'client_assertion' or 'client_secret' is required for the 'client_credentials' grant type."
        raise SignInRefused(7000216, "invalid_client", text, status=401)
    known = next((one for one in app.secrets if one.value == secret), None)
    if known is None:
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret"
            f" value, not the client secret ID, for a secret added to app '{app.client_id}'."
        )
        raise SignInRefused(7000215, "invalid_client", text, status=401)
    if known.expires <= world.now():
        text = f"The provided client secret keys for app '{app.client_id}' are expired."
        raise SignInRefused(7000222, "invalid_client", text, status=401)


def _audience_of_scope(form: _Form) -> str:
    scope = form.required("scope")
    if len(scope.split()) > 1 or scope.startswith("/"):
        text = f"The value of the input parameter 'scope' is not valid. The scope {scope} is not valid."
        raise SignInRefused(70011, "invalid_scope", text)
    if not scope.endswith(_DEFAULT):
        text = (
            f"The provided value for scope {scope} is not valid. Client credential flows must have a scope"
            " value with /.default suffixed to the resource identifier (application ID URI)."
        )
        raise SignInRefused(1002012, "invalid_scope", text)
    return scope[: -len(_DEFAULT)]


def _find_resource(world: World, tenant: Tenant, audience: str) -> Resource:
    resource = world.resource(audience, tenant)
    if resource is None:
        text = f"The resource principal named {audience} was not found in tenant {tenant.domain}."
        raise SignInRefused(500011, "invalid_resource", text)
    return resource


def _v2_body(world: World, access: str) -> dict[str, Any]:
    seconds = world.switches.token_lifetime
    return {
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": access,
    }


def _v1_body(world: World, access: str, audience: str) -> dict[str, str]:
    # v1 says its numbers as JSON strings (from memory; clients must take both).
    now, seconds = int(world.now().timestamp()), world.switches.token_lifetime
    return {
        "token_type": "Bearer",
        "expires_in": str(seconds),
        "ext_expires_in": str(seconds),
        "expires_on": str(now + seconds),
        "not_before": str(now),
        "resource": audience,
        "access_token": access,
    }


def refusal_body(world: World, refused: SignInRefused, correlation: str) -> dict[str, Any]:
    """The error in Entra's shape; the description's trailer is separated as the world's switch says."""
    moment, trace = world.now().strftime("%Y-%m-%d %H:%M:%SZ"), str(uuid4())
    trailer = (f"Trace ID: {trace}", f"Correlation ID: {correlation}", f"Timestamp: {moment}")
    separator = world.switches.aadsts_separator
    return {
        "error": refused.error,
        "error_description": separator.join((f"AADSTS{refused.number}: {refused.text}", *trailer)),
        "error_codes": [refused.number],
        "timestamp": moment,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"{world.origin}/error?code={refused.number}",
    }


def _is_guid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return bool(re.fullmatch(r"[0-9a-fA-F-]{36}", text))
