"""One application out of the parts: modules with `routes(world)`. Faults come before all of them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware

from simulator import (
    apns,
    arm_permissions,
    cloud_apps,
    cloud_posture,
    control,
    defender_endpoint,
    defender_for_cloud,
    defender_xdr,
    entra,
    graph_devices,
    graph_directory,
    graph_hunting,
    graph_incidents,
    graph_posture,
    graph_security,
    inbox,
    key_vault,
    managed_identity,
    sentinel,
    web_push,
)
from simulator.faults import FaultMiddleware
from simulator.world import World

# Sign-in comes last: its routes begin with a tenant, that is, with anything.
PARTS = (
    inbox,
    control,
    managed_identity,
    key_vault,
    apns,
    web_push,
    defender_endpoint,
    defender_for_cloud,
    defender_xdr,
    graph_incidents,
    graph_hunting,
    graph_posture,
    graph_security,
    graph_devices,
    graph_directory,
    cloud_apps,
    cloud_posture,
    arm_permissions,
    sentinel,
    entra,
)


def create_app(world: World) -> Starlette:
    """The whole simulated cloud as one ASGI application over `world`."""
    routes = [route for part in PARTS for route in part.routes(world)]
    return Starlette(routes=routes, middleware=[Middleware(FaultMiddleware, world=world)])
