"""One alert through several products is one card: in every order, through crashes, and apart where a person
said so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from shared.nouns.cards import Card
from shared.nouns.configurations import Configuration
from shared.nouns.detections import (
    Asset,
    AssetKind,
    Channel,
    Detection,
    Evidence,
    RawAlert,
    Status,
    instant_of,
)
from shared.store.detections import Detections, Source
from shared.store.feed import Feed, FeedQuery
from shared.store.memory import MemoryBlobs, MemoryTables
from shared.store.stores import Blobs, Change, Tables

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD = "637123660281149084_-953649836"
WRAPPED = f"2518254730385772806_da{OLD}:4wVg68=:WS44"
VENDORS = ("defender_endpoint", "graph_security", "defender_xdr", "defender_for_cloud", "sentinel")


def view(vendor: str, native_id: str, *, minute: int, **more: Any) -> tuple[str, Detection]:
    """What a product says, `minute` minutes after noon."""
    at = instant_of(NOW + timedelta(minutes=minute))
    return vendor, Detection(native_id=native_id, title=vendor, created=instant_of(NOW), updated=at, **more)


EVIDENCE = (Evidence(kind="ip", summary="192.0.2.7"), Evidence(kind="file", summary="x.exe"))
VIEWS = (
    view("defender_endpoint", f"da{OLD}", minute=3, status=Status.resolved),
    view("graph_security", f"da{OLD}", minute=2, other_ids=(f"da{OLD}",), evidence=EVIDENCE),
    view("defender_xdr", f"da{OLD}", minute=1, assets=(Asset(kind=AssetKind.machine, name="pc"),)),
    view("defender_for_cloud", WRAPPED, minute=0),
    view("defender_for_cloud", WRAPPED.replace("4wVg68", "9xQq11"), minute=0),
    view(
        "sentinel",
        "4c4831e9-2ed7-a44a-e530-c784cc7c2ddc",
        minute=1,
        namespace="sentinel",
        other_ids=(WRAPPED,),
    ),
)


class Shelf:
    """A store with its feed on one set of tables."""

    def __init__(self, tables: Tables | None = None, blobs: Blobs | None = None) -> None:
        self.tables = tables or MemoryTables()
        self.blobs = blobs or MemoryBlobs()
        self.store = Detections(tables=self.tables, blobs=self.blobs, clock=lambda: NOW)
        self.feed = Feed(tables=self.tables, clock=lambda: NOW)
        self.batches = 0

    def record(self, *views: tuple[str, Detection], minute: int = 5, resume: bool = False) -> int:
        """Record views one after the other, each in a batch of its own; how many announcements they own."""
        said = 0
        for vendor, detection in views:
            self.batches += not resume
            configuration = Configuration(id=vendor, vendor=vendor, display_name=vendor, tenant_id="t1")
            source = Source(configuration, Channel.poll, f"b{self.batches}", resume)
            received = instant_of(NOW + timedelta(minutes=minute))
            said += len(self.store.record(source, [(detection, RawAlert(body={}, received=received))]).owned)
        return said

    def cards(self) -> list[Card]:
        """Every card that the feed shows."""
        found = self.feed.page(FeedQuery(), limit=200).cards
        return [card for c in found if (card := self.store.get(c.id)) is not None]


def told(card: Card) -> tuple[Any, ...]:
    """What a card says, without its key."""
    return card.detection, [(s.key, s.status) for s in card.sightings], card.vendor


def test_one_alert_through_five_products_is_one_card_and_one_push_in_every_order() -> None:
    """Six views, seven hundred and twenty orders: one detection with six sightings, announced once."""
    outcomes = set()
    for order in permutations(VIEWS):
        shelf = Shelf()
        said = shelf.record(*order)
        [card] = shelf.cards()
        assert (said, len(card.sightings)) == (1, 6), order
        outcomes.add(repr(told(card)))
    assert len(outcomes) == 1


def test_the_richest_view_is_shown_and_the_newest_says_how_it_stands() -> None:
    """Graph's evidence with Endpoint's resolution."""
    shelf = Shelf()
    shelf.record(*VIEWS)
    [card] = shelf.cards()
    assert (card.vendor, card.detection.evidence, card.detection.status) == (
        "graph_security",
        EVIDENCE,
        Status.resolved,
    )


LEFT = view("defender_endpoint", "left", minute=1)
RIGHT = view("graph_security", "right", minute=2, status=Status.in_progress)
LINK = view("sentinel", "link", minute=0, other_ids=("left", "right"))


@pytest.mark.parametrize(
    "order", [*permutations((LEFT, RIGHT, LINK))], ids=lambda o: "-".join(d.native_id for _, d in o)
)
def test_a_view_that_knows_two_cards_makes_them_one(
    order: Sequence[Any], tables: Tables, blobs: Blobs
) -> None:
    """The other one leads to it, lists forget it, and delta sync says so."""
    shelf = Shelf(tables, blobs)
    ids = []
    for one in order:
        shelf.record(one)
        ids += [c.id for c in shelf.cards()]
    [card] = shelf.cards()
    changed = shelf.feed.changed(instant_of(NOW - timedelta(hours=1)))
    assert len(card.sightings) == 3
    assert card.detection.status is Status.in_progress
    assert {found.id for i in ids if (found := shelf.store.get(i))} == {card.id}
    assert {(gone, into) for gone, into in changed.joined} == {(i, card.id) for i in set(ids) - {card.id}}
    assert shelf.record(LEFT, RIGHT, LINK) == 0


class Crash(Exception):
    """The process died."""


class Mortal:
    """Tables that die before or after the n-th write."""

    def __init__(self, tables: Tables, at: int, *, after: bool) -> None:
        self._tables, self._left, self._after = tables, at, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tables, name)

    def write(self, table: str, changes: list[Change]) -> list[str]:
        """Write, or die."""
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Crash
        etags = self._tables.write(table, changes)
        if self._left == 0:
            raise Crash
        return etags


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 8))
def test_a_crash_while_two_cards_become_one_heals(at: int, after: bool) -> None:
    """Whichever write the process died at, and whatever came in between."""
    shelf = Shelf()
    shelf.record(LEFT, RIGHT)
    whole = shelf.store
    shelf.store = Detections(
        tables=Mortal(shelf.tables, at, after=after), blobs=shelf.blobs, clock=lambda: NOW
    )
    crashed = True
    try:
        shelf.record(LINK)
        crashed = False
    except Crash:
        shelf.batches += 0
    shelf.store = whole
    batch, newer = shelf.batches, view("defender_endpoint", "left", minute=9, status=Status.resolved)
    shelf.record(newer)
    shelf.batches = batch
    shelf.record(LINK, resume=True)
    [card] = shelf.cards()
    assert crashed or at > 4
    assert (len(card.sightings), card.detection.status) == (3, Status.resolved)


def test_what_was_split_stays_split_whatever_comes() -> None:
    """A view with both names, newer views of both sides, and the interrupted split done again."""
    shelf = Shelf()
    shelf.record(*VIEWS)
    [card] = shelf.cards()
    graph = next(s for s in card.sightings if s.vendor == "graph_security")
    left, taken = shelf.store.split(card.id, [graph.key])
    said = shelf.record(*VIEWS, minute=30)
    later = view("graph_security", f"da{OLD}", minute=40, other_ids=(f"da{OLD}",), status=Status.in_progress)
    said += shelf.record(
        later, view("defender_endpoint", f"da{OLD}", minute=41, status=Status.resolved), minute=42
    )
    cards = {c.id: c for c in shelf.cards()}
    assert set(cards) == {left.id, taken.id}
    assert [s.vendor for s in cards[taken.id].sightings] == ["graph_security"]
    assert cards[taken.id].detection.status is Status.in_progress
    assert cards[left.id].detection.status is Status.resolved
    assert said == 0


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 4))
def test_an_interrupted_split_is_finished_by_doing_it_again(at: int, after: bool) -> None:
    """It has the same outcome."""
    shelf = Shelf()
    shelf.record(*VIEWS)
    [card] = shelf.cards()
    key = next(s.key for s in card.sightings if s.vendor == "sentinel")
    mortal = Detections(tables=Mortal(shelf.tables, at, after=after), blobs=shelf.blobs, clock=lambda: NOW)
    with pytest.raises(Crash):
        mortal.split(card.id, [key])
    if len(shelf.cards()) < 2 or any(len(c.sightings) == 6 for c in shelf.cards()):
        shelf.store.split(card.id, [key])
    assert sorted(len(c.sightings) for c in shelf.cards()) == [1, 5]


def test_unrelated_alerts_never_meet() -> None:
    """Ten thousand alerts with the same title, time and host, from five products: ten thousand cards."""
    shelf = Shelf()
    host = (Asset(kind=AssetKind.machine, name="pc-1"),)
    for number in range(0, 10_000, 500):
        vendor = VENDORS[number // 500 % len(VENDORS)]
        configuration = Configuration(id=vendor, vendor=vendor, display_name=vendor, tenant_id="t1")
        ids = [_id(vendor, n) for n in range(number, number + 500)]
        entries = [
            (
                Detection(native_id=i, title="Same", assets=host, created=instant_of(NOW)),
                RawAlert(body={}, received=instant_of(NOW), known_new=True),
            )
            for i in ids
        ]
        assert shelf.store.record(Source(configuration, Channel.poll, f"b{number}"), entries).new == 500


def _id(vendor: str, number: int) -> str:
    guid = f"{number:08x}-dd4e-405c-8a3b-aa28596830dd"
    return {
        "defender_endpoint": f"da{637_123_660_281_149_084 + number}_-{number}",
        "graph_security": f"fa{guid}",
        "defender_xdr": f"ad{number:040x}",
        "defender_for_cloud": f"2518254730385{number:06}_{guid}",
        "sentinel": guid,
    }[vendor]


@settings(max_examples=150, deadline=None)
@given(data=some.data())
def test_the_order_of_arrival_never_matters(data: some.DataObject) -> None:
    """Any set of views that share names in any way, in two orders: the same cards."""
    names = some.lists(some.sampled_from("abcdefg"), max_size=2, unique=True)
    views = [
        view(
            VENDORS[number % 5],
            data.draw(some.sampled_from("abcdefg")) + (f"-{number}" if number % 2 else ""),
            minute=number,
            other_ids=tuple(data.draw(names)),
            status=data.draw(some.sampled_from(Status)),
        )
        for number in range(data.draw(some.integers(1, 7)))
    ]
    order = data.draw(some.permutations(views))
    one, other = Shelf(), Shelf()
    one.record(*views)
    other.record(*order)
    said = [sorted(repr(told(c)) for c in shelf.cards()) for shelf in (one, other)]
    assert said[0] == said[1]
    assert sum(len(c.sightings) for c in one.cards()) == len({(v, d.native_id) for v, d in views})
