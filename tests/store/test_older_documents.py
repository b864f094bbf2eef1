"""Tables need no migration: what an earlier version stored is read as it is, and what nobody can read any
more stands in nobody's way."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from shared.errors import Unreadable
from shared.nouns.cards import Card
from shared.nouns.ledger import Book
from shared.store.configurations import Configurations
from shared.store.detections import Detections
from shared.store.exported import Exported
from shared.store.inventory import Inventory
from shared.store.ledger import Ledger
from shared.store.memory import MemoryBlobs, MemoryTables
from shared.store.stores import Replace, Row, Table
from tests.store.test_races import NOW, alert, source

# As little as a card has held since there are cards.
STORED = {
    "scope": "t1",
    "sightings": [
        {
            "configuration_id": "c1",
            "vendor": "defender_endpoint",
            "channel": "poll",
            "detection": {"native_id": "a", "title": "Title"},
            "first_seen": "2026-11-20T12:00:00.0000000Z",
            "observed": "2026-11-20T11:00:00.0000000Z",
            "received": "2026-11-20T12:00:00.0000000Z",
            "fingerprint": "16734bec322842ea",
        }
    ],
    "announced": {"number": 1, "reason": "new", "severity": "high", "by": "b"},
    "changed": "2026-11-20T12:00:00.0000000Z",
}


class House:
    """A store with one card, whose document can be replaced."""

    def __init__(self) -> None:
        self.tables, self.blobs = MemoryTables(), MemoryBlobs()
        self.store = Detections(tables=self.tables, blobs=self.blobs, clock=lambda: NOW)
        [self.card] = self.store.record(source("b1"), [alert()]).owned

    def put(self, document: bytes) -> None:
        [row] = self.tables.scan(Table.detections).rows
        values = {**row.values, "document": document}
        self.tables.write(Table.detections, [Replace(Row(row.partition, row.key, values, row.etag))])


@pytest.mark.parametrize("damaged", [False, True])
def test_a_ledger_of_an_earlier_version_is_read_and_a_damaged_one_is_begun_anew(damaged: bool) -> None:
    """Its newest sweeps were text once. Neither keeps the others from being read."""
    tables = MemoryTables()
    ledger = Ledger(tables=tables)
    for id in ("c1", "c2"):
        ledger.save(Book(configuration_id=id))
    [row, _] = tables.scan(Table.ledger).rows
    newest = "?" if damaged else Book(configuration_id="c1").model_dump_json(exclude={"etag"})
    whole = b"?" if damaged else row.values["book"]
    tables.write(
        Table.ledger, [Replace(Row(row.partition, row.key, {"newest": newest, "book": whole}, row.etag))]
    )

    found, book = ledger.all(), ledger.book("c1")
    ledger.save(book)

    assert set(found) == ({"c2"} if damaged else {"c1", "c2"})
    assert set(ledger.all()) == {"c1", "c2"}


@pytest.fixture
def house() -> House:
    """A house."""
    return House()


def test_a_card_of_an_earlier_version_is_read_and_goes_on(house: House) -> None:
    """Fields that came later have values of their own."""
    house.put(zlib.compress(json.dumps(STORED | {"id": house.card.id}).encode()))

    found = house.store.get(house.card.id)
    recorded = house.store.record(source("b2"), [alert(minutes=5, status="resolved")])

    assert found is not None
    assert (found.detection.title, found.sightings[0].stands_since) == (
        "Title",
        "2026-11-20T11:00:00.0000000Z",
    )
    assert recorded.changed == 1
    assert Card.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    "document", [b"", b"not compressed", zlib.compress(b"{"), zlib.compress(b'{"id": "x", "sightings": 5}')]
)
def test_a_damaged_card_is_said_and_left_out_and_heals(house: House, document: Any) -> None:
    """Who asks for it is told; an export goes on without; the next view writes it anew."""
    house.put(document)
    exported = Exported(
        tables=house.tables,
        blobs=house.blobs,
        inventory=Inventory(tables=house.tables),
        configurations=Configurations(tables=house.tables),
    )

    with pytest.raises(Unreadable, match=house.card.id):
        house.store.get(house.card.id)
    left_out = exported.cards(None, None, limit=10).cards
    house.store.record(source("b2"), [alert(minutes=5)])

    assert list(left_out) == []
    assert house.store.get(house.card.id) is not None
