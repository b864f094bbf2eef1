"""Microsoft Graph's directory, as much as says when an application's credentials end: applications and
service principals by object id or appId.

A secret's value is never shown, only its first three letters (`hint`). Source: "application",
"passwordCredential", "keyCredential", "servicePrincipal".
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.graph_access import OTHERS, READ_APPLICATIONS, Caller, admit, answer, route
from simulator.refusals import Refused
from simulator.world import App, ManagedIdentity, World

_VALID = timedelta(days=730)  # what the portal offers at most; when a secret was made is not kept


def routes(world: World) -> list[Route]:
    """This part's routes."""
    api = Directory(world)
    return [
        route("/v1.0/applications(appId='{app_id}')", api.application, "GET"),
        route("/v1.0/applications/{object_id}", api.application, "GET"),
        route("/v1.0/servicePrincipals(appId='{app_id}')", api.principal, "GET"),
        route("/v1.0/servicePrincipals/{object_id}", api.principal, "GET"),
    ]


class Directory:
    """The handlers."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def application(self, request: Request) -> Response:
        """GET /applications(appId='...') or /applications/{object id}. A managed identity has none."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_APPLICATIONS, group="directory", quotas=OTHERS)
            app = self._app(caller, request)
            if isinstance(app, ManagedIdentity):
                raise _missing(request)
            return answer(caller, request, "applications/$entity", _selected(_application(app), request))

    async def principal(self, request: Request) -> Response:
        """GET /servicePrincipals(appId='...') or /servicePrincipals/{object id}."""
        with self._world.lock:
            caller = admit(self._world, request, roles=READ_APPLICATIONS, group="directory", quotas=OTHERS)
            app = self._app(caller, request)
            body = {
                "id": app.object_id,
                "appId": app.client_id,
                "displayName": app.name,
                "accountEnabled": True,
                "appOwnerOrganizationId": app.tenant_id,
                "servicePrincipalType": "ManagedIdentity"
                if isinstance(app, ManagedIdentity)
                else "Application",
                "passwordCredentials": [],
                "keyCredentials": [],
            }
            return answer(caller, request, "servicePrincipals/$entity", _selected(body, request))

    def _app(self, caller: Caller, request: Request) -> App:
        wanted = {
            name: str(value).lower() for name, value in request.path_params.items() if name.endswith("_id")
        }
        for app in self._world.principals.values():
            if not isinstance(app, App) or app.tenant_id != caller.tenant_id:
                continue
            ids = {"app_id": app.client_id, "object_id": app.object_id}
            if "object_id" in wanted and not request.url.path.lower().startswith("/v1.0/serviceprincipals"):
                ids["object_id"] = _registration(app)
            if all(ids[name].lower() == value for name, value in wanted.items()):
                return app
        raise _missing(request)


def _registration(app: App) -> str:
    """The registration's object id, which is not that of its service principal."""
    return str(uuid5(NAMESPACE_OID, f"application {app.client_id}"))


def _application(app: App) -> dict[str, Any]:
    return {
        "id": _registration(app),
        "appId": app.client_id,
        "displayName": app.name,
        "signInAudience": "AzureADMyOrg",
        "passwordCredentials": [
            {
                "customKeyIdentifier": None,
                "displayName": f"Secret {number}",
                **_span(secret.expires),
                "hint": secret.value[:3],
                "keyId": secret.id,
                "secretText": None,
            }
            for number, secret in enumerate(app.secrets, 1)
        ],
        "keyCredentials": [
            {
                # The thumbprint: base64 in the reference, hexadecimal digits in answers that were seen.
                "customKeyIdentifier": base64.b64encode(
                    hashlib.sha1(one.der, usedforsecurity=False).digest()
                ).decode(),
                "displayName": "CN=pocketsoc",
                **_span(one.expires),
                "key": None,
                "keyId": one.id,
                "type": "AsymmetricX509Cert",
                "usage": "Verify",
            }
            for one in getattr(app, "certificates", ())
        ],
    }


def _span(expires: datetime) -> dict[str, str]:
    return {
        "endDateTime": f"{expires:%Y-%m-%dT%H:%M:%S}Z",
        "startDateTime": f"{expires - _VALID:%Y-%m-%dT%H:%M:%S}Z",
    }


def _selected(body: dict[str, Any], request: Request) -> dict[str, Any]:
    names = [one.strip() for one in request.query_params.get("$select", "").split(",") if one.strip()]
    return {name: body[name] for name in names if name in body} if names else body


def _missing(request: Request) -> Refused:
    wanted = "', '".join(str(value) for value in request.path_params.values())
    return Refused(
        404,
        "Request_ResourceNotFound",
        f"Resource '{wanted}' does not exist or one of its queried reference-property objects are not "
        "present.",
    )
