"""The ledger over the API: what a sweep expected and found, for each configuration."""

from __future__ import annotations

from typing import Any

from shared.nouns.ledger import Counts, Span, Sweep

T = "2026-11-20T0{}:00:00.0000000Z"


def test_the_ledger_shows_what_was_expected_and_what_became_of_it(
    reader: Any, parts: Any, configuration: dict[str, Any]
) -> None:
    """Every count is in one place; the status shows the newest."""
    sweep = Sweep(
        id="s1",
        span=Span.day,
        since=T.format(1),
        until=T.format(8),
        begun=T.format(9),
        ended="2026-11-20T09:00:02.5000000Z",
        counts=Counts(expected=10, filtered=2, quarantined=1, oldest_gap=T.format(3)),
        queued={"b1": 3, "b2": 1},
        recovered_by={"b1": 2},
    )
    id = configuration["id"]
    parts.ledger.change(id, lambda book: book.with_sweep(sweep))

    [listed] = reader.get("/api/v1/ledger").json()["items"]
    whole = reader.get(f"/api/v1/ledger/{id}").json()
    [status] = reader.get("/api/v1/status").json()["configurations"]

    assert listed == whole
    [shown] = whole["sweeps"]
    assert status["ledger"] == shown
    assert {name: shown[name] for name in ("expected", "stored", "recovered", "missing")} == {
        "expected": 10,
        "stored": 4,
        "recovered": 2,
        "missing": 1,
    }
    assert (shown["seconds"], shown["oldest_gap"], whole["complete"]) == (2.5, T.format(3), T.format(9))


def test_a_configuration_that_was_never_compared_has_an_empty_book(
    reader: Any, configuration: dict[str, Any]
) -> None:
    """And one that is not there has none."""
    [listed] = reader.get("/api/v1/ledger").json()["items"]

    assert (listed["display_name"], listed["sweeps"]) == (configuration["display_name"], [])
    assert reader.get("/api/v1/ledger/nobody").status_code == 404
