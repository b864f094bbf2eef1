"""The completeness benchmark on some hours: green as things are, red when what it watches over is broken."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from benchmarks.completeness import live
from benchmarks.rig.report import Report
from benchmarks.rig.two_days import Alert
from shared.nouns.notifications import Reason
from shared.store.deliveries import Deliveries
from shared.store.detections import Detections, Entry, Recorded, Source
from shared.store.identities import Identities, Identity

pytestmark = pytest.mark.peer


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def lived(hours: float = 3) -> Report:
    """The report on some hours, one thing at a time."""
    report = Report()
    live(report, hours, seed=3, tie=20, threads=1)
    return report


def test_nothing_is_missed_or_said_twice() -> None:
    """The numbers are reached, with processes dying all the time."""
    report = lived()
    assert report.missed == []
    assert report.figures["pushes per announced change, as the phones show them"] == 1
    assert report.figures["changes to announce"] > 50


def test_duplicates_are_found_when_nothing_dedupes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the identities' gate the same alert is stored again."""
    monkeypatch.setattr(Identities, "known", lambda *_: {})
    monkeypatch.setattr(Identities, "insert", lambda *_: None)
    monkeypatch.setattr("shared.store.views.card_id", lambda *_: f"8236543200000-{uuid4().hex[:16]}")
    assert {"duplicate detections", "announcements without a change"} <= set(lived().missed)


def test_alerts_that_come_late_are_found_missing_without_the_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk that begins exactly where the last one ended skips what appears behind it."""
    monkeypatch.setattr("shared.vendors.keyset_walk.OVERLAP", timedelta())
    assert "missed" in lived().missed


def test_silence_after_a_crash_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is delivered again and believes the fingerprints never says what it had stored."""

    def believe(self: Detections, source: Source, identity: Identity, entry: Entry) -> Recorded:
        if identity.seen.get(source.key) == entry[0].fingerprint:
            return Recorded(unchanged=1)
        return self._settle(source, identity, entry)

    monkeypatch.setattr(Detections, "_look_again", believe)
    assert "changes not announced" in lived().missed


def test_an_announcement_for_every_change_is_found_needless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Announcing update churn counts as saying things without a change."""
    monkeypatch.setattr("shared.nouns.notifications.reason_to_announce", lambda *_: Reason.reopened)
    assert "announcements without a change" in lived(8).missed


def test_pushes_are_found_when_nobody_claims_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without claims a redelivered message pushes everything again."""
    monkeypatch.setattr(Deliveries, "claim", lambda self, installation, ids, *, by: set(ids))
    assert "raw sends beyond those" in lived().missed


def test_a_raise_and_a_return_are_each_to_be_said() -> None:
    """The benchmark's own rules: worse or back again, never quieter, never while closed."""
    raised = Alert("v", "a", [("Low", False), ("High", False), ("Medium", False), ("High", False)])
    back = Alert(
        "v", "b", [("High", False), ("High", True), ("Low", True), ("Low", False), ("Medium", False)]
    )
    assert (raised.to_say, back.to_say, Alert("v", "c").to_say) == (2, 3, 1)
