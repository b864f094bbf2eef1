"""Schedules of timer triggers: NCRONTAB expressions as the Functions host reads them, and plain intervals.

NCRONTAB is not cron. Six fields, seconds first (five are taken as "at second 0"); a day must match both
day-of-month and day-of-week; names are any beginning of the English word; a range written backwards is turned
round, not wrapped; `5/15` runs from 5 to the field's end; there is no 7, L, W, ?, # or @daily.
Source: NCrontab's and the WebJobs timer extension's documentation and behaviour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol

from devhost.refused import Refused

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_DAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
_LONGEST_GAP = timedelta(days=41 * 366)  # 29 February on a given weekday can be 40 years away
_INTERVAL = re.compile(r"(?:(\d+)\.)?(\d{1,2}):([0-5]?\d):([0-5]?\d)")


class Schedule(Protocol):
    """When a timer runs. Times are wall-clock times without a zone."""

    def after(self, moment: datetime) -> datetime | None:
        """The first time strictly after `moment`; None if there is none."""
        ...


@dataclass(frozen=True)
class Interval:
    """Every so often, counted from the last run."""

    every: timedelta

    def after(self, moment: datetime) -> datetime:
        """`moment` and one interval."""
        return moment + self.every


@dataclass(frozen=True)
class Crontab:
    """Six sets of numbers, each a bit set."""

    seconds: int
    minutes: int
    hours: int
    days: int
    months: int
    weekdays: int

    def after(self, moment: datetime) -> datetime | None:
        """The first matching second after `moment`; None if no date ever matches (30 February)."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        if self._day_matches(start.date()) and (found := self._time_from(start.time())):
            return datetime.combine(start.date(), found)
        day, last = start.date() + timedelta(days=1), start.date() + _LONGEST_GAP
        while day <= last:
            if self._day_matches(day):
                return datetime.combine(day, self._first_time())
            if not _has(self.months, day.month):
                day = day.replace(day=28) + timedelta(days=4)
                day = day.replace(day=1)
            else:
                day += timedelta(days=1)
        return None

    def _day_matches(self, day: date) -> bool:
        sunday_is_0 = day.isoweekday() % 7
        return _has(self.months, day.month) and _has(self.days, day.day) and _has(self.weekdays, sunday_is_0)

    def _first_time(self) -> time:
        return _time([_next_in(field, 0) or 0 for field in (self.hours, self.minutes, self.seconds)])

    def _time_from(self, start: time) -> time | None:
        wanted = (self.hours, self.minutes, self.seconds)
        given = (start.hour, start.minute, start.second)
        if all(_has(field, value) for field, value in zip(wanted, given, strict=True)):
            return start
        # The latest field that can move on while those before it stay, with those after it at their first.
        for place in (2, 1, 0):
            moved = _next_in(wanted[place], given[place] + 1)
            if moved is not None and all(_has(wanted[i], given[i]) for i in range(place)):
                rest = [_next_in(field, 0) or 0 for field in wanted[place + 1 :]]
                return _time([*given[:place], moved, *rest])
        return None


def parse(text: str) -> Schedule:
    """Read a schedule: NCRONTAB, or an interval `hh:mm:ss` (`d.hh:mm:ss`). Raises Refused."""
    if found := _INTERVAL.fullmatch(text.strip()):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        every = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if hours < 24 and every:
            return Interval(every)
    fields = text.split()
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6:
        raise Refused(f"The schedule '{text}' is neither NCRONTAB (six fields) nor an interval (hh:mm:ss).")
    try:
        return Crontab(
            _field(fields[0], 0, 59),
            _field(fields[1], 0, 59),
            _field(fields[2], 0, 23),
            _field(fields[3], 1, 31),
            _field(fields[4], 1, 12, _MONTHS),
            _field(fields[5], 0, 6, _DAYS),
        )
    except ValueError as error:
        raise Refused(f"The schedule '{text}' is not NCRONTAB: {error}.") from error


def _field(text: str, low: int, high: int, names: list[str] | None = None) -> int:
    bits = 0
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            start, end = low, high
        elif dash:
            start, end = sorted((_value(first, low, high, names), _value(last, low, high, names)))
        else:
            start = _value(first, low, high, names)
            end = high if slash else start
        for value in range(start, end + 1, max(1, _number(step)) if slash else 1):
            bits |= 1 << value
    return bits


def _value(text: str, low: int, high: int, names: list[str] | None) -> int:
    if names and text and not text[0].isdigit():
        for index, name in enumerate(names):
            if name.startswith(text.lower()):
                return index + low
    value = _number(text)
    if not low <= value <= high:
        raise ValueError(f"{value} is outside {low} to {high}")
    return value


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]+", text):
        raise ValueError(f"'{text}' is not a number" if text else "a value is missing")
    return int(text)


def _time(values: list[int]) -> time:
    return time(values[0], values[1], values[2])


def _has(bits: int, value: int) -> bool:
    return bool(bits >> value & 1)


def _next_in(bits: int, value: int) -> int | None:
    later = bits >> value
    return value + (later & -later).bit_length() - 1 if later else None
