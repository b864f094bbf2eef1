"""Times to the last digit."""

from __future__ import annotations

import pytest

from simulator import ticks


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00.2Z",
        "2026-11-20T10:00:00.0566667Z",
        "2026-11-20T10:00:00.0000001Z",
    ],
)
def test_a_time_survives_as_written(text: str) -> None:
    """Seven digits in, seven digits out; zeros at the end are dropped."""
    assert ticks.text_of(ticks.parse(text) or 0) == text


@pytest.mark.parametrize("text", ["2026-02-30T10:00:00Z", "yesterday", "2026-11-20 10:00", ""])
def test_what_is_no_time_is_none(text: str) -> None:
    """Nothing is guessed."""
    assert ticks.parse(text) is None


def test_coarse_times_stay_where_they_are() -> None:
    """Every one of the 300 steps of a second is its own rounding, and prints as the vendor prints it."""
    steps = [round(step * ticks.SECOND / 300) for step in range(300)]

    assert [ticks.coarse(step) for step in steps] == steps
    assert ticks.text_of(ticks.coarse(steps[17] + 9_000)).endswith(":00.0566667Z")
