"""What a vendor can do besides bringing alerts. Each ability is declared by having its methods, and found out
with `isinstance`; pipeline, API and portal ask for nothing else.

All methods raise what `Api` raises. None keeps state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from shared.nouns.alert_change import AlertChange
from shared.nouns.detections import Detection
from shared.nouns.incidents import Incident, IncidentChange
from shared.nouns.inventory import Affiliation, HostQuestion, InventoryKind, Item
from shared.vendors.vendor import Connection, Vendor


@runtime_checkable
class IncidentVendor(Vendor, Protocol):
    """Knows incidents: its pages bring them (`Page.incidents`), and they can be changed."""

    def to_incident(self, raw: Any) -> Incident:
        """Map one raw incident. Pure. Raises Unreadable only when there is no id or no object at all."""
        ...

    def change_incident(self, connection: Connection, native_id: str, change: IncidentChange) -> Incident:
        """Make the change at the vendor; gives the incident as it is then. Raises NotFound, Conflict (changed
        there meanwhile), BadRequest for what the vendor does not take."""
        ...


@runtime_checkable
class AlertVendor(Vendor, Protocol):
    """Lets its alerts be changed. `authority` says how far a change made here reaches: 2, every Defender
    product's copy of the alert; 1, Defender XDR's; 0, nobody else's. Of several views of one alert the one
    with the most is changed."""

    authority: ClassVar[int]

    def change_alert(self, connection: Connection, detection: Detection, change: AlertChange) -> Any:
        """Make the change at the vendor. `detection` is this vendor's own view of the alert. Gives the raw
        alert as it is then, or None when it was changed but could not be read again. Raises NotFound,
        Conflict, BadRequest with the vendor's words for what it does not take."""
        ...


@dataclass(frozen=True)
class Column:
    """A column of a hunting result; `type` is the vendor's word (String, DateTime, Int64, ...)."""

    name: str
    type: str


@dataclass(frozen=True)
class HuntingResult:
    """A table. Values are JSON values as the vendor gave them, by column name."""

    columns: tuple[Column, ...]
    rows: tuple[dict[str, Any], ...]


@runtime_checkable
class HuntingVendor(Vendor, Protocol):
    """Runs hunting queries (KQL)."""

    def hunt(self, connection: Connection, query: str, timespan: str | None) -> HuntingResult:
        """Run a query. `timespan` is an ISO 8601 duration or interval, None for the vendor's own default.
        Raises BadRequest with the vendor's words for a query that it does not take."""
        ...


@runtime_checkable
class InventoryVendor(Vendor, Protocol):
    """Can list what the tenant has."""

    inventory_kinds: ClassVar[tuple[InventoryKind, ...]]

    def inventory(self, connection: Connection, kind: InventoryKind) -> Iterator[tuple[Item, ...]]:
        """Everything of one kind, page by page. Raises PermissionMissing where the feature is not granted."""
        ...


@runtime_checkable
class AffiliationVendor(Vendor, Protocol):
    """Can say whether it knows a host."""

    def affiliation(self, connection: Connection, host: HostQuestion) -> Affiliation:
        """Ask live. A host that is not found is a `no`; what prevents asking is raised (the caller turns it
        into `could_not_ask`), except a question the product has no way to answer, which is `could_not_ask`
        with the reason."""
        ...
