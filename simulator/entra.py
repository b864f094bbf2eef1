"""Entra ID: token endpoints, v1 and v2, device codes and the authorize page; discovery and keys are in
discovery.py, what people do in entra_people.py, how apps prove themselves in entra_proof.py.

Checks come in the order of the real service: tenant, grant, application, credential, resource.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator import discovery, entra_control, entra_people, tokens
from simulator.entra_proof import has_proof, prove
from simulator.entra_refusals import SignInRefused, described, missing_field, refusal_body
from simulator.world import App, ManagedIdentity, Resource, Tenant, World

_DEFAULT = "/.default"
_SHARED_TENANTS = ("common", "organizations", "consumers")
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True)
class _Form:
    """The posted fields; `required` raises what Entra says when one is absent."""

    fields: dict[str, str]

    def get(self, name: str) -> str:
        return self.fields.get(name, "").strip()

    def required(self, name: str) -> str:
        value = self.get(name)
        if not value:
            raise missing_field(name)
        return value


def routes(world: World) -> list[BaseRoute]:
    """Token endpoints, authorize page, discovery documents and key sets of every tenant.

    Beside them two controls: `GET /_control/tokens/{role}` gives a user's token for PocketSOC's API, `POST
    /_control/keys` rolls the signing keys over; further ones are in entra_control.py.
    """

    async def v2(request: Request) -> Response:
        return await _answer(world, request, lambda tenant, form: _token(world, tenant, form, "scope"))

    async def v1(request: Request) -> Response:
        return await _answer(world, request, lambda tenant, form: _token(world, tenant, form, "resource"))

    async def device(request: Request) -> Response:
        return await _answer(world, request, lambda tenant, form: _device(world, tenant, form))

    async def authorize(request: Request) -> Response:
        with world.lock:
            return _authorize(world, request)

    async def user_token(request: Request) -> Response:
        try:
            return JSONResponse({"access_token": world.api_token(request.path_params["role"])})
        except LookupError as unknown:
            return JSONResponse({"error": str(unknown)}, status_code=404)

    async def roll(request: Request) -> Response:
        return JSONResponse({"kid": world.keys.roll().kid})

    return [
        *entra_control.routes(world),
        Route("/_control/tokens/{role}", user_token),
        Route("/_control/keys", roll, methods=["POST"]),
        Route("/{tenant}/oauth2/v2.0/token", v2, methods=["POST"]),
        Route("/{tenant}/oauth2/token", v1, methods=["POST"]),
        Route("/{tenant}/oauth2/v2.0/devicecode", device, methods=["POST"]),
        Route("/{tenant}/oauth2/v2.0/authorize", authorize),
        *discovery.routes(world),
    ]


async def _answer(world: World, request: Request, give: Any) -> Response:
    form = _Form(dict(parse_qsl((await request.body()).decode("utf-8", "replace"))))
    try:
        with world.lock:
            body = give(find_tenant(world, request.path_params["tenant"]), form)
    except SignInRefused as refused:
        correlation = request.headers.get("client-request-id") or str(uuid4())
        return JSONResponse(refusal_body(world, refused, correlation), status_code=refused.status)
    return JSONResponse(body, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


def _token(world: World, tenant: Tenant, form: _Form, asks_by: str) -> dict[str, Any]:
    grant = form.required("grant_type")
    if grant not in ("client_credentials", "authorization_code", "refresh_token", _DEVICE):
        text = f"The app requested an unsupported grant type '{grant}'."
        raise SignInRefused(70003, "unsupported_grant_type", text)
    app = _find_app(world, tenant, form.required("client_id"))
    if grant != "client_credentials":
        return _person_token(world, tenant, app, form, grant)
    prove(world, tenant, app, form.fields, grant)
    audience = _audience_of_scope(form) if asks_by == "scope" else form.required("resource")
    _find_resource(world, tenant, audience)
    access = tokens.issue(world, app, audience)
    return _v2_body(world, access) if asks_by == "scope" else _v1_body(world, access, audience)


def _person_token(world: World, tenant: Tenant, app: App, form: _Form, grant: str) -> dict[str, Any]:
    proven = has_proof(form.fields)
    if proven:
        _check_public(world, app, form, grant)
        prove(world, tenant, app, form.fields, grant)
    elif not _may_be_public(world, app, form, grant):
        prove(world, tenant, app, form.fields, grant)
    nonce = None
    if grant == _DEVICE:
        user, scope = entra_people.redeem_device(world, app, form.fields)
    elif grant == "authorization_code":
        user, scope, nonce = entra_people.redeem_code(world, app, form.fields)
    else:
        held = entra_people.redeem_refresh(world, app, form.required("refresh_token"))
        user, scope, proven = held.user, form.required("scope"), held.proven
        if world.switches.strict_rotation:
            held.revoked = 50173
    entra_people.check_tenant(tenant, user)
    return entra_people.answer(world, tenant, app, user, form.fields, scope=scope, proven=proven, nonce=nonce)


def _check_public(world: World, app: App, form: _Form, grant: str) -> None:
    if grant == "authorization_code" and app.redirects.get(form.get("redirect_uri")) == "public":
        text = "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."
        raise SignInRefused(700025, "invalid_client", text, status=401)


def _may_be_public(world: World, app: App, form: _Form, grant: str) -> bool:
    if grant == "authorization_code":
        return app.redirects.get(form.get("redirect_uri")) != "web"
    if grant == "refresh_token":
        held = entra_people.people(world).refresh.get(form.get("refresh_token"))
        return held is None or not held.proven
    return app.public_flows


def _device(world: World, tenant: Tenant, form: _Form) -> dict[str, Any]:
    app = _find_app(world, tenant, form.required("client_id"))
    return entra_people.start_device(world, tenant, app, form.required("scope"))


def _authorize(world: World, request: Request) -> Response:
    query = dict(request.query_params)
    try:
        tenant = find_tenant(world, request.path_params["tenant"])
        app = _find_app(world, tenant, query.get("client_id", ""))
        _check_redirect(app, query.get("redirect_uri", ""))
    except SignInRefused as refused:  # there is nowhere to send the browser back to
        text = described(world, refused, str(uuid4()), str(uuid4()))
        return HTMLResponse(f"<html><body>Sorry, but we could not sign you in. {text}</body></html>", 400)
    try:
        made = entra_people.authorize(world, tenant, app, query)
    except SignInRefused as refused:
        text = described(world, refused, str(uuid4()), str(uuid4()))
        return _back(world, query, {"error": refused.error, "error_description": text})
    code = f"1.{secrets.token_urlsafe(90)}"
    entra_people.people(world).codes[code] = made
    return _back(world, query, {"code": code, "session_state": str(uuid4())})


def _check_redirect(app: App, address: str) -> None:
    if not address:
        raise missing_field("redirect_uri")
    if address not in app.redirects:
        text = (
            f"The redirect URI '{address}' specified in the request does not match the redirect URIs "
            f"configured for the application '{app.client_id}'."
        )
        raise SignInRefused(50011, "invalid_client", text)


def _back(world: World, query: dict[str, str], values: dict[str, str]) -> Response:
    address = query["redirect_uri"]
    if world.switches.redirect_slash and not urlsplit(address).path:
        address += "/"
    if "state" in query:
        values = values | {"state": query["state"]}
    return Response(status_code=302, headers={"Location": f"{address}?{urlencode(values, quote_via=quote)}"})


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
    app = world.app(client_id, tenant.id)
    if app is None or isinstance(app, ManagedIdentity):
        text = f"Application with identifier '{client_id}' was not found in the directory '{tenant.domain}'."
        raise SignInRefused(700016, "unauthorized_client", text)
    return app


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


def _is_guid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return bool(re.fullmatch(r"[0-9a-fA-F-]{36}", text))
