"""Key Vault's data plane for secrets, at the simulator's own address (`{origin}/secrets/...`), strict where
the service is.

Without token: 401 with the challenge from which SDKs learn where to sign in. Audience
https://vault.azure.net. `api-version` is mandatory. Every PUT makes a new version; old ones stay readable.
`exp` and `nbf` are informational: an expired secret is still
returned. `enabled: false` blocks. A deleted secret's name stays taken until it is recovered or purged (soft
delete). Roles on a vault are assigned in ARM and are never in the token: everybody may do everything here,
except `Vault.denied`. The texts of errors are from memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.world import Denied, World

AUDIENCE = "https://vault.azure.net"
API_VERSIONS = ("7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01")
RECOVERABLE_DAYS = 90
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")


@dataclass
class Version:
    """One version of a secret; times are epoch seconds."""

    id: str
    value: str = field(repr=False)
    created: int
    updated: int
    enabled: bool = True
    expires: int | None = None
    not_before: int | None = None
    content_type: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Vault:
    """The vault's secrets, oldest version first, and what is deleted but can be recovered.

    `denied` are object ids without a role on the vault: they get 403. Throttling is a fault on `/secrets`.
    """

    secrets: dict[str, list[Version]] = field(default_factory=dict)
    deleted: dict[str, tuple[int, list[Version]]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)


def vault(world: World) -> Vault:
    """The world's one vault."""
    return world.part("key_vault", Vault)


def put_secret(world: World, name: str, value: str, **attributes: Any) -> Version:
    """Store a secret as its owner would (a new version); `attributes` are Version's. For tests and `dev.py
    run`."""
    with world.lock:
        now = int(world.now().timestamp())
        made = Version(id=uuid4().hex, value=value, created=now, updated=now, **attributes)
        vault(world).secrets.setdefault(name, []).append(made)
        return made


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, *, inner: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"error": {"code": code, "message": message}}
        if inner:
            self.body["error"]["innererror"] = {"code": inner}


def routes(world: World) -> list[BaseRoute]:
    """The data plane. SDKs ask for the newest version with a trailing slash."""
    operations: list[tuple[str, str, _Operation]] = [
        ("GET", "/secrets", _list),
        ("PUT", "/secrets/{name}", _set),
        ("GET", "/secrets/{name}", _get),
        ("DELETE", "/secrets/{name}", _delete),
        ("GET", "/secrets/{name}/", _get),
        ("GET", "/secrets/{name}/versions", _versions),
        ("GET", "/secrets/{name}/{version}", _get),
        ("PATCH", "/secrets/{name}/{version}", _update),
        ("GET", "/deletedsecrets/{name}", _get_deleted),
        ("DELETE", "/deletedsecrets/{name}", _purge),
        ("POST", "/deletedsecrets/{name}/recover", _recover),
    ]
    return [
        Route(path, _endpoint(world, operation), methods=[method]) for method, path, operation in operations
    ]


_Body = dict[str, Any]
_Operation = Callable[[World, Request, _Body], _Body]


