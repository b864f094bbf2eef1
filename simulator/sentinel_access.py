"""Who may call Azure Resource Manager for Microsoft Sentinel, and the switches for what is not verified about
it.

Reads and writes come out of the same buckets as everything else of the subscription (cloud_access.py). A role
may be assigned on the workspace, its resource group or the subscription. Source: the provider's specification
and "Roles and permissions in Microsoft Sentinel".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.requests import Request

from simulator import arm_access, sample, ticks
from simulator.cloud_access import cloud
from simulator.refusals import Refused
from simulator.sentinel_incidents import SentinelWorkspace
from simulator.world import World

RESPONDERS = frozenset(
    {"Microsoft Sentinel Responder", "Microsoft Sentinel Contributor", "Contributor", "Owner"}
)
READERS = RESPONDERS | {"Microsoft Sentinel Reader", "Reader"}
VERSIONS = (
    *("2025-09-01", "2025-06-01", "2025-03-01", "2024-09-01", "2024-03-01", "2023-11-01", "2023-02-01"),
    *("2022-11-01", "2022-08-01", "2021-10-01", "2021-04-01"),
)


@dataclass
class SentinelSwitches:
    """Where the real service is not verified. `page_size` and `largest_page` are such numbers."""

    page_size: int = 50
    largest_page: int = 1000  # what $top is cut to
    alerts_need_responder: bool = False  # whether listing alerts, which is a POST, takes more than Reader
    endless_nextlink: bool = False  # fault: the first page again and again, always with a nextLink


@dataclass
class SentinelState:
    """Everything of this part: switches and what each workspace has."""

    switches: SentinelSwitches = field(default_factory=SentinelSwitches)
    workspaces: dict[str, SentinelWorkspace] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        self.add(sample.WORKSPACE_ID, sample.TENANT_ID)

    def add(self, id: str, tenant_id: str) -> SentinelWorkspace:
        """Let a workspace exist; its id is the ARM id."""
        made = SentinelWorkspace(id, tenant_id, self.seed)
        self.workspaces[id.lower()] = made
        return made

    def reset(self) -> None:
        """As at the beginning; workspaces stay, empty."""
        self.switches = SentinelSwitches()
        for known in list(self.workspaces.values()):
            self.add(known.id, known.tenant_id)


def sentinel(world: World) -> SentinelState:
    """This part's state in the world."""
    return world.part("sentinel", SentinelState)


@dataclass(frozen=True)
class Admission:
    """A request that may go on. `headers` go with the answer; `now` is the world's time in ticks; `roles`
    are those that count for the workspace."""

    switches: SentinelSwitches
    workspace: SentinelWorkspace
    headers: dict[str, str]
    caller: dict[str, str]
    now: int
    roles: frozenset[str]


def admit(world: World, request: Request, action: str, *, versions: Sequence[str] = VERSIONS) -> Admission:
    """Check api-version, token, subscription, role, workspace and quota, in that order (general knowledge).
    `action` is what is done, below `Microsoft.SecurityInsights/incidents`; what is no read is a write. The
    caller holds the world's lock. Raises Refused."""
    arm_access.check_version(request, versions)
    state, given = sentinel(world), request.path_params
    claims = arm_access.claims_of(world, request)
    subscription = cloud(world).subscriptions.get(given["subscription"].lower())
    if subscription is None:
        text = f"The subscription '{given['subscription']}' could not be found."
        raise Refused(404, "SubscriptionNotFound", text)
    arm_access.check_tenant(claims, subscription.tenant_id)
    group = f"/subscriptions/{subscription.id}/resourcegroups/{given['group']}".lower()
    wanted = f"{group}/providers/microsoft.operationalinsights/workspaces/{given['workspace']}".lower()
    held = set().union(*(world.arm_roles(claims, scope) for scope in (subscription.id, group, wanted)))
    reading = action.endswith("read") or (
        action.endswith("/action") and not state.switches.alerts_need_responder
    )
    if not held & (READERS if reading else RESPONDERS):
        raise arm_access.forbidden(
            claims["oid"], f"Microsoft.SecurityInsights/incidents/{action}", request.url.path
        )
    workspace = _workspace(state, group, wanted, given)
    key, now = (subscription.id, claims["oid"]), world.now()
    headers = cloud(world).spend(key, now.timestamp(), write=request.method != "GET")
    workspace.incidents.settle(ticks.ticks_of(now))
    caller = {"objectId": claims["oid"], "name": claims.get("name") or claims.get("appid") or ""}
    return Admission(state.switches, workspace, headers, caller, ticks.ticks_of(now), frozenset(held))


def _workspace(state: SentinelState, group: str, wanted: str, given: dict[str, str]) -> SentinelWorkspace:
    if not any(known.startswith(f"{group}/") for known in state.workspaces):
        text = f"Resource group '{given['group']}' could not be found."
        raise Refused(404, "ResourceGroupNotFound", text)
    if wanted not in state.workspaces:
        text = (
            f"The Resource 'Microsoft.OperationalInsights/workspaces/{given['workspace']}' under resource "
            f"group '{given['group']}' was not found."
        )
        raise Refused(404, "ResourceNotFound", text)
    return state.workspaces[wanted]
