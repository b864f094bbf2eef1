"""Who may call Azure Resource Manager for Defender for Cloud, how often, and the switches for what is not
verified about it.

Source: Azure's pages on request limits and the security provider's specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from starlette.requests import Request

from simulator import arm_access, sample, ticks
from simulator.cloud_alerts import CloudSubscription
from simulator.refusals import Refused
from simulator.throttle import Bucket
from simulator.world import World

READERS = frozenset({"Security Reader", "Security Admin", "Reader", "Contributor", "Owner"})
WRITERS = frozenset({"Security Admin", "Contributor", "Owner"})
VERSIONS = ("2022-01-01", "2021-11-01", "2021-01-01")

_reads = partial(Bucket, 250, 25)
_writes = partial(Bucket, 200, 10)


@dataclass
class CloudSwitches:
    """Where the real service is not verified. `page_size` is one such number."""

    page_size: int = 100
    throttle: bool = True
    throttle_code: str = "TooManyRequests"  # or SubscriptionRequestsThrottled
    same_state: int = 204  # what setting the status that an alert has already answers
    simulate_seconds: float = 2.0  # from the request to the sample alerts
    retention_days: int = 90
    assessments_with_severity: bool = False  # whether the list of assessments brings their metadata
    endless_nextlink: bool = False  # fault: the first page again and again, always with a nextLink


@dataclass
class CloudState:
    """Everything of this part: switches, buckets and what each subscription has."""

    switches: CloudSwitches = field(default_factory=CloudSwitches)
    reads: Bucket = field(default_factory=_reads)
    writes: Bucket = field(default_factory=_writes)
    subscriptions: dict[str, CloudSubscription] = field(default_factory=dict)
    operations: dict[str, int] = field(default_factory=dict)  # long-running: id, and when it is done (ticks)
    seed: int = 0

    def __post_init__(self) -> None:
        self.add(sample.SUBSCRIPTION_ID, sample.TENANT_ID)

    def add(self, subscription_id: str, tenant_id: str) -> CloudSubscription:
        """Let a subscription exist, in a tenant."""
        made = CloudSubscription(subscription_id, tenant_id, self.seed)
        self.subscriptions[subscription_id.lower()] = made
        return made

    def spend(self, key: object, now: float, *, write: bool) -> dict[str, str]:
        """Take one call from the quota that all providers of a subscription share; the answer's headers.
        Raises Refused (429)."""
        kind, bucket = ("writes", self.writes) if write else ("reads", self.reads)
        limited = bucket if self.switches.throttle else None
        return arm_access.spend(limited, key, now, kind=kind, code=self.switches.throttle_code)

    def reset(self) -> None:
        """As at the beginning; subscriptions stay, empty."""
        self.switches, self.reads, self.writes = CloudSwitches(), _reads(), _writes()
        self.operations = {}
        for known in list(self.subscriptions.values()):
            self.add(known.id, known.tenant_id)


def cloud(world: World) -> CloudState:
    """This part's state in the world."""
    return world.part("defender_for_cloud", CloudState)


@dataclass(frozen=True)
class Admission:
    """A request that may go on. `headers` go with the answer; `now` is the world's time in ticks."""

    state: CloudState
    subscription: CloudSubscription
    headers: dict[str, str]
    now: int


def admit(
    world: World, request: Request, *, versions: Sequence[str], action: str, write: bool = False
) -> Admission:
    """Check api-version, token, subscription, role and quota, in that order (general knowledge). The caller
    holds the world's lock. Raises Refused."""
    arm_access.check_version(request, versions)
    state = cloud(world)
    claims = arm_access.claims_of(world, request)
    wanted = request.path_params["subscription"]
    subscription = state.subscriptions.get(wanted.lower())
    if subscription is None:
        raise Refused(404, "SubscriptionNotFound", f"The subscription '{wanted}' could not be found.")
    arm_access.check_tenant(claims, subscription.tenant_id)
    if not world.arm_roles(claims, subscription.id) & (WRITERS if write else READERS):
        raise arm_access.forbidden(claims["oid"], action, request.url.path)
    headers = state.spend((subscription.id, claims["oid"]), world.now().timestamp(), write=write)
    now = ticks.ticks_of(world.now())
    subscription.alerts.settle(now)
    return Admission(state, subscription, headers, now)
