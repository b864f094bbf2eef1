"""What is read for others: whole cards in bounded pages, and marks that two writers cannot both move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import BadRequest, Conflict
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, Detection, RawAlert, instant_of
from shared.store.configurations import Configurations
from shared.store.detections import Detections, Source
from shared.store.exported import Exported
from shared.store.inventory import Inventory
from shared.store.stores import Blobs, Tables

START = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def exported(tables: Tables, blobs: Blobs) -> Exported:
    """On memory and on Azurite, with 250 detections over several weeks; two of them are the same alert."""
    detections = Detections(tables=tables, blobs=blobs, clock=lambda: START + timedelta(days=30))
    source = Source(Configuration(id="c1", vendor="v", display_name="C"), Channel.poll, batch="b")
    entries = []
    for n in range(250):
        created = instant_of(START + timedelta(hours=n * 2))
        detection = Detection(native_id=f"a{n:03d}", title=f"Alert {n}", created=created)
        entries.append((detection, RawAlert(body={}, received=created)))
    detections.record(source, entries)
    joins = Detection(native_id="a010", other_ids=("a011",), title="Both", updated=instant_of(START))
    detections.record(source, [(joins, RawAlert(body={}, received=instant_of(START + timedelta(days=29))))])
    return Exported(
        tables=tables,
        blobs=blobs,
        inventory=Inventory(tables=tables),
        configurations=Configurations(tables=tables),
    )


def test_every_card_comes_once_newest_first(exported: Exported) -> None:
    """Over weeks and pages; one that was joined with another does not come."""
    found, cursor = list[str](), None
    while True:
        page = exported.cards(None, None, limit=40, cursor=cursor)
        assert len(page.cards) <= 40
        found += [card.id for card in page.cards]
        cursor = page.cursor
        if cursor is None:
            break

    assert len(found) == len(set(found)) == 249
    assert found == sorted(found)


def test_a_time_range_is_kept_to(exported: Exported) -> None:
    """Both ends count."""
    begin, end = (instant_of(START + timedelta(hours=h)) for h in (100, 120))

    page = exported.cards(begin, end, limit=100)

    assert [card.detection.native_id for card in page.cards] == [f"a{n:03d}" for n in range(60, 49, -1)]
    assert page.cursor is None


def test_a_rare_match_ends_a_page_early_and_goes_on(exported: Exported) -> None:
    """The scan is bounded, not finished."""
    found, cursor, pages = list[str](), None, 0
    while True:
        page = exported.cards(
            None, None, limit=10, cursor=cursor, wants=lambda card: card.detection.native_id == "a000"
        )
        found += [card.detection.native_id for card in page.cards]
        cursor, pages = page.cursor, pages + 1
        if cursor is None:
            break

    assert found == ["a000"]
    assert pages < 5


def test_a_cursor_that_is_none_of_ours_is_refused(exported: Exported) -> None:
    """It may come from anybody."""
    with pytest.raises(BadRequest):
        exported.cards(None, None, limit=1, cursor="x")


def test_a_mark_moves_for_one_of_two(exported: Exported) -> None:
    """The other is told."""
    version = exported.set_mark("m", "one", "")
    exported.set_mark("m", "two", version)

    with pytest.raises(Conflict):
        exported.set_mark("m", "three", version)
    with pytest.raises(Conflict):
        exported.set_mark("m", "four", "")
    assert exported.mark("m")[0] == "two"


def test_a_page_of_large_cards_is_short(tables: Tables, blobs: Blobs) -> None:
    """It is held in memory whole, and anybody who may read may ask for it."""
    detections = Detections(tables=tables, blobs=blobs, clock=lambda: START + timedelta(days=30))
    source = Source(Configuration(id="c1", vendor="v", display_name="C"), Channel.poll, batch="b")
    at = instant_of(START)
    for n in range(5):
        alert = Detection(native_id=f"large{n}", title="Large", created=at)
        detections.record(source, [(alert, RawAlert(body={"text": "x" * 7_000_000}, received=at))])
    exported = Exported(
        tables=tables,
        blobs=blobs,
        inventory=Inventory(tables=tables),
        configurations=Configurations(tables=tables),
    )

    first = exported.cards(None, None, limit=100)
    second = exported.cards(None, None, limit=100, cursor=first.cursor)

    assert [len(first.cards), len(second.cards)] == [3, 2]
    assert second.cursor is None
    assert len({card.id for card in (*first.cards, *second.cards)}) == 5
