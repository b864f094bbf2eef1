"""The completeness benchmark on some hours: green as things are, red when what it watches over is broken."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from benchmarks.completeness import live
from benchmarks.rig import vendor_days
from benchmarks.rig.report import Report
from benchmarks.rig.two_days import Alert
from shared.nouns.notifications import Reason
from shared.pipeline.sweep import Sweeper
from shared.store.deliveries import Deliveries
from shared.store.detections import Detections, Entry, Recorded, Source
from shared.store.identities import Identities, Identity
from shared.vendors.registry import VENDORS

pytestmark = pytest.mark.peer


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def lived(hours: float = 3, vendor: str = "defender_endpoint") -> Report:
    """The report on some hours, one thing at a time."""
    report = Report()
    live(report, hours, seed=3, tie=20, threads=1, vendor=vendor)
    return report


def test_every_vendor_is_there() -> None:
    """One that is registered and not measured may miss anything."""
    assert vendor_days.VENDORS.keys() == VENDORS.keys()


@pytest.mark.parametrize("vendor", sorted(vendor_days.VENDORS))
def test_nothing_is_missed_or_said_twice(vendor: str) -> None:
    """The numbers are reached, with processes dying all the time."""
    report = lived(vendor=vendor)
    assert report.missed == []
    assert report.figures["pushes per announced change, as the phones show them"] == 1
    assert report.figures["changes to announce"] > 25


def test_duplicates_are_found_when_nothing_dedupes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the identities' gate the same alert is stored again."""
    monkeypatch.setattr(Identities, "known", lambda *_: {})
    monkeypatch.setattr(Identities, "insert", lambda *_: None)
    monkeypatch.setattr("shared.store.views.card_id", lambda *_: f"8236543200000-{uuid4().hex[:16]}")
    assert {"duplicate detections", "announcements without a change"} <= set(lived().missed)


def test_what_polling_should_have_found_is_noticed_when_only_the_ledger_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A walk that begins exactly where the last one ended skips what appears behind it."""
    monkeypatch.setattr("shared.vendors.keyset_walk.OVERLAP", timedelta())
    report = lived(12)
    assert "announced as late, but not late beyond the overlap" in report.missed
    assert "missed" not in report.missed


def test_without_the_ledger_late_alerts_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls cannot reach them."""
    monkeypatch.setattr("shared.pipeline.sweep.Sweeper.queue", lambda _: 0)
    assert "missed" in lived(16).missed


def test_a_recovery_that_is_counted_again_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting when it is queued instead of when it is stored."""
    recover = Sweeper._recover

    def eager(self: Sweeper, configuration: Any, work: Any, missing: Any, received: Any) -> None:
        recover(self, configuration, work, missing, received)
        recover(self, configuration, work, missing, received)
        for batch, count in work.queued.items():
            self.ledger.note_recovered(configuration.id, work.sweep.id, batch, count)

    monkeypatch.setattr(Sweeper, "_recover", eager)
    assert "recovered by the ledger, but not counted once" in lived(16).missed


def test_silence_after_a_crash_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is delivered again and believes the fingerprints never says what it had stored."""

    def believe(self: Detections, source: Source, identity: Identity, entry: Entry) -> Recorded:
        if identity.seen.get(source.key) == entry[0].fingerprint:
            return Recorded(unchanged=1)
        return self._settle(source, identity, entry)

    monkeypatch.setattr(Detections, "_look_again", believe)
    assert "changes not announced" in lived(12).missed


def test_an_announcement_for_every_change_is_found_needless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Announcing update churn counts as saying things without a change."""
    monkeypatch.setattr("shared.nouns.notifications.reason_to_announce", lambda *_: Reason.reopened)
    assert "announcements without a change" in lived(8).missed


def test_pushes_are_found_when_nobody_claims_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without claims a redelivered message pushes everything again."""
    monkeypatch.setattr(Deliveries, "claim", lambda self, installation, ids, *, by: set(ids))
    assert "raw sends beyond those" in lived(12).missed


def test_a_raise_and_a_return_are_each_to_be_said() -> None:
    """The benchmark's own rules: worse or back again, never quieter, never while closed."""
    raised = Alert("a", [("Low", False), ("High", False), ("Medium", False), ("High", False)])
    back = Alert("b", [("High", False), ("High", True), ("Low", True), ("Low", False), ("Medium", False)])
    assert (raised.to_say, back.to_say, Alert("c").to_say) == (2, 3, 1)
