"""The managed-identity endpoint as App Service and Functions offer it: IDENTITY_ENDPOINT with
IDENTITY_HEADER.

`GET /msi/token?api-version=2019-08-01&resource=...[&client_id= | &mi_res_id= | &object_id=]` with the header
X-IDENTITY-HEADER. The platform answers errors as `{"statusCode", "message"}`, also with 500 for a resource it
cannot have a token for (seen by client libraries); the texts and the status of a wrong header are not
verified.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator import tokens
from simulator.world import ManagedIdentity, World

API_VERSIONS = ("2019-08-01",)
LIFETIME = 24 * 3600  # seconds: the platform hands out tokens of many hours, cached per resource


def routes(world: World) -> list[BaseRoute]:
    """The one address."""

    async def token(request: Request) -> Response:
        with world.lock:
            return _token(world, request)

    return [Route("/msi/token", token)]


def environment(world: World) -> dict[str, str]:
    """What App Service puts into an app's environment so that it finds its identity."""
    return {
        "IDENTITY_ENDPOINT": f"{world.origin}/msi/token",
        "IDENTITY_HEADER": world.switches.identity_header,
    }


def _error(status: int, message: str) -> Response:
    return JSONResponse({"statusCode": status, "message": message}, status_code=status)


def _token(world: World, request: Request) -> Response:
    given = request.headers.get("x-identity-header", "")
    if not hmac.compare_digest(given.encode(), world.switches.identity_header.encode()):
        return _error(world.switches.wrong_identity_header_status, "The identity header is missing or wrong.")
    query = request.query_params
    if query.get("api-version") not in API_VERSIONS:
        return _error(400, "The api-version is missing or not supported.")
    resource = query.get("resource", "")
    if not resource:
        return _error(400, "The resource is missing.")
    identity = _selected(world, request)
    if identity is None:
        return _error(400, "No User Assigned or Delegated Managed Identity found for specified selector.")
    return _granted(world, identity, resource)


def _selected(world: World, request: Request) -> ManagedIdentity | None:
    query = request.query_params
    identities = [one for one in world.principals.values() if isinstance(one, ManagedIdentity)]
    selectors: dict[str, Callable[[ManagedIdentity], str]] = {
        "client_id": lambda one: one.client_id,
        "object_id": lambda one: one.object_id,
        "principal_id": lambda one: one.object_id,
        "mi_res_id": lambda one: one.resource_id,
    }
    for name, attribute in selectors.items():
        if name in query:
            wanted = query[name].lower()
            return next((one for one in identities if attribute(one).lower() == wanted), None)
    return next((one for one in identities if one.system_assigned), None)


def _granted(world: World, identity: ManagedIdentity, resource: str) -> Response:
    try:
        access = tokens.issue(world, identity, resource, lifetime=LIFETIME)
    except LookupError:
        # `/.default` at the end is the usual mistake: this endpoint wants the bare resource.
        return _error(500, "An unexpected error occurred while fetching the AAD Token.")
    return JSONResponse(
        {
            "access_token": access,
            "expires_on": str(int(world.now().timestamp()) + LIFETIME),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": identity.client_id,
        }
    )
