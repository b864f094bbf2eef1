"""The feed, newest first, and delta sync: what changed since a phone last asked. Reads list columns only;
every scan is bounded.

The first page is one storage call. Filters that the service cannot evaluate (vendor, configuration, text)
are applied to what a bounded number of calls returns; when matches are rare a page may hold few cards, or
none, and still have a cursor.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import BadRequest
from shared.nouns.detections import Instant, Severity, Status, earlier, instant_of
from shared.store.cards import LIST_COLUMNS, CardSummary, joined_into, summary_of
from shared.store.keys import (
    FRESH,
    SLOW_WRITERS,
    cards_between,
    day_of,
    inverted,
    is_card_id,
    time_of,
    week_of,
)
from shared.store.stores import Row, Span, Table, Tables, Where

_CALLS = 4
_DELTA_CALLS = 20
_DELTA_REACH = timedelta(days=30)
_BAD_CURSOR = "The cursor is not one of ours; start again without it."


@dataclass(frozen=True)
class FeedQuery:
    """What to show. Empty fields do not filter; `text` is looked for in title and asset, ignoring case."""

    severities: tuple[Severity, ...] = ()
    statuses: tuple[Status, ...] = ()
    vendors: tuple[str, ...] = ()
    configuration_ids: tuple[str, ...] = ()
    created_from: Instant | None = None
    created_to: Instant | None = None
    text: str | None = None

    @property
    def conditions(self) -> list[Where]:
        """What the service evaluates."""
        wanted = (("severity", self.severities), ("status", self.statuses))
        return [Where(column, "eq", tuple(v.value for v in values)) for column, values in wanted if values]

    @property
    def local(self) -> bool:
        """Whether some of it is evaluated here."""
        return bool(self.vendors or self.configuration_ids or self.text)

    def keeps(self, card: CardSummary) -> bool:
        """Whether the card matches what is evaluated here."""
        if self.vendors and not set(self.vendors) & set(card.vendors):
            return False
        if self.configuration_ids and not set(self.configuration_ids) & set(card.configuration_ids):
            return False
        return not self.text or self.text.casefold() in f"{card.title}\n{card.asset or ''}".casefold()


@dataclass(frozen=True)
class FeedPage:
    """Cards, newest first, and how to go on (None at the end)."""

    cards: tuple[CardSummary, ...]
    cursor: str | None


@dataclass(frozen=True)
class ChangedPage:
    """Cards by time of change, oldest first, and those that are gone because they were joined with another
    (their id, and the other's); ask again with `next_since`, at once if `more`. A card may come again
    unchanged. What changed at one time, or within the last minute, is never cut apart, however much it
    is."""

    cards: tuple[CardSummary, ...]
    next_since: Instant
    more: bool
    joined: tuple[tuple[str, str], ...] = ()


class Feed:
    """Lists of cards."""

    def __init__(self, *, tables: Tables, clock: Callable[[], datetime]) -> None:
        self._tables = tables
        self._clock = clock

    def page(self, query: FeedQuery, *, limit: int = 50, cursor: str | None = None) -> FeedPage:
        """At most `limit` cards (1-200) after the cursor. Raises BadRequest for a cursor that is not one of
        ours."""
        place = _Place.read(cursor)
        spans = cards_between(query.created_to, query.created_from, after=place.after)
        if place.span >= len(spans):
            raise BadRequest(_BAD_CURSOR)
        size = 500 if query.local else limit
        cards: list[CardSummary] = []
        for _ in range(_CALLS):
            page = self._tables.scan(
                Table.detections,
                spans[place.span],
                where=query.conditions,
                select=LIST_COLUMNS,
                limit=size,
                token=place.token,
            )
            following = place.following(page.token, len(spans))
            for index, row in enumerate(page.rows):
                card = None if joined_into(row) else summary_of(row)
                if card is not None and query.keeps(card):
                    cards.append(card)
                if len(cards) == limit:
                    last = index == len(page.rows) - 1 and following is None
                    return FeedPage(tuple(cards), None if last else _Place(row.key).text())
            if following is None:
                return FeedPage(tuple(cards), None)
            place = following
        return FeedPage(tuple(cards), place.text())

    def changed(self, since: Instant, *, limit: int = 200) -> ChangedPage:
        """What is new or different since then. Raises BadRequest for a time further back than delta sync
        serves."""
        now = instant_of(self._clock())
        if since < earlier(now, _DELTA_REACH):
            raise BadRequest("changed_since is more than 30 days back; read the feed from the start instead.")
        # Writers may still be storing what they date up to a minute back, so nobody gets beyond that.
        settled = earlier(now, SLOW_WRITERS)
        ordered = self._changes(min(since, settled))
        last = ordered[min(limit, len(ordered)) - 1][0] if ordered else settled
        if len(ordered) <= limit or last >= settled:
            return _changed_page([row for _, row in ordered], settled, more=False)
        return _changed_page([row for at, row in ordered if at <= last], _after(last), more=True)

    def _changes(self, since: Instant) -> list[tuple[Instant, Row]]:
        """The row of every card that is new, different or gone since then with the time at which delta sync
        tells of it, in that order."""
        rows = {r.key: (_changed(r), r) for r in self._recent(since) if _changed(r) >= since}
        for card_id, noted in self._noted(since).items():
            if card_id in rows:
                changed, row = rows[card_id]
                rows[card_id] = (max(changed, noted), row)
                continue
            found = self._tables.get(Table.detections, week_of(card_id), card_id)
            if found is not None:
                rows[card_id] = (noted, found)
        return sorted(rows.values(), key=lambda found: (found[0], found[1].key))

    def _recent(self, since: Instant) -> Iterator[Row]:
        """Rows at the feed's newest end that can be new since then without a changes row."""
        span = cards_between(None, earlier(since, FRESH))[0]
        for rows in self._all(Table.detections, span, LIST_COLUMNS):
            yield from rows

    def _noted(self, since: Instant) -> dict[str, Instant]:
        """Ids of cards with a changes row since then, with the newest one's time."""
        prefix = inverted(since)
        span = Span(None, day_of(prefix), None, f"{prefix}~")
        newest_first = [row.key for rows in self._all(Table.changes, span, ()) for row in rows]
        # A key tells the millisecond: its end is a time at which all of its rows have been told of.
        return {key[14:]: f"{time_of(key)[:23]}9999Z" for key in reversed(newest_first)}

    def _all(self, table: str, span: Span, columns: tuple[str, ...]) -> Iterator[tuple[Row, ...]]:
        token: str | None = None
        for _ in range(_DELTA_CALLS):
            page = self._tables.scan(table, span, select=columns, token=token)
            yield page.rows
            token = page.token
            if token is None:
                return
        raise BadRequest(
            "Too much has changed since then for delta sync; read the feed from the start instead."
        )


def _changed(row: Row) -> Instant:
    return str(row.values["changed"])


def _changed_page(rows: list[Row], next_since: Instant, *, more: bool) -> ChangedPage:
    joined = tuple((row.key, into) for row in rows if (into := joined_into(row)) is not None)
    cards = tuple(summary_of(row) for row in rows if joined_into(row) is None)
    return ChangedPage(cards, next_since, more, joined)


def _after(when: Instant) -> Instant:
    """The next Instant there is."""
    tenth_of_microsecond = int(when[-2])
    if tenth_of_microsecond < 9:
        return f"{when[:-2]}{tenth_of_microsecond + 1}Z"
    return earlier(f"{when[:-2]}0Z", timedelta(microseconds=-1))


@dataclass(frozen=True)
class _Place:
    """How far a walk has come, as a cursor holds it: the last card had, and where the scan behind it
    stopped when it found nothing for long."""

    after: str | None = None
    span: int = 0
    token: str | None = None

    def following(self, token: str | None, spans: int) -> _Place | None:
        """After a page that ended with the token; None at the end of the last span."""
        if token is not None:
            return _Place(self.after, self.span, token)
        return _Place(self.after, self.span + 1) if self.span + 1 < spans else None

    def text(self) -> str:
        """As a cursor."""
        return base64.urlsafe_b64encode(json.dumps([self.after, self.span, self.token]).encode()).decode()

    @classmethod
    def read(cls, cursor: str | None) -> _Place:
        """From a cursor. Raises BadRequest for what `text` never made."""
        if not cursor:
            return cls()
        try:
            after, span, token = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        except (ValueError, TypeError, RecursionError) as error:
            raise BadRequest(_BAD_CURSOR) from error
        known = after is None or (isinstance(after, str) and is_card_id(after))
        if not (known and type(span) is int and span in (0, 1) and (token is None or isinstance(token, str))):
            raise BadRequest(_BAD_CURSOR)
        return cls(after, span, token)
