"""The inventory: read again and again for little, exact after every complete reading."""

from __future__ import annotations

import base64
import random
import zlib
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import BadRequest, Conflict
from shared.nouns.detections import Severity
from shared.nouns.inventory import InventoryKind, Item
from shared.store.inventory import Inventory, ItemQuery, ReadingState, read_token, token_text
from shared.store.stores import Tables
from tests.store.test_incidents import Counted

KIND = InventoryKind.machine
FIRST, SECOND, THIRD = (f"2026-11-20T0{n}:00:00.0000000Z" for n in (1, 2, 3))
STATE = ReadingState("c1", KIND)
JUNK = base64.b64encode(random.Random(1).randbytes(300_000)).decode()


def machine(number: int, **more: Any) -> Item:
    """One machine."""
    usual = {"kind": KIND, "id": f"m{number:04d}", "name": f"srv-{number:04d}", "addresses": ("10.0.0.1",)}
    return Item.model_validate(usual | more)


def pages(count: int, *, size: int = 100, **more: Any) -> list[list[Item]]:
    """So many machines, page by page."""
    machines = [machine(n, **more) for n in range(count)]
    return [machines[n : n + size] for n in range(0, count, size)]


def read(
    inventory: Inventory, found: list[list[Item]], started: str, state: ReadingState = STATE
) -> ReadingState:
    """One complete reading; gives the state that a reader would store."""
    reading = inventory.reading(state, started)
    for page in found:
        reading.take(page)
    reading.finish()
    return replace(state, read=started, attempted=started, count=reading.count, pages=reading.pages)


def names(inventory: Inventory, query: ItemQuery = ItemQuery()) -> list[str]:  # noqa: B008 - frozen
    """Everything that matches."""
    found, token = list[str](), None
    while True:
        page = inventory.page("c1", KIND, query, limit=70, token=token)
        found += [one.item.name for one in page.items]
        token = page.token
        if token is None:
            return found


@pytest.fixture
def inventory(tables: Tables) -> Inventory:
    """On memory and on Azurite."""
    return Inventory(tables=tables)


def test_what_is_read_can_be_found(inventory: Inventory) -> None:
    """By words, by machine, by severity; the item comes back as it went in."""
    read(inventory, [[*pages(150)[0], machine(777, owner="Ana", severity=Severity.high)]], FIRST)

    assert len(names(inventory)) == 101
    assert names(inventory, ItemQuery(text="ANA")) == ["srv-0777"]
    assert names(inventory, ItemQuery(machine="M0005")) == ["srv-0005"]
    assert names(inventory, ItemQuery(severities=("high",))) == ["srv-0777"]
    assert inventory.get("c1", KIND, "m0777") == machine(777, owner="Ana", severity=Severity.high)


def test_a_complete_reading_removes_what_is_gone_and_keeps_the_rest(inventory: Inventory) -> None:
    """Also what only moved to another page."""
    state = read(inventory, pages(250), FIRST)

    without = [[m for m in page if m.id != "m0100"] for page in pages(250, size=60)]
    read(inventory, without, SECOND, state)

    assert len(names(inventory)) == 249
    assert inventory.get("c1", KIND, "m0100") is None


def test_a_reading_that_ended_early_removes_nothing(inventory: Inventory) -> None:
    """Half an answer is no reason to forget the other half."""
    state = read(inventory, pages(250), FIRST)

    inventory.reading(state, SECOND).take([machine(1, name="renamed")])

    assert len(names(inventory)) == 250
    assert inventory.get("c1", KIND, "m0001") == machine(1, name="renamed")


def test_after_an_early_end_pages_are_compared_again(inventory: Inventory) -> None:
    """What the broken reading stored is not what the last complete one saw."""
    state = read(inventory, pages(100), FIRST)
    inventory.reading(state, SECOND).take([machine(1, name="for a moment")])

    read(inventory, pages(100), THIRD, replace(state, attempted=SECOND))

    assert inventory.get("c1", KIND, "m0001") == machine(1)


def test_reading_the_same_again_touches_nothing() -> None:
    """Neither reads nor writes, however much there is."""
    tables = Counted()
    inventory = Inventory(tables=tables)
    state = read(inventory, pages(1000), FIRST)
    tables.reads = tables.writes = 0

    again = read(inventory, pages(1000), SECOND, state)

    assert (tables.reads, tables.writes, again.count) == (0, 0, 1000)


