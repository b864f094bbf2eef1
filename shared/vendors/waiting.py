"""How long a vendor asks to wait: from its headers, or else from its words. No I/O.

Defender XDR promises the time only in the body ("the response body will include the time until the quota
you reached will be reset") and publishes no form for it; so a number with a unit, a length of time and a
moment are all understood. A limit (`maximum allowed 50 per 00:01:00`) is no such time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.nouns.detections import instant, moment_of

LONGEST = 86_400.0
_UNITS = {"s": 1, "m": 60, "h": 3600}
_AMOUNT = re.compile(
    r"\b(?:in|after|for)\s+(\d{1,6})\s*(s|m|h)(?:ec|econd|in|inute|r|our)?s?\b", re.IGNORECASE
)
_SPAN = re.compile(r"\b(?:in|after|for)\s+(\d{1,2}):(\d\d):(\d\d)(?:\.\d+)?\b", re.IGNORECASE)
_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?", re.IGNORECASE)


def asked_for(headers: Mapping[str, str], message: str) -> float | None:
    """Seconds until the vendor wants to hear from us again; None when it does not say."""
    told = from_headers(headers)
    return told if told is not None else _from_words(message, _now(headers))


def from_headers(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number or an HTTP date (compared with the answer's own date, so that clocks need not
    agree)."""
    value = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return min(float(value), LONGEST)
    until = _date(value)
    return None if until is None else _within((until - _now(headers)).total_seconds())


def _from_words(message: str, now: datetime) -> float | None:
    amount = _AMOUNT.search(message)
    if amount:
        return _within(float(amount[1]) * _UNITS[amount[2].lower()])
    span = _SPAN.search(message)
    if span:
        hours, minutes, seconds = map(int, span.groups())
        return _within(hours * 3600 + minutes * 60 + seconds)
    moment = _MOMENT.search(message)
    until = instant(moment[0]) if moment else None
    return None if until is None else _within((moment_of(until) - now).total_seconds())


def _within(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST)


def _now(headers: Mapping[str, str]) -> datetime:
    return _date(headers.get("Date") or "") or datetime.now(UTC)


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
