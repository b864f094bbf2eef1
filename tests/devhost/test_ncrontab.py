"""Schedules: NCRONTAB as the Functions documentation shows it, and where it differs from cron."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devhost.ncrontab import Crontab, parse
from devhost.refused import Refused

_START = datetime(2026, 11, 20, 10, 15, 30)  # noqa: DTZ001 - a Friday; schedules know no zones


def _runs(text: str, count: int = 3, start: datetime = _START) -> list[str]:
    schedule, times = parse(text), [start]
    for _ in range(count):
        following = schedule.after(times[-1])
        assert following is not None
        times.append(following)
    return [one.isoformat(" ") for one in times[1:]]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("0 */5 * * * *", ["2026-11-20 10:20:00", "2026-11-20 10:25:00"]),
        ("0 0 * * * *", ["2026-11-20 11:00:00", "2026-11-20 12:00:00"]),
        ("0 0 */2 * * *", ["2026-11-20 12:00:00", "2026-11-20 14:00:00"]),
        ("0 0 9-17 * * *", ["2026-11-20 11:00:00", "2026-11-20 12:00:00"]),
        ("0 30 9 * * *", ["2026-11-21 09:30:00", "2026-11-22 09:30:00"]),
        ("0 30 9 * * 1-5", ["2026-11-23 09:30:00", "2026-11-24 09:30:00"]),
        ("0 30 9 * Jan Mon", ["2027-01-04 09:30:00", "2027-01-11 09:30:00"]),
        ("0 5 * * * *", ["2026-11-20 11:05:00", "2026-11-20 12:05:00"]),
        ("1,2 * * * * *", ["2026-11-20 10:16:01", "2026-11-20 10:16:02"]),
        ("*/5 * * * *", ["2026-11-20 10:20:00", "2026-11-20 10:25:00"]),
    ],
)
def test_the_documented_examples_run_when_the_documentation_says(text: str, runs: list[str]) -> None:
    """Every kind of expression on Microsoft's timer page; five fields mean second 0."""
    assert _runs(text, len(runs)) == runs


def test_a_day_must_match_day_of_month_and_day_of_week() -> None:
    """Cron would take either; NCRONTAB wants both."""
    assert _runs("0 0 0 13 * Fri", 2) == ["2027-08-13 00:00:00", "2028-10-13 00:00:00"]


def test_a_range_written_backwards_is_turned_round() -> None:
    """22-2 is 2 to 22, not 22 over midnight to 2."""
    assert parse("0 0 22-2 * * *") == parse("0 0 2-22 * * *")


def test_a_step_after_a_number_runs_to_the_end_of_the_field() -> None:
    """5/15 is 5, 20, 35, 50."""
    assert parse("0 5/15 * * * *") == parse("0 5,20,35,50 * * * *")


@pytest.mark.parametrize(("short", "number"), [("J", "1"), ("ju", "6"), ("SEPT", "9"), ("December", "12")])
def test_any_beginning_of_a_month_is_its_name(short: str, number: str) -> None:
    """The first month that begins so."""
    assert parse(f"0 0 0 1 {short} *") == parse(f"0 0 0 1 {number} *")


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "@daily", "0 0 0 * * 7", "0 0 0 L * *", "0 0 0 ? * *", "0 0 0 15W * *", "0 0 0 * * Mon#1",
     "60 * * * * *", "0 0 24 * * *", "0 0 0 0 * *", "0 0 0 * 13 *", "0 0 0 * Foo *", "1,,2 * * * * *",
     "*/x * * * * *", "0 0 0 1- * *", "1 2 3 4 5 6 7", "00:00:00"],
)  # fmt: skip
def test_what_ncrontab_does_not_know_is_refused(text: str) -> None:
    """Extensions of other crons, values outside their field, and nonsense."""
    with pytest.raises(Refused, match="schedule"):
        parse(text)


def test_a_date_that_never_comes_has_no_next_run() -> None:
    """30 February."""
    assert parse("0 0 0 30 2 *").after(_START) is None


def test_a_leap_day_on_a_monday_is_found_decades_away() -> None:
    """The longest wait that the calendar has is bridged, over a century without leap day."""
    assert _runs("0 0 0 29 2 Mon", 1, datetime(2096, 3, 1)) == ["2112-02-29 00:00:00"]  # noqa: DTZ001


def test_an_interval_counts_from_the_last_run() -> None:
    """hh:mm:ss is no time of day."""
    assert _runs("01:30:00", 2) == ["2026-11-20 11:45:30", "2026-11-20 13:15:30"]


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    step = st.one_of(st.just(""), st.integers(1, high).map(lambda n: f"/{n}"))
    span = st.tuples(number, number).map(lambda pair: f"{pair[0]}-{pair[1]}")
    part = st.tuples(st.one_of(st.just("*"), number.map(str), span), step).map("".join)
    return st.lists(part, min_size=1, max_size=3).map(",".join)


_EXPRESSIONS = st.tuples(*(_field(*b) for b in [(0, 59), (0, 59), (0, 23), (1, 28), (1, 12), (0, 6)])).map(
    " ".join
)


def _matches(schedule: Crontab, moment: datetime) -> bool:
    values = (moment.second, moment.minute, moment.hour, moment.day, moment.month, moment.isoweekday() % 7)
    fields = (
        schedule.seconds, schedule.minutes, schedule.hours, schedule.days, schedule.months, schedule.weekdays,
    )  # fmt: skip
    return all(bits >> value & 1 for bits, value in zip(fields, values, strict=True))


@given(_EXPRESSIONS, st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)))  # noqa: DTZ001
def test_the_next_run_matches_and_none_is_left_out(text: str, start: datetime) -> None:
    """Looked for second by second through an hour, the first match is the one that was given."""
    schedule = parse(text)
    assert isinstance(schedule, Crontab)
    found = schedule.after(start)
    assert found is not None
    assert found > start
    assert _matches(schedule, found)
    second = start.replace(microsecond=0) + timedelta(seconds=1)
    between = (second + timedelta(seconds=n) for n in range(min(3600, int((found - second).total_seconds()))))
    assert not any(_matches(schedule, moment) for moment in between)
