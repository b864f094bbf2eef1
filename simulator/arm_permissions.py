"""What a caller's roles allow at a subscription or a workspace: `GET
{scope}/providers/Microsoft.Authorization/permissions`.

The actions are those of Azure's built-in roles, shortened to what concerns us. Source: "Azure built-in roles
for Security", "Permissions - List". Who has no role at all is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator import sentinel_access
from simulator.cloud_access import admit
from simulator.refusals import route
from simulator.world import World

_VERSIONS = ("2022-04-01", "2018-01-01-preview", "2015-07-01")
_ACTION = "Microsoft.Authorization/permissions/read"
ACTIONS: dict[str, tuple[list[str], list[str]]] = {
    "Owner": (["*"], []),
    "Contributor": (["*"], ["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"]),
    "Reader": (["*/read"], []),
    "Security Reader": (
        [
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/read",
            "Microsoft.operationalInsights/workspaces/*/read",
            "Microsoft.Resources/deployments/*/read",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Security/*/read",
        ],
        [],
    ),
    "Security Admin": (
        [
            "Microsoft.Authorization/*/read",
            "Microsoft.Authorization/policyAssignments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Security/*",
        ],
        [],
    ),
    "Microsoft Sentinel Reader": (
        ["Microsoft.Authorization/*/read", "Microsoft.SecurityInsights/*/read"],
        [],
    ),
    "Microsoft Sentinel Responder": (
        [
            "Microsoft.Authorization/*/read",
            "Microsoft.SecurityInsights/*/read",
            "Microsoft.SecurityInsights/incidents/*",
        ],
        [],
    ),
    "Microsoft Sentinel Contributor": (
        ["Microsoft.Authorization/*/read", "Microsoft.SecurityInsights/*"],
        [],
    ),
}


def routes(world: World) -> list[Route]:
    """One address for each kind of scope."""

    async def listed(request: Request) -> Response:
        with world.lock:
            admission = admit(world, request, versions=_VERSIONS, action=_ACTION)
            claims = world.verify(request, audience="https://management.azure.com")
            roles = world.arm_roles(claims, admission.subscription.id)
            return JSONResponse(_permissions(roles), headers=admission.headers)

    async def listed_of_workspace(request: Request) -> Response:
        with world.lock:
            allowed = sentinel_access.admit(world, request, "permissions/read", versions=_VERSIONS)
            return JSONResponse(_permissions(allowed.roles), headers=allowed.headers)

    workspace = "resourceGroups/{group}/providers/Microsoft.OperationalInsights/workspaces/{workspace}"
    end = "providers/Microsoft.Authorization/permissions"
    return [
        route(f"/subscriptions/{{subscription}}/{end}", listed, "GET"),
        route(f"/subscriptions/{{subscription}}/{workspace}/{end}", listed_of_workspace, "GET"),
    ]


def _permissions(roles: Collection[str]) -> dict[str, Any]:
    return {"value": [_permission(name) for name in sorted(roles) if name in ACTIONS]}


def _permission(role: str) -> dict[str, Any]:
    actions, not_actions = ACTIONS[role]
    return {"actions": actions, "notActions": not_actions, "dataActions": [], "notDataActions": []}
