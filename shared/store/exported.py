"""What goes to other systems, read in bounded pages: whole cards of a time range, and how far the collector
has been served."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shared.errors import BadRequest, Unreadable
from shared.nouns.cards import Card
from shared.nouns.detections import Instant
from shared.nouns.exports import AssetRecord, Risk, machine_asset, vulnerability_risk
from shared.nouns.inventory import InventoryKind, Item
from shared.store.cards import card_of, joined_into
from shared.store.configurations import Configurations
from shared.store.inventory import Inventory, ItemQuery, ReadingState
from shared.store.keys import cards_between, is_card_id
from shared.store.stores import Blobs, Row, Table, Tables, as_read

_A_CALL = 100
_CALLS = 4
_BYTES = 16_000_000  # of a page's cards, which are held in memory whole
_COLLECTOR = "collector"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WholeCards:
    """Cards, newest first, and how to go on (None at the end)."""

    cards: tuple[Card, ...]
    cursor: str | None


@dataclass(frozen=True)
class Origins:
    """Things, and how to go on (None at the end)."""

    origins: tuple[Origin, ...]
    token: str | None


@dataclass(frozen=True)
class Origin:
    """A thing of the inventory with where it is from. `machine` is the machine that a vulnerability is on, as
    far as it is known."""

    item: Item
    vendor: str
    tenant: str
    machine: Item | None = None

    def risk(self) -> Risk:
        """The vulnerability as a risk."""
        return vulnerability_risk(self.item, source=self.vendor, tenant=self.tenant, machine=self.machine)

    def asset(self) -> AssetRecord:
        """The machine as an asset."""
        return machine_asset(self.item, source=self.vendor, tenant=self.tenant)


class Exported:
    """Reads for others, and keeps marks: small documents by name, each under its version."""

    def __init__(
        self, *, tables: Tables, blobs: Blobs, inventory: Inventory, configurations: Configurations
    ) -> None:
        self._tables = tables
        self._blobs = blobs
        self._inventory = inventory
        self._configurations = configurations

    def cards(
        self,
        created_from: Instant | None,
        created_to: Instant | None,
        *,
        limit: int,
        cursor: str | None = None,
        wants: Callable[[Card], bool] = lambda card: True,
    ) -> WholeCards:
        """At most `limit` cards created in that time. A page may hold few of them, or none, and still have a
        cursor: scan and size are bounded. Raises BadRequest for a cursor that is not one of ours."""
        if cursor is not None and not is_card_id(cursor):
            raise BadRequest("The cursor is not one of ours; start again without it.")
        found: list[Card] = []
        weight = 0
        token: str | None = None
        spans = cards_between(created_to, created_from, after=cursor)
        for _ in range(_CALLS):
            page = self._tables.scan(Table.detections, spans[0], limit=_A_CALL, token=token)
            for index, row in enumerate(page.rows):
                cursor = row.key
                card = self._card(row)
                if card is not None and wants(card):
                    found.append(card)
                    weight += len(card.model_dump_json())
                if len(found) == limit or weight > _BYTES:
                    last = index == len(page.rows) - 1 and page.token is None and len(spans) == 1
                    return WholeCards(tuple(found), None if last else cursor)
            token = page.token
            if token is None:
                spans = spans[1:]
                if not spans:
                    return WholeCards(tuple(found), None)
        if cursor is None:
            raise BadRequest("Nothing was found for long; ask for a shorter time.")
        return WholeCards(tuple(found), cursor)

    def places(self, kinds: Sequence[InventoryKind]) -> list[ReadingState]:
        """Every configuration and kind that an export of these kinds goes over, in its order. Where a vendor
        lists vulnerabilities machine by machine, the list by CVE only repeats them."""
        states = [state for state in self._inventory.states() if state.kind in kinds]
        by_machine = {s.configuration_id for s in states if s.kind is InventoryKind.machine_vulnerability}
        twice = InventoryKind.vulnerability
        found = [s for s in states if not (s.kind is twice and s.configuration_id in by_machine)]
        return sorted(found, key=lambda state: (state.configuration_id, state.kind))

    def items(
        self, place: ReadingState, query: ItemQuery, *, limit: int, token: str | None = None
    ) -> Origins:
        """At most `limit` things of one place; one call, and one for each machine that they are on."""
        page = self._inventory.page(place.configuration_id, place.kind, query, limit=limit, token=token)
        found = self._configurations.get(place.configuration_id)
        vendor, tenant = (found.configuration.vendor, found.configuration.scope) if found else ("", "")
        machines: dict[str, Item | None] = {}
        for one in page.items:
            id = one.item.machine_id
            if id and not one.item.dns_name and id not in machines:
                machines[id] = self._inventory.get(place.configuration_id, InventoryKind.machine, id)
        origins = (
            Origin(one.item, vendor, tenant, machines.get(one.item.machine_id or "")) for one in page.items
        )
        return Origins(tuple(origins), page.token)

    def mark(self, name: str) -> tuple[str, str]:
        """A mark's text and version; both empty for one that was never set."""
        row = self._tables.get(Table.exports, _COLLECTOR, name)
        return (str(row.values["document"]), row.etag) if row else ("", "")

    def set_mark(self, name: str, text: str, version: str) -> str:
        """Store a mark as it was read and changed; gives its new version. Raises Conflict when somebody else
        has set it since."""
        row = Row(_COLLECTOR, name, {"document": text}, version)
        return self._tables.write(Table.exports, [as_read(row)])[0]

    def _card(self, row: Row) -> Card | None:
        if joined_into(row):
            return None
        try:
            return card_of(row, self._blobs)
        except Unreadable:
            # Replaced while we read: the newer one is elsewhere by now, and comes with the next change.
            again = self._tables.get(Table.detections, row.partition, row.key)
            try:
                return card_of(again, self._blobs) if again and not joined_into(again) else None
            except Unreadable:
                _log.error("detection %s has lost its document and is not exported", row.key)
                return None
