"""Reading a vendor's list in the order of its updates, without missing and without looping: what all vendors
share whose lists can be asked by time.

Promise: a walk that is killed and started again from its last stored cursor skips nothing; once it said
`done`, every row that was visible and updated before it began has been yielded. How, and why not by
`nextLink` alone: docs/decisions/0002-keyset-paging-inside-a-walk.md. Two things are added here:

* Rows that share one time may fill more than one page. Then paging by row number cannot be avoided, and a
  row that is updated meanwhile moves the others up, past us. Such ties are read again until two readings
  find the same, and rows after them count only when they were asked for by time.
* The watermark never passes the time at which the walk began (by our clock): what changed while we walked,
  and what a wrong clock dates into the future, is asked for again instead of being skipped.

Each walk begins a little before the watermark, for rows that became visible after later ones; what comes
later than that is the ledger's to find (`sweep`). What is read again unchanged costs no write.

The cursor (JSON): `watermark`, the newest update time of all finished walks, as the vendor wrote it;
`since`, where this walk began. During a walk also `at` (the next question's time), `seen_at` (short hashes
of the ids already had at that time), `highest` (the next watermark) and `started`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.errors import TryLater
from shared.nouns.detections import Instant, earlier, instant_of
from shared.vendors.keyset_pages import Listing, ListPage
from shared.vendors.loose_json import each, text, when
from shared.vendors.vendor import Api, Connection, Cursor, Page, SweepPage

OVERLAP = timedelta(minutes=15)
# A cursor must fit, with the health, into one column (32,768 characters). Of more ties than this, a killed
# walk yields the rest once more.
_MOST_SEEN_KEPT = 1500
_PLAIN_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$")

_log = logging.getLogger(__name__)


def walk(connection: Connection, cursor: Cursor | None, listing: Listing) -> Iterator[Page]:
    """Walk from the cursor to the present. The rows are each page's `alerts`, whatever they are.

    Raises what `Api.get` raises, TryLater for paging that never ends, Unreadable for an answer without a
    list.
    """
    run, stretch = _Walk.begin(connection, cursor), _Stretch(listing)
    while True:
        page = stretch.ask(connection.api, run.at)
        stretch.admit(page, run.at)
        fresh = run.take(page, ties_only=stretch.ties_only, move=not stretch.unordered)
        beyond = stretch.ties_only and page.reaches_beyond(run.at)
        if stretch.ties_only and (beyond or not page.more) and stretch.ties != stretch.ties_before:
            stretch = _Stretch(listing, ties_before=stretch.ties)
        elif beyond:
            run.pass_ties()
            stretch = _Stretch(listing)
        elif not page.more:
            yield Page(fresh, run.finished(), done=True)
            return
        elif run.moved:
            stretch = _Stretch(listing)
        elif not stretch.follow(page, run.at):
            run.pass_ties()
            stretch = _Stretch(listing)
        if fresh:  # an empty page has nothing to commit, and a run killed after it would not have moved
            yield Page(fresh, run.cursor(), done=False)


def sweep(connection: Connection, since: Instant, listing: Listing) -> Iterator[tuple[Any, ...]]:
    """Every row made since then, in the order of creation."""
    for page in walk(connection, {"at": since}, listing.by_creation()):
        if page.alerts:
            yield SweepPage.of(page.alerts, when(page.cursor.get("at")))


@dataclass
class _Stretch:
    """Pages that belong to one question: the first by time, the others by `nextLink` or `$skip`.

    `unordered`: the service did not keep the order, so the rest is read to its end before anything is
    committed.

    `ties`: ids of the question's own time in this reading; `ties_before`: in the reading before. A row can
    only have slipped past us when one that had been read left; that one would be missing in the next
    reading.
    """

    listing: Listing
    link: str | None = None
    skip: int = 0
    pages: set[str] = field(default_factory=set)
    unordered: bool = False
    ties: set[str] = field(default_factory=set)
    ties_before: set[str] | None = None

    @property
    def ties_only(self) -> bool:
        """Whether rows may have slipped past this page, so that it is good for nothing but ties."""
        return bool(self.link or self.skip) and not self.unordered

    def ask(self, api: Api, at: str) -> ListPage:
        """The next page."""
        since = at if _PLAIN_TIME.match(at) else when(at) or at
        return self.listing.ask(api, since, skip=self.skip, link=self.link)

    def admit(self, page: ListPage, at: str) -> None:
        """Look at a page before its rows are taken. Raises TryLater when it came before and promises more."""
        if page.more and page.hash in self.pages:
            raise TryLater(
                f"{self.listing.title} keeps sending the same page (its nextLink never ends). Nothing is "
                "lost: the next poll goes on from here. If it stays so, report it to Microsoft support."
            )
        self.pages.add(page.hash)
        self.unordered = self.unordered or not page.in_order_from(at)
        self.ties |= page.ids_at(at)

    def follow(self, page: ListPage, at: str) -> bool:
        """Go on by `nextLink`, verbatim; where there is none, by the number of rows. False where the vendor
        allows neither inside ties: what is beyond the page is then left to the ledger, which asks by another
        time. Raises TryLater where it allows neither outside ties."""
        self.link, self.skip = page.link, self.skip + len(page.rows)
        largest = self.listing.largest_skip
        if self.link or largest is None or self.skip <= largest:
            return True
        if self.unordered or not page.ids_at(at):
            raise TryLater(
                f"{self.listing.title} sent a full page of {self.listing.rows} out of order, and no link to "
                "the next. Nothing is lost: the next poll asks again. If it stays so, report it to Microsoft "
                "support."
            )
        _log.warning("%s: %s of one time fill a page without a link", self.listing.title, self.listing.rows)
        return False


@dataclass
class _Walk:
    since: str
    started: Instant
    at: str
    watermark: str | None = None
    highest: str | None = None
    seen: set[str] = field(default_factory=set)
    moved: bool = False

    @classmethod
    def begin(cls, connection: Connection, cursor: Cursor | None) -> _Walk:
        """Go on where a killed walk stopped, or begin a new one."""
        known = {name: value for name, value in (cursor or {}).items() if when(value)}
        now, watermark = connection.now(), known.get("watermark")
        if "at" in known:
            return cls(
                since=known.get("since", known["at"]),
                started=known.get("started", instant_of(now)),
                at=known["at"],
                watermark=watermark,
                highest=known.get("highest"),
                seen={h for h in map(text, each((cursor or {}).get("seen_at"))) if h},
            )
        if watermark is None:
            # Nothing has ever been seen: the same question again, not one further back.
            first = instant_of(now - timedelta(days=connection.configuration.first_read_days))
            since = known.get("since", earlier(first, OVERLAP))
            return cls(since=since, started=instant_of(now), at=since)
        since = earlier(when(watermark) or watermark, OVERLAP)
        return cls(since=since, started=instant_of(now), at=since, watermark=watermark)

    def take(self, page: ListPage, *, ties_only: bool, move: bool) -> tuple[Any, ...]:
        """The page's rows without those already had, and move on to the page's last time if that is
        allowed."""
        fresh = page.rows_without(self.at, self.seen, only_at=ties_only)
        self.highest = page.latest(self.highest, until=self.started)
        self.moved = move and not ties_only and page.reaches_beyond(self.at)
        if self.moved:
            self.at = page.last_time or self.at
            self.seen = page.ids_at(self.at)
        elif move:
            self.seen |= page.ids_at(self.at)
        return fresh

    def pass_ties(self) -> None:
        """Go on right after the question's time, all of whose rows have been read."""
        self.at, self.seen = _next_tick(when(self.at) or self.at), set()

    def cursor(self) -> dict[str, Any]:
        """Where to go on if the walk is killed now."""
        return {
            "watermark": self.watermark,
            "since": self.since,
            "started": self.started,
            "at": self.at,
            "seen_at": sorted(self.seen)[:_MOST_SEEN_KEPT],
            "highest": self.highest,
        }

    def finished(self) -> dict[str, Any]:
        """Where the next walk begins. The watermark never moves backwards."""
        candidates = [text for text in (self.watermark, self.highest) if text]
        watermark = max(candidates, key=lambda t: when(t) or "", default=None)
        return {"watermark": watermark, "since": self.since}


def _next_tick(moment: Instant) -> Instant:
    """A ten-millionth of a second later, the smallest step that the vendor writes."""
    fraction = int(moment[20:27]) + 1
    if fraction < 10_000_000:
        return f"{moment[:20]}{fraction:07}Z"
    return earlier(f"{moment[:20]}0000000Z", timedelta(seconds=-1))
