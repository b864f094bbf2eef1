"""The benchmarks that need storage, at tiny sizes: they count what they say they count."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest

from benchmarks import feed, ingest, latency
from benchmarks.rig.push_receiver import PushReceiver
from benchmarks.rig.report import Report
from benchmarks.rig.storage import azurite
from devhost.azurite import Azurite
from shared.pipeline.known_configurations import KnownConfigurations
from shared.store.feed import FeedQuery
from shared.store.identities import Identities
from simulator.world import World

pytestmark = [pytest.mark.azurite, pytest.mark.peer]


@pytest.fixture(scope="module")
def storage(running_azurite: Azurite) -> Iterator[Azurite]:
    """An Azurite of the benchmarks' own; skipped like the session's when it is not installed."""
    with azurite() as running:
        yield running


@pytest.fixture
def empty(running_azurite: Azurite) -> Iterator[Azurite]:
    """Another one, for one test."""
    with azurite() as running:
        yield running


@pytest.fixture
def report() -> Report:
    """An empty report."""
    return Report()


def test_a_bulk_poll_stays_within_its_transactions(report: Report, storage: Azurite) -> None:
    """A burst of a hundred is the tightest case."""
    ingest.transactions(report, storage, [100])
    assert report.missed == []
    assert 0.1 < report.figures["per new detection, burst of 100"] <= 0.15


def test_identities_written_one_by_one_are_noticed(
    report: Report, storage: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the benchmark counts is what goes over the wire."""
    insert = Identities.insert

    def each(self: Identities, scope: str, identities: Any) -> None:
        for identity in identities:
            insert(self, scope, [identity])

    monkeypatch.setattr(Identities, "insert", each)
    ingest.transactions(report, storage, [100])
    assert report.missed == ["per new detection, burst of 100"]


def test_an_unchanged_list_costs_no_write(report: Report, storage: Azurite) -> None:
    """Three pages, one write: the poll's state."""
    ingest.reread(report, storage, 300)
    assert report.missed == []


def test_a_write_for_each_unchanged_page_is_noticed(
    report: Report, storage: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state may be written once."""
    monkeypatch.setattr("shared.pipeline.poll._QUIET", timedelta(seconds=-1))
    ingest.reread(report, storage, 300)
    assert report.missed == ["table writes beside the poll's one of its state"]


def test_storing_is_timed_against_the_same_rows(report: Report, storage: Azurite) -> None:
    """Both sides come out with a rate."""
    ingest.throughput(report, storage, 100, 1)
    assert report.figures["detections stored, ratio"] > 0.05


def test_the_peak_is_that_of_processes_which_stored_everything(report: Report, storage: Azurite) -> None:
    """Two fresh processes, each polling a simulator over https."""
    ingest.memory(report, storage, 20, 40)
    assert report.missed == []


def test_one_webhook_alert_stays_within_its_transactions(
    report: Report, storage: Azurite, tmp_path: Any
) -> None:
    """Eight until the push is handed over."""
    with PushReceiver(tmp_path) as receiver:
        world = World.sample()
        parts = latency.house(storage.connection_string_of(90), receiver, world)
        latency.transactions(report, storage, parts, world)
    assert report.missed == []


def test_configurations_read_again_and_again_are_noticed(
    report: Report, storage: Azurite, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its short memory each hop reads."""
    monkeypatch.setattr(
        KnownConfigurations, "get", lambda self, id: self._configurations.get(id).configuration
    )
    with PushReceiver(tmp_path) as receiver:
        world = World.sample()
        parts = latency.house(storage.connection_string_of(91), receiver, world)
        latency.transactions(report, storage, parts, world)
    assert report.missed == ["soon after another"]


def test_the_feed_is_one_call(report: Report, empty: Azurite) -> None:
    """Calls and rows, whatever the machine's speed."""
    feed.measure(report, empty, 300, 1)
    assert not {"300 cards, storage calls", "300 cards, rows read"} & set(report.missed)


def test_a_feed_that_reads_too_much_is_noticed(
    report: Report, empty: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that is evaluated here reads more rows."""
    monkeypatch.setattr(FeedQuery, "local", True)
    feed.measure(report, empty, 300, 1)
    assert "300 cards, rows read" in report.missed


@pytest.mark.parametrize(
    ("modules", "status"),
    [("json", 0), ("function_app, azure.identity, azure.storage.blob, fastapi", 1)],
)
def test_a_heavier_import_is_noticed(modules: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What every start would pay for is compared. How heavy the product is, the benchmark says, on a machine
    that does nothing else.
    """
    monkeypatch.setattr(sys, "argv", ["import", "--rounds", "3", "--module", modules])
    assert import_module("benchmarks.import").main() == status
