"""A list that keeps no order of its own, read in the order of its times: for the Defender XDR API, which can
filter by the time of the last update but not order by it.

Promise: to the keyset walk (keyset_walk.py) this is a list that orders. A question is asked for a window of
time that is small enough for one page; a page that holds all of its window can be sorted here, and whatever
moves meanwhile moves out of the window, to be found later. So a walk through a large backlog commits page by
page and goes on after a pause (the API allows 50 calls a minute), in whatever order the service answers; the
times on a page that was too full say where the next window ends, so that few calls lie between two commits.
What is new since the last poll fits one page, so that one call is enough.

Only where rows of one and the same time fill more than a page is `$skip` needed; the walk reads such rows
until two readings agree. Source: "List incidents API" ($filter, $top, $skip; no $orderby).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from shared.nouns.detections import Instant
from shared.vendors.keyset_pages import Listing, ListPage
from shared.vendors.loose_json import when
from shared.vendors.vendor import Api

_SECOND = 10_000_000
_DAY = 86_400 * _SECOND
_LAST = (date.max.toordinal() + 1) * _DAY - 1
_WIDEN_AT_MOST = 16


@dataclass
class _Pace:
    """How wide the next window is, in ten-millionths of a second; None: everything from there on. `horizon`
    is the latest time that has been seen, `known` the time of a row that is known to come, `fits` how many
    rows the service puts on a page."""

    width: int | None = None
    horizon: Instant = ""
    known: Instant = ""
    fits: int = 1


@dataclass(frozen=True)
class WindowedListing(Listing):
    """A Listing whose service does not order. One for each walk: it learns how wide its windows can be."""

    orders: bool = False
    pace: _Pace = field(default_factory=_Pace, compare=False)

    def ask(self, api: Api, since: str, *, skip: int, link: str | None) -> ListPage:
        """Rows since a time, in order; with `skip` those of that very time, so many rows on."""
        at = when(since) or since
        return self._ties(api, at, self._window(api, at, at, skip=skip)) if skip else self._since(api, at)

    def _since(self, api: Api, at: Instant) -> ListPage:
        """The rows of the first window that reaches beyond `at`, or all that there are."""
        rows: list[Any] = []
        start = at
        while True:
            end = self._end(start)
            page = self._window(api, start, end)
            if page.more and end == start:
                return (
                    self._ties(api, at, page) if start == at else self._page([*rows, *page.rows], more=True)
                )
            if page.more:
                self._narrow(start, end, page)
                continue
            rows += page.rows
            if end is None:
                return self._page(rows, more=False)
            start, found = _later(end, 1), sum((self._time(row) or "") > at for row in page.rows)
            self._widen(start, found)
            if found:
                return self._page(rows, more=True)

    def _ties(self, api: Api, at: Instant, page: ListPage) -> ListPage:
        """A page of the rows of one time. The last one has what comes after it behind, so that the walk sees
        where the ties end."""
        if page.more:
            return self._page(list(page.rows), more=True)
        if _ticks(at) >= _LAST:
            return self._page(list(page.rows), more=False)
        beyond = self._since(api, _later(at, 1))
        return self._page([*page.rows, *beyond.rows], more=beyond.more)

    def _window(self, api: Api, start: Instant, end: Instant | None, *, skip: int = 0) -> ListPage:
        params = self.question(start)
        if end is not None:
            params["$filter"] += f" and {self.time} le {end}"
        if skip:
            params["$skip"] = str(skip)
        return ListPage.of(api.get(self.path, params), self)

    def _page(self, rows: list[Any], *, more: bool) -> ListPage:
        ordered = sorted(rows, key=lambda row: self._time(row) or "")
        return ListPage(self, tuple(ordered), link=None, says_more=more)

    def _time(self, row: Any) -> Instant | None:
        return when(self.read(row)[0])

    def _end(self, start: Instant) -> Instant | None:
        if self.pace.width is None:
            return None
        end = _later(start, self.pace.width)
        return None if self.pace.width and end >= self.pace.horizon else end

    def _narrow(self, start: Instant, end: Instant | None, page: ListPage) -> None:
        """After a window that holds more than a page: half of its time, or less where the times of the rows
        that came say so."""
        times = sorted(filter(None, map(self._time, page.rows)))
        if end is None:
            self.pace.horizon = max(self.pace.horizon, _later(max([start, *times]), 1))
            end = self.pace.horizon
        inside = [time for time in times if start <= time <= end]
        self.pace.known = next((time for time in inside if time > start), self.pace.known)
        self.pace.width = _less(start, end, inside)
        self.pace.fits = max(len(page.rows), 1)

    def _widen(self, start: Instant, found: int) -> None:
        """After a window that ends before `start`: half a page in each is aimed at, so that a burst does not
        fill one at once. After an empty one, as far as the next row that is known to be there."""
        if not found and self.pace.known >= start:
            self.pace.width = _between(start, self.pace.known)
            return
        factor = self.pace.fits / (2 * found) if found else _WIDEN_AT_MOST
        self.pace.width = max(int((self.pace.width or 1) * min(factor, _WIDEN_AT_MOST)), 1)


def _less(start: Instant, end: Instant, times: list[Instant]) -> int:
    """A smaller width for a window of which these times, in order, are known. Rows of one and the same time
    are parted from those before them, instead of coming nearer to them by halves."""
    half = _between(start, end) // 2
    if not times:
        return half
    middle = times[len(times) // 2]
    if times[0] == times[-1] > start:
        return _between(start, middle) - 1
    return min(half, _between(start, middle) - (middle == times[-1] > start))


def _later(moment: Instant, ticks: int) -> Instant:
    """So many ten-millionths of a second later; the end of time stays what it is."""
    days, rest = divmod(min(_ticks(moment) + ticks, _LAST), _DAY)
    seconds, fraction = divmod(rest, _SECOND)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{date.fromordinal(days).isoformat()}T{clock}.{fraction:07}Z"


def _between(first: Instant, last: Instant) -> int:
    """Ten-millionths of a second between two times; none if the second is not later."""
    return max(_ticks(last) - _ticks(first), 0)


def _ticks(moment: Instant) -> int:
    hours, minutes, seconds = (int(part) for part in moment[11:19].split(":"))
    whole = hours * 3600 + minutes * 60 + seconds
    return date.fromisoformat(moment[:10]).toordinal() * _DAY + whole * _SECOND + int(moment[20:27])
