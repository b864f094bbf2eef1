"""Times as the vendors keep them: whole numbers of 100 ns since the year 1 (.NET ticks, UTC), so that all
seven digits count.

A tick is an int: it sorts, it is exact, and 100,000 of them are small. Text is made only when an answer is
written.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND = 10_000_000
# DateTime.MaxValue in .NET: what the names of Defender for Cloud's alerts count down from.
NEWEST = 3_155_378_975_999_999_999

_YEAR_ONE = datetime(1, 1, 1, tzinfo=UTC)
_TEXT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,7})\d*)?)?(Z|[+-]\d\d:\d\d)?", re.IGNORECASE
)


def ticks_of(moment: datetime) -> int:
    """An aware datetime as ticks."""
    return (moment - _YEAR_ONE) // timedelta(microseconds=1) * 10


def span(length: timedelta) -> int:
    """A timedelta as a number of ticks."""
    return length // timedelta(microseconds=1) * 10


def moment_of(ticks: int) -> datetime:
    """Ticks as an aware datetime; the seventh digit is cut."""
    return _YEAR_ONE + timedelta(microseconds=ticks // 10)


def text_of(ticks: int) -> str:
    """`2026-11-20T10:15:30.1234567Z` with trailing zeros dropped: 0 to 7 digits, as the vendors write
    them.
    """
    whole, rest = divmod(ticks, SECOND)
    return f"{_second(whole)}.{rest:07d}".rstrip("0").rstrip(".") + "Z"


@lru_cache(maxsize=4096)
def _second(whole: int) -> str:
    return (_YEAR_ONE + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")


def parse(text: str) -> int | None:
    """The ticks of a time or of a bare date (`2018-08-01Z`, `2018-08-01`); None if it is neither. No zone
    means UTC.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(
            f"{day}T{clock or '00:00:00'}" + ("+00:00" if zone in (None, "Z", "z") else zone)
        )
    except ValueError:
        return None
    return ticks_of(moment) + int((fraction or "").ljust(7, "0"))


def coarse(ticks: int) -> int:
    """Rounded down to the 1/300 s steps in which Defender for Endpoint stamps lastUpdateTime (`.19 .57
    .0566667 .7733333`).
    """
    whole, rest = divmod(ticks, SECOND)
    steps = (rest + 1) * 300 // SECOND  # + 1: `.7733333` is step 232 rounded down, and must stay step 232
    return whole * SECOND + round(steps * SECOND / 300)
