"""A vendor with every ability, that says what the test wants; for what lies behind the vendors' interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from shared.errors import Unreadable
from shared.nouns.configurations import Cloud, Configuration
from shared.nouns.detections import Channel, Detection, Instant
from shared.nouns.incidents import Incident, IncidentChange
from shared.nouns.inventory import Affiliation, Answer, HostQuestion, InventoryKind, Item
from shared.vendors.abilities import Column, HuntingResult
from shared.vendors.vendor import Check, Connection, Cursor, Feature, Fields, Page, Permission

WHERE = "App registration, API permissions"
TABLE = HuntingResult((Column("Name", "String"),), ({"Name": "srv-1"},))


@dataclass
class DoubleVendor:
    """Pages, items and answers are fields; an error among them is raised. `asked`: what it was asked."""

    slug: str = "defender_xdr"
    title: str = "Defender XDR"
    fields: type[Fields] = Fields
    alerts: Sequence[Any] = ()
    incidents: Sequence[Any] = ()
    items: dict[InventoryKind, Any] = field(default_factory=dict)
    hosts: Any = ()
    result: Any = field(default_factory=lambda: TABLE)
    changed: Any = None
    asked: list[Any] = field(default_factory=list)

    permissions: ClassVar = {
        Feature.read_alerts: Permission(("Alert.Read.All",), WHERE),
        Feature.change_status: Permission(("Incident.ReadWrite.All",), WHERE),
    }
    inventory_kinds: tuple[InventoryKind, ...] = (InventoryKind.machine, InventoryKind.score)

    def api_root(self, configuration: Configuration, cloud: Cloud) -> str:
        return cloud.xdr_api

    def audience(self, configuration: Configuration, cloud: Cloud) -> str:
        return cloud.xdr_api

    def fetch(self, connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
        yield Page(tuple(self.alerts), {"read": 1}, True, tuple(self.incidents))

    def sweep(self, connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
        yield tuple(self.alerts)

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        return Detection.model_validate(raw)

    def to_incident(self, raw: Any) -> Incident:
        if not isinstance(raw, dict) or "native_id" not in raw:
            raise Unreadable("The incident has no id.")
        return Incident.model_validate(raw)

    def change_incident(self, connection: Connection, native_id: str, change: IncidentChange) -> Incident:
        self.asked.append((connection.configuration.id, native_id, change))
        return _said(self.changed)

    def inventory(self, connection: Connection, kind: InventoryKind) -> Iterator[tuple[Item, ...]]:
        self.asked.append(kind)
        for page in self.items.get(kind, ()):
            yield _said(page)

    def affiliation(self, connection: Connection, host: HostQuestion) -> Affiliation:
        self.asked.append(host)
        found = _said(self.hosts)
        return Affiliation(
            answer=Answer.yes if found else Answer.no, source=f"{self.title}, by name", found=tuple(found)
        )

    def hunt(self, connection: Connection, query: str, timespan: str | None) -> HuntingResult:
        self.asked.append((query, timespan))
        return _said(self.result)

    def check(self, connection: Connection) -> Check:
        return Check(ok=True, summary="Connected.")


def _said(value: Any) -> Any:
    if callable(value):
        value = value()
    if isinstance(value, Exception):
        raise value
    return value
