"""Who may call Azure Resource Manager for Defender for Cloud, how often, and the switches for what is not
verified about it.

Source: Azure's pages on request limits and the security provider's specification; the codes of 401, 403 and
404 are general knowledge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from starlette.requests import Request

from simulator import sample, ticks
from simulator.cloud_alerts import CloudSubscription
from simulator.refusals import Refused
from simulator.throttle import Bucket
from simulator.world import Denied, World

AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
READERS = frozenset({"Security Reader", "Security Admin", "Reader", "Contributor", "Owner"})
WRITERS = frozenset({"Security Admin", "Contributor", "Owner"})
VERSIONS = ("2022-01-01", "2021-11-01", "2021-01-01")
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-[a-z]+)?")


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
    """Check api-version, token, subscription, role and quota. The caller holds the world's lock. Raises
    Refused.

    That a missing api-version is noticed before a missing token is general knowledge, like the order of the
    rest.
    """
    _check_version(request, versions)
    state = cloud(world)
    claims = _claims(world, request)
    wanted = request.path_params["subscription"]
    subscription = state.subscriptions.get(wanted.lower())
    if subscription is None:
        raise Refused(404, "SubscriptionNotFound", f"The subscription '{wanted}' could not be found.")
    if claims["tid"] != subscription.tenant_id:
        text = "The access token is from the wrong issuer: it must match the tenant of this subscription."
        raise Refused(401, "InvalidAuthenticationTokenTenant", text)
    if not world.arm_roles(claims, subscription.id) & (WRITERS if write else READERS):
        raise _forbidden(claims["oid"], action, request.url.path)
    headers = _spend(state, (subscription.id, claims["oid"]), world.now().timestamp(), write=write)
    now = ticks.ticks_of(world.now())
    subscription.alerts.settle(now)
    return Admission(state, subscription, headers, now)


def _check_version(request: Request, versions: Sequence[str]) -> None:
    version = request.query_params.get("api-version")
    if version is None:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise Refused(400, "MissingApiVersionParameter", text)
    if not _VERSION.fullmatch(version):
        raise Refused(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")
    if version not in versions:
        supported = ", ".join(versions)
        text = f"No provider is registered for API version '{version}'. Supported are '{supported}'."
        raise Refused(400, "NoRegisteredProviderFound", text)


def _claims(world: World, request: Request) -> dict[str, str]:
    try:
        return world.verify(request, audience=AUDIENCES)
    except Denied as why:
        code = "ExpiredAuthenticationToken" if why.kind == "expired" else "InvalidAuthenticationToken"
        code = "AuthenticationFailed" if why.kind == "missing" else code
        text = f"The access token is not accepted ({why.kind})."
        header = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        raise Refused(401, code, text, header) from why


def _forbidden(object_id: str, action: str, scope: str) -> Refused:
    text = (
        f"The client '{object_id}' with object id '{object_id}' does not have authorization to perform "
        f"action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, "
        "please refresh your credentials."
    )
    return Refused(403, "AuthorizationFailed", text)


def _spend(state: CloudState, key: object, now: float, *, write: bool) -> dict[str, str]:
    kind, bucket = ("writes", state.writes) if write else ("reads", state.reads)
    ids = {"x-ms-request-id": str(uuid4()), "x-ms-correlation-request-id": str(uuid4())}
    if not state.switches.throttle:
        return ids
    left, wait = bucket.take(key, now)
    if wait:
        text = f"The request is throttled as the limit has been reached. Please retry after {wait} seconds."
        raise Refused(429, state.switches.throttle_code, text, ids | {"Retry-After": str(wait)})
    return ids | {f"x-ms-ratelimit-remaining-subscription-{kind}": str(left)}
