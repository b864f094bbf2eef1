"""One application out of the parts: modules with `routes(world) -> list[Route]`. Faults come before all of
them."""

from __future__ import annotations

import importlib
from types import ModuleType

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from simulator.faults import FaultMiddleware
from simulator.world import World

# Sign-in comes last: its routes begin with a tenant, that is, with anything.
PARTS = (
    "inbox",
    "control",
    "managed_identity",
    "key_vault",
    "apns",
    "web_push",
    "defender_endpoint",
    "defender_for_cloud",
    "entra",
)


def create_app(world: World) -> Starlette:
    """The whole simulated cloud as one ASGI application over `world`."""
    routes: list[BaseRoute] = []
    for name in PARTS:
        part = _part(name)
        if part is not None:
            routes.extend(part.routes(world))
    return Starlette(routes=routes, middleware=[Middleware(FaultMiddleware, world=world)])


def _part(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(f"simulator.{name}")
    except ModuleNotFoundError as missing:
        if not (missing.name or "").startswith("simulator."):
            raise
        return None
