"""The fairness benchmark at a small size: green as things are, red when a backlog has no lane of its own."""

from __future__ import annotations

import pytest

from benchmarks.fairness import compare
from benchmarks.rig.report import Report
from shared.store.stores import Queue


def compared() -> Report:
    """A hundred and twenty configurations, one of them a hundred times as busy."""
    report = Report()
    compare(report, 120, 10, 100)
    return report


def test_a_busy_configuration_costs_the_others_next_to_nothing() -> None:
    """A lane of its own is what does it."""
    report = compared()
    assert report.missed == []
    assert report.figures["  the same with one lane for all, ratio"] > 0


def test_one_lane_for_all_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the others wait behind the backlog."""
    monkeypatch.setattr(Queue, "raw_alerts_backlog", Queue.raw_alerts)
    assert "others' lag, mean, ratio" in compared().missed
