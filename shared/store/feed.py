"""The feed, newest first, and delta sync: what changed since a phone last asked. Reads list columns only;
every scan is bounded.

The first page is one storage call. Filters that the service cannot evaluate (vendor, configuration, text)
are applied to what a bounded number of calls returns; when matches are rare a page may hold few cards, or
none, and still have a cursor.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.detections import Instant, Severity, Status, earlier, instant_of
from shared.errors import BadRequest
from shared.store.cards import LIST_COLUMNS, CardSummary, summary_of
from shared.store.keys import FRESH, cards_between, day_of, inverted, is_card_id, week_of
from shared.store.stores import Row, Span, Table, Tables, Where

_CALLS = 4
_DELTA_CALLS = 20
_DELTA_REACH = timedelta(days=30)
_SLOW_WRITERS = timedelta(seconds=60)


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
    """Cards by time of change, oldest first; ask again with `next_since`, at once if `more`. A card may
    come again unchanged."""

    cards: tuple[CardSummary, ...]
    next_since: Instant
    more: bool


class Feed:
    """Lists of cards."""

    def __init__(self, *, tables: Tables, clock: Callable[[], datetime]) -> None:
        self._tables = tables
        self._clock = clock

    def page(self, query: FeedQuery, *, limit: int = 50, cursor: str | None = None) -> FeedPage:
        """At most `limit` cards (1-200) after the cursor. Raises BadRequest for a cursor that is not one of
        ours."""
        last = _decoded(cursor)
        spans = cards_between(query.created_to, query.created_from, after=last)
        cards: list[CardSummary] = []
        for row, is_last in self._rows(spans, query.conditions, 500 if query.local else limit):
            if row is None:
                return FeedPage(tuple(cards), _encoded(last))
            last = row.key
            card = summary_of(row)
            if query.keeps(card):
                cards.append(card)
            if len(cards) == limit:
                return FeedPage(tuple(cards), None if is_last else _encoded(last))
        return FeedPage(tuple(cards), None)

    def _rows(self, spans: list[Span], where: list[Where], size: int) -> Iterator[tuple[Row | None, bool]]:
        """Rows of the spans with "this is the very last"; (None, False) when the calls allowed for one page
        are used up."""
        token: str | None = None
        for call in range(_CALLS):
            page = self._tables.scan(
                Table.detections, spans[0], where=where, select=LIST_COLUMNS, limit=size, token=token
            )
            token = page.token
            ended = token is None and len(spans) == 1
            for index, row in enumerate(page.rows):
                yield row, ended and index == len(page.rows) - 1
            if ended:
                return
            if token is None:
                spans = spans[1:]
            if call == _CALLS - 1:
                yield None, False

    def changed(self, since: Instant, *, limit: int = 200) -> ChangedPage:
        """What is new or different since then. Raises BadRequest for a time further back than delta sync
        serves."""
        now = instant_of(self._clock())
        if since < earlier(now, _DELTA_REACH):
            raise BadRequest("changed_since is more than 30 days back; read the feed from the start instead.")
        cards = {c.id: c for c in self._recent(since) if c.changed >= since}
        for card_id in self._noted(since) - cards.keys():
            row = self._tables.get(Table.detections, week_of(card_id), card_id)
            if row is not None:
                cards[card_id] = summary_of(row)
        ordered = sorted(cards.values(), key=lambda c: (c.changed, c.id))
        cut = ordered[:limit]
        cut += [c for c in ordered[limit:] if c.changed == cut[-1].changed]
        more = len(cut) < len(ordered)
        reached = cut[-1].changed if more else max(since, earlier(now, _SLOW_WRITERS))
        return ChangedPage(tuple(cut), reached, more)

    def _recent(self, since: Instant) -> Iterator[CardSummary]:
        """Cards at the feed's newest end that can be new since then without a changes row."""
        span = cards_between(None, earlier(since, FRESH))[0]
        for rows in self._all(Table.detections, span, LIST_COLUMNS):
            yield from map(summary_of, rows)

    def _noted(self, since: Instant) -> set[str]:
        """Ids of cards with a changes row since then."""
        prefix = inverted(since)
        span = Span(None, day_of(prefix), None, f"{prefix}~")
        return {row.key[14:] for rows in self._all(Table.changes, span, ()) for row in rows}

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


def _encoded(card_id: str | None) -> str | None:
    return base64.urlsafe_b64encode(card_id.encode()).decode().rstrip("=") if card_id else None


def _decoded(cursor: str | None) -> str | None:
    if not cursor:
        return None
    try:
        card_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as error:
        raise BadRequest("The cursor is not one of ours; start again without it.") from error
    if not is_card_id(card_id):
        raise BadRequest("The cursor is not one of ours; start again without it.")
    return card_id