def test_one_change_among_thousands_costs_one_write() -> None:
    """Its page is compared, the others are not; then the keys are looked through for what is gone."""
    tables = Counted()
    inventory = Inventory(tables=tables)
    state = read(inventory, pages(2000), FIRST)
    tables.reads = tables.writes = 0
    changed = pages(2000)
    changed[3][5] = machine(305, name="renamed")

    read(inventory, changed, SECOND, state)

    assert tables.writes == 1
    assert tables.reads <= 4


def test_what_changed_can_be_asked_for(inventory: Inventory) -> None:
    """For whoever passes it on."""
    state = read(inventory, pages(100), FIRST)
    read(
        inventory, [[machine(n, name="new" if n == 7 else f"srv-{n:04d}") for n in range(100)]], SECOND, state
    )

    assert names(inventory, ItemQuery(changed_after=FIRST, changed_until=SECOND)) == ["new"]


def test_an_item_twice_counts_once(inventory: Inventory) -> None:
    """Lists move while they are read."""
    state = read(inventory, [[machine(1), machine(1)], [machine(1), machine(2)]], FIRST)

    assert (state.count, names(inventory)) == (2, ["srv-0001", "srv-0002"])


def test_an_item_beyond_a_row_loses_only_its_properties(inventory: Inventory) -> None:
    """Noise that does not compress."""
    noise = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(90_000))
    read(inventory, [[machine(1, properties={"noise": noise})]], FIRST)

    found = inventory.get("c1", KIND, "m0001")

    assert found is not None
    assert (found.name, list(found.properties)) == ("srv-0001", ["left_out"])


def test_odd_ids_are_kept_apart(inventory: Inventory) -> None:
    """An id is the vendor's, and may hold anything."""
    odd = ["a/b", "a#b", "a?b", "ä", "x" * 900, "x" * 901]
    read(inventory, [[machine(0, id=id, name=id) for id in odd]], FIRST)

    assert sorted(names(inventory)) == sorted(odd)


def test_forgetting_a_configuration_leaves_the_others(inventory: Inventory) -> None:
    """Its items and states."""
    for id in ("c1", "c2"):
        state = ReadingState(id, KIND)
        inventory.save(state)
        read(inventory, pages(120), FIRST, state)

    inventory.forget("c1")

    assert [s.configuration_id for s in inventory.states()] == ["c2"]
    assert names(inventory) == []
    assert len(inventory.page("c2", KIND, ItemQuery()).items) == 120


def test_a_state_is_stored_under_its_version(inventory: Inventory) -> None:
    """Of two who queue the same at once, one wins."""
    inventory.save(STATE)
    stored = inventory.state("c1", KIND)
    inventory.save(replace(stored, ticket="mine"))

    with pytest.raises(Conflict):
        inventory.save(replace(stored, ticket="yours"))
    assert inventory.state("c1", KIND).ticket == "mine"


NESTED = zlib.compress(b"[" * 200_000).hex()


@pytest.mark.parametrize("cursor", ["", "zz", "00", token_text(0, None)[:-2], "78da8b3656d2510200", NESTED])
def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    """It may come from anybody."""
    with pytest.raises(BadRequest):
        read_token(cursor)


def test_a_cursor_survives_the_way() -> None:
    """To the phone and back."""
    assert read_token(token_text(3, "abc")) == (3, "abc")


@pytest.mark.parametrize(
    "odd",
    [
        {"properties": {"junk": JUNK}},
        {"name": JUNK},
        {"id": JUNK},
        {"owner": JUNK, "link": JUNK, "dns_name": JUNK},
        {"addresses": tuple(JUNK[n : n + 40] for n in range(0, len(JUNK), 40))},
    ],
    ids=["properties", "name", "id", "texts", "addresses"],
)
def test_an_item_that_fits_into_no_row_costs_only_itself(tables: Tables, odd: dict[str, Any]) -> None:
    """It is kept as far as it fits, and the others whole."""
    inventory = Inventory(tables=tables)
    reading = inventory.reading(STATE, FIRST)

    reading.take([machine(1, **odd), machine(2)])
    reading.finish()

    kept = inventory.page("c1", KIND, ItemQuery()).items
    assert len(kept) == 2
    assert machine(2) in [one.item for one in kept]
