"""What a vendor is: one file that says what it needs, fetches pages, maps an alert, and checks itself.

A new vendor is a class with this shape in its own file, one line in registry.py, fixtures with tests, a
part of the simulator and a guide. Pipeline, store, API and portal do not change: what they need to know is
declared here.

The story of a poll: the pipeline builds a `Connection` for the configuration, calls `fetch(connection,
cursor)` with the cursor it has stored (None the first time), and for each `Page`: compares, queues, and
only then stores `page.cursor`. A run that dies anywhere starts again from the last stored cursor; pages may
come twice, never not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from shared.nouns.budgets import Limit as Limit
from shared.nouns.configurations import Cloud, Configuration
from shared.nouns.detections import Channel, Detection, Instant
from shared.vendors.form import Fields as Fields

Cursor = Mapping[str, Any]


class Api(Protocol):
    """One configuration's way to its vendor's API: adds the token, the timeout and the manners. client.py
    keeps it.

    Every method raises SignInFailed, PermissionMissing, HostNotAllowed, Refused, TryLater (Throttled,
    BudgetSpent) or Unreadable, with words for the operator.
    """

    def get(self, path_or_url: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET a JSON object. A full URL (a nextLink, verbatim) is only followed on the configured host."""
        ...

    def post(
        self,
        path_or_url: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        *,
        wait: float | None = None,
    ) -> dict[str, Any]:
        """POST JSON; an empty answer is `{}`. `wait`: seconds for an answer that may take longer than
        usual."""
        ...

    def patch(self, path_or_url: str, body: Any) -> dict[str, Any]:
        """PATCH JSON; an empty answer is `{}`."""
        ...

    def put(self, path_or_url: str, body: Any, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """PUT JSON; an empty answer is `{}`."""
        ...

    def token_claims(self) -> dict[str, Any]:
        """The claims of the current token, read without trust; only to be shown (roles, tenant, app id,
        expiry)."""
        ...


@dataclass(frozen=True)
class Connection:
    """What `fetch`, `check` and the abilities work with. `now` is the clock (aware UTC); `graph` is Microsoft
    Graph with the same sign-in (to read when the app's secret expires), None where there is none."""

    configuration: Configuration
    cloud: Cloud
    api: Api
    now: Callable[[], datetime]
    graph: Api | None = None


@dataclass(frozen=True)
class Page:
    """Raw alerts in the vendor's order. `cursor` may be stored once they are safe. `done`: everything the
    vendor had when the walk began has now been read; only the last page of a walk says so."""

    alerts: tuple[Any, ...]
    cursor: dict[str, Any]
    done: bool
    incidents: tuple[Any, ...] = ()


class SweepPage(tuple[Any, ...]):
    """Raw alerts of a sweep that may be interrupted. A sweep `since` the time that was `reached` brings all
    that this one has not brought yet, and perhaps some again."""

    reached: Instant | None

    @classmethod
    def of(cls, alerts: Iterable[Any], reached: Instant | None) -> SweepPage:
        """These alerts; `reached` None: unknown."""
        page = cls(alerts)
        page.reached = reached
        return page


class Feature(StrEnum):
    """What a configuration can be good for; each needs its own permission."""

    read_alerts = "read_alerts"
    read_incidents = "read_incidents"
    change_status = "change_status"
    response_actions = "response_actions"
    hunting = "hunting"
    inventory = "inventory"
    vulnerabilities = "vulnerabilities"
    recommendations = "recommendations"
    scores = "scores"
    secret_expiry = "secret_expiry"


@dataclass(frozen=True)
class Permission:
    """One thing to grant. `any_of` are names of which one is enough; `delegated` likewise for a signed-in
    user's token, where its names differ; `where` is the click path."""

    any_of: tuple[str, ...]
    where: str
    delegated: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeatureCheck:
    """Whether a feature works now; None: not known. `missing` and `remedy` are words for the operator: what
    it needs that is not known to be granted, and where to grant it."""

    feature: Feature
    works: bool | None
    missing: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class Check:
    """The answer of `check`: reached or not, what the token says, and each feature."""

    ok: bool
    summary: str
    features: tuple[FeatureCheck, ...] = ()
    token: Mapping[str, Any] | None = None


class Vendor(Protocol):
    """The interface. An implementation keeps no state: everything it needs comes with the call."""

    slug: ClassVar[str]
    title: ClassVar[str]
    fields: ClassVar[type[Fields]]
    permissions: ClassVar[Mapping[Feature, Permission]]

    def api_root(self, configuration: Configuration, cloud: Cloud) -> str:
        """The https origin (and path prefix) that `Api` paths are relative to. Raises HostNotAllowed for a
        base URL outside the vendor's hosts."""
        ...

    def audience(self, configuration: Configuration, cloud: Cloud) -> str:
        """The resource that tokens for this vendor are asked for, without `/.default`."""
        ...

    def fetch(self, connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
        """Walk from the cursor to the present. I/O, no mapping. Yields at least one page unless it raises."""
        ...

    def sweep(self, connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
        """Every raw alert that was created at or after `since` and is visible now, page by page, in as few
        calls as the vendor allows. For the ledger: it compares them with the store. An alert may come
        twice, and older ones may come along. Pages that are a SweepPage let a long sweep go on later."""
        ...

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        """Map one raw alert. Pure. Raises Unreadable when there is no id or no object at all; anything else
        missing or unknown is kept or left out, never an error."""
        ...

    def check(self, connection: Connection) -> Check:
        """The cheapest authenticated call, and what the token allows. Never raises for what a check is for:
        the answer says it."""
        ...


DEFAULT_LIMITS = (Limit(60, 60), Limit(1500, 3600))


@runtime_checkable
class LimitedVendor(Vendor, Protocol):
    """A vendor that says how often one tenant's API may be called; another is given DEFAULT_LIMITS.
    Background work stays below them (docs/decisions/0014)."""

    limits: ClassVar[tuple[Limit, ...]]


def limits_of(vendor: Vendor) -> tuple[Limit, ...]:
    """How often the vendor's API may be called for one tenant."""
    return vendor.limits if isinstance(vendor, LimitedVendor) else DEFAULT_LIMITS


@runtime_checkable
class PreferringVendor(Vendor, Protocol):
    """A vendor whose API is told something with every request, also with those that follow a link."""

    headers: ClassVar[Mapping[str, str]]


def headers_of(vendor: Vendor) -> Mapping[str, str]:
    """What is said to the vendor's API with every request, besides who asks."""
    return vendor.headers if isinstance(vendor, PreferringVendor) else {}


@runtime_checkable
class ChoosingVendor(Vendor, Protocol):
    """A vendor with several ways to the same things: what is to be granted depends on a configuration's
    options. `permissions` are then those of the usual way."""

    def permissions_for(self, configuration: Configuration) -> Mapping[Feature, Permission]:
        """What this configuration needs, by feature."""
        ...


def permissions_of(vendor: Vendor, configuration: Configuration) -> Mapping[Feature, Permission]:
    """What a configuration of the vendor needs, by feature."""
    if isinstance(vendor, ChoosingVendor):
        return vendor.permissions_for(configuration)
    return vendor.permissions


EventKind = Literal["alert", "assessment", "sub_assessment", "secure_score", "compliance", "unknown"]


@dataclass(frozen=True)
class WebhookItem:
    """One event out of a webhook's body. `body` is the event as it came, without its wrapping; `id` and
    `name` are empty where the event has none. `action`: what became of the thing (`Insert`, `Write`,
    `Delete`), if it says."""

    kind: EventKind
    body: Any
    id: str
    name: str
    action: str | None = None


@runtime_checkable
class WebhookVendor(Vendor, Protocol):
    """A vendor that also sends what happens to our webhook."""

    def read_webhook(self, body: Any) -> tuple[WebhookItem, ...]:
        """Take a webhook's body apart: JSON or text that holds JSON, wrapped or not, one event or many.
        Pure; never raises; what is not recognised is an item of kind `unknown`. Alerts among the items go
        to `to_detection`."""
        ...