def _endpoint(world: World, operation: _Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        try:
            with world.lock:
                _admit(world, request)
                answer = operation(world, request, _json(raw))
        except Denied:
            return _challenge(world)
        except _Refused as refused:
            return JSONResponse(refused.body, status_code=refused.status)
        return JSONResponse(answer) if answer else Response(status_code=204)

    return endpoint


def _challenge(world: World) -> Response:
    tenant = world.switches.vault_challenge_tenant or next(iter(world.tenants))
    value = f'Bearer authorization="{world.origin}/{tenant}", resource="{AUDIENCE}"'
    body = {"error": {"code": "Unauthorized", "message": "AKV10000: Request is missing a Bearer token."}}
    return JSONResponse(body, status_code=401, headers={"WWW-Authenticate": value})


def _admit(world: World, request: Request) -> None:
    claims = world.verify(request, audience=AUDIENCE)
    version = request.query_params.get("api-version")
    if version is None:
        raise _Refused(400, "BadParameter", "api-version must be specified")
    if version not in API_VERSIONS:
        raise _Refused(400, "BadParameter", f"The specified version ({version}) is not recognized.")
    if claims["oid"] in vault(world).denied:
        message = "Caller is not authorized to perform action on resource."
        raise _Refused(403, "Forbidden", message, inner="ForbiddenByRbac")


def _json(raw: bytes) -> _Body:
    try:
        body = json.loads(raw or b"{}")
    except ValueError as problem:
        raise _Refused(400, "BadParameter", "The request body is not JSON.") from problem
    if not isinstance(body, dict):
        raise _Refused(400, "BadParameter", "The request body is not an object.")
    return body


def _found(world: World, request: Request) -> Version:
    name, wanted = request.path_params["name"], request.path_params.get("version")
    versions = vault(world).secrets.get(name, [])
    matching = [one for one in versions if wanted in (None, one.id)]
    if not matching:
        raise _not_found(name)
    return matching[-1]


def _not_found(name: str) -> _Refused:
    return _Refused(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")


def _get(world: World, request: Request, _: _Body) -> _Body:
    found = _found(world, request)
    if not found.enabled:
        message = "Operation get is not allowed on a disabled secret."
        raise _Refused(403, "Forbidden", message, inner="SecretDisabled")
    return _bundle(world, request.path_params["name"], found, value=True)


def _set(world: World, request: Request, body: _Body) -> _Body:
    name = request.path_params["name"]
    if not _NAME.fullmatch(name) or not isinstance(body.get("value"), str):
        raise _Refused(400, "BadParameter", "The secret's name or value is not valid.")
    if len(body["value"].encode()) > 25_600:
        raise _Refused(400, "BadParameter", "The secret value exceeds 25 KB.")
    if name in vault(world).deleted:
        message = f"Secret {name} is currently in a deleted but recoverable state."
        raise _Refused(409, "Conflict", message, inner="ObjectIsDeletedButRecoverable")
    made = put_secret(world, name, body["value"])
    _apply(world, made, body)
    return _bundle(world, name, made, value=True)


def _update(world: World, request: Request, body: _Body) -> _Body:
    found = _found(world, request)
    _apply(world, found, body)
    return _bundle(world, request.path_params["name"], found)


def _apply(world: World, version: Version, body: _Body) -> None:
    attributes = body.get("attributes") or {}
    tags = body.get("tags", version.tags) or {}
    content_type = body.get("contentType", version.content_type)
    if len(tags) > 15 or len(content_type or "") > 255:
        raise _Refused(400, "BadParameter", "At most 15 tags, and 255 characters of contentType.")
    version.tags, version.content_type = tags, content_type
    version.enabled = attributes.get("enabled", version.enabled)
    version.expires = attributes.get("exp", version.expires)
    version.not_before = attributes.get("nbf", version.not_before)
    version.updated = int(world.now().timestamp())


def _list(world: World, request: Request, _: _Body) -> _Body:
    newest = [_bundle(world, name, v[-1], whole=False) for name, v in sorted(vault(world).secrets.items())]
    return _page(world, request, newest)


def _versions(world: World, request: Request, _: _Body) -> _Body:
    name = request.path_params["name"]
    return _page(world, request, [_bundle(world, name, one) for one in vault(world).secrets.get(name, [])])


def _page(world: World, request: Request, items: list[_Body]) -> _Body:
    size = min(int(request.query_params.get("maxresults", 25)), 25)
    start = int(request.query_params.get("$skiptoken", 0))
    end, version = start + size, request.query_params["api-version"]
    query = f"api-version={version}&$skiptoken={end}&maxresults={size}"
    more = f"{world.origin}{request.url.path}?{query}" if end < len(items) else None
    return {"value": items[start:end], "nextLink": more}


def _delete(world: World, request: Request, _: _Body) -> _Body:
    name = request.path_params["name"]
    if name not in vault(world).secrets:
        raise _not_found(name)
    vault(world).deleted[name] = (int(world.now().timestamp()), vault(world).secrets.pop(name))
    return _get_deleted(world, request, {})


def _get_deleted(world: World, request: Request, _: _Body) -> _Body:
    name = request.path_params["name"]
    if name not in vault(world).deleted:
        raise _not_found(name)
    when, versions = vault(world).deleted[name]
    return {
        "recoveryId": f"{world.origin}/deletedsecrets/{name}",
        "deletedDate": when,
        "scheduledPurgeDate": when + RECOVERABLE_DAYS * 86_400,
        **_bundle(world, name, versions[-1]),
    }


def _purge(world: World, request: Request, _: _Body) -> _Body:
    if vault(world).deleted.pop(request.path_params["name"], None) is None:
        raise _not_found(request.path_params["name"])
    return {}


def _recover(world: World, request: Request, _: _Body) -> _Body:
    name = request.path_params["name"]
    if name not in vault(world).deleted:
        raise _not_found(name)
    vault(world).secrets[name] = vault(world).deleted.pop(name)[1]
    return _bundle(world, name, vault(world).secrets[name][-1])


def _bundle(world: World, name: str, one: Version, *, value: bool = False, whole: bool = True) -> _Body:
    attributes = {
        "enabled": one.enabled,
        "created": one.created,
        "updated": one.updated,
        "exp": one.expires,
        "nbf": one.not_before,
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": RECOVERABLE_DAYS,
    }
    path = f"{name}/{one.id}" if whole else name
    bundle = {
        "value": one.value if value else None,
        "contentType": one.content_type,
        "id": f"{world.origin}/secrets/{path}",
        "attributes": {key: item for key, item in attributes.items() if item is not None},
        "tags": one.tags,
    }
    return {key: item for key, item in bundle.items() if item is not None}
