"""How cards, changes and identities are keyed, so that one scan is the feed, newest first. Pure.

A card's id is its row key: thirteen digits of inverted milliseconds, a hyphen, and a hash of its identity.
The partition (an inverted week) follows from it, so that an id alone finds its row.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

from shared.nouns.detections import Detection, Instant, instant_of, moment_of
from shared.store.stores import Span, key_safe

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 9_999_999_999_999
_WEEK = 7 * 86_400_000
_DAY = 86_400_000
_ID = re.compile(r"[0-9]{13}-[0-9a-f]{16}")

FRESH = timedelta(minutes=15)
"""A new card created less than this before it is recorded is found by delta sync at the feed's newest end,
without a changes row."""

SLOW_WRITERS = timedelta(seconds=60)
"""Delta sync reads this far back again: a change may become visible so much later than its time says,
between a slow write and clocks that differ."""


def _milliseconds(when: Instant) -> int:
    return min(max((moment_of(when) - _EPOCH) // timedelta(milliseconds=1), 0), _LAST)


def inverted(when: Instant) -> str:
    """Thirteen digits that sort newest first."""
    return f"{_LAST - _milliseconds(when):013d}"


def card_id(scope: str, alias: str, detection: Detection, received: Instant) -> str:
    """The key of a new card, made of the alert's own alias. Its time is the alert's creation, never later
    than its receipt, so that no vendor clock can pin a card to the top of the feed."""
    created = detection.created or detection.first_activity or received
    digest = hashlib.sha256(f"{scope}\n{alias}".encode()).hexdigest()[:16]
    return f"{inverted(min(created, received))}-{digest}"


def is_card_id(text: str) -> bool:
    """Whether the text has the shape of a card's id."""
    return _ID.fullmatch(text) is not None


def week_of(key: str) -> str:
    """The partition of a card, from its id or from thirteen inverted digits."""
    return f"{99_999 - (_LAST - int(key[:13])) // _WEEK:05d}"


def day_of(key: str) -> str:
    """The partition of a changes row, from its key."""
    return f"{99_999 - (_LAST - int(key[:13])) // _DAY:05d}"


def time_of(key: str) -> Instant:
    """The time in a key, to the millisecond."""
    return instant_of(datetime.fromtimestamp((_LAST - int(key[:13])) / 1000, tz=UTC))


def cards_between(newest: Instant | None, oldest: Instant | None, *, after: str | None = None) -> list[Span]:
    """The spans to scan, in order, for cards created between two times; `after` is the last id already
    had."""
    low = inverted(newest) if newest else None
    high = f"{inverted(oldest)}~" if oldest else None
    last = week_of(high) if high else None
    if after is None:
        return [Span(week_of(low) if low else None, last, low, high)]
    week = week_of(after)
    rest = [] if last is not None and last <= week else [Span(f"{week}!", last, None, high)]
    return [Span.within(week, max(f"{after}!", low or ""), high), *rest]


def identity_key(alias: str) -> str:
    """An alias as a row key, a different one for each. Overlong ids and those beyond ASCII, which the
    service would count and sort otherwise than we do, are cut and told apart by a hash; `~-` comes from
    nowhere else."""
    safe = key_safe(alias)
    if len(safe) <= 400 and safe.isascii():
        return safe
    plain = "".join(c for c in safe[:300] if c.isascii())
    return f"{plain}~-{hashlib.sha256(alias.encode()).hexdigest()[:32]}"
