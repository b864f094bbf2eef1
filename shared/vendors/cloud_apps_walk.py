"""Reading Defender for Cloud Apps' alerts, which do not say when they were changed, within thirty calls a
minute for the whole tenant.

Promise: a walk sees every alert that was visible and dated before it began, and every alert that was closed
before it began; a walk that is killed goes on where it stopped. One walk has three stages:

* *new*: the list in the order of `date`, from a little before the newest date that was read (keyset_walk.py).
* *closed*: alerts whose `resolutionDate` is not before the last closing that was read, in the order of their
  `date`.
* *open*: one page of the alerts that are open, going on at the next poll where this one ended, and then from
  the start again. So other changes of an open alert (and its reopening) are seen within as many polls as
  there are hundreds of open alerts.

After a storm, what lies within the overlap would fill many pages in every poll until something newer comes.
Then the watermark is moved up to an hour before now; what the service shows later than that is the ledger's
to find.

Closed and open alerts are asked for only as far back as the first read went: what is older was not wanted.

The cursor (JSON): `first`, how far back the first read went; `new`, keyset_walk's; `closed`, the newest
closing that was read; `open`, where the turn over the open ones goes on. During a walk also `stage`,
`started`, `within` (the closed stage's place) and `highest` (the next `closed`). Source: "Alerts API" of the
product's documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.nouns.detections import Instant, earlier, instant_of, moment_of
from shared.vendors.cloud_apps_alerts import moment
from shared.vendors.keyset_pages import Listing, ListPage
from shared.vendors.keyset_walk import OVERLAP, walk
from shared.vendors.loose_json import fields, number, text, when
from shared.vendors.vendor import Api, Connection, Cursor, Page

PATH = "/api/v1/alerts/"
PAGE_SIZE = 100  # the most that the service answers
_QUIET = timedelta(hours=1)


@dataclass(frozen=True)
class AlertsListing(Listing):
    """The alerts list: asked by POST with filters, in the order of `date`; pages are counted with `skip`."""

    title: str = "Defender for Cloud Apps"
    path: str = PATH
    time: str = "timestamp"
    created: str = "timestamp"
    id: str = "_id"
    page_size: int = PAGE_SIZE
    filters: Mapping[str, Any] = field(default_factory=dict)

    def ask(self, api: Api, since: str, *, skip: int, link: str | None) -> ListPage:
        """The page of the question, so many rows on. There are no links."""
        body = {
            "filters": {**self.filters, "date": {"gte": _milliseconds(since)}},
            "sortField": "date",
            "sortDirection": "asc",
            "skip": skip,
            "limit": self.page_size,
        }
        return ListPage.of(api.post(self.path, body), self, rows_name="data")

    def read(self, row: Any) -> tuple[str | None, str | None]:
        """A row's date and id."""
        known = fields(row)
        return moment(known.get("timestamp")), text(known.get("_id"))


ALERTS = AlertsListing()
_OPEN = AlertsListing(filters={"alertOpen": {"eq": True}})


def fetch(connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
    """Walk from the cursor to the present. Raises what `Api.post` raises, TryLater for paging that never
    ends, Unreadable for an answer without a list."""
    place = _Place.of(cursor, connection.now(), timedelta(days=connection.configuration.first_read_days))
    if place.stage == "new":
        yield from _new(connection, place)
    if place.stage == "closed":
        yield from _closed(connection, place)
    rows = place.turn(connection.api)
    yield Page(rows, place.finished(), done=True)


def _new(connection: Connection, place: _Place) -> Iterator[Page]:
    for number_, page in enumerate(walk(connection, place.new, ALERTS)):
        place.new = page.cursor
        if page.done:
            place.end_new(crowded=number_ > 0)
        yield Page(page.alerts, place.cursor(), done=False)


def _closed(connection: Connection, place: _Place) -> Iterator[Page]:
    since = _milliseconds(earlier(place.closed, OVERLAP))
    listing = AlertsListing(filters={"resolutionDate": {"gte": since}})
    for number_, page in enumerate(walk(connection, place.within or {"at": place.first}, listing)):
        place.see_closings(page.alerts)
        place.within = page.cursor
        if page.done:
            place.end_closed(crowded=number_ > 0)
        yield Page(page.alerts, place.cursor(), done=False)


@dataclass
class _Place:
    """Where the walk is."""

    first: Instant
    started: Instant
    stage: str
    new: dict[str, Any] | None
    closed: Instant
    open: dict[str, Any]
    within: dict[str, Any] | None = None
    highest: Instant | None = None

    @classmethod
    def of(cls, cursor: Cursor | None, now: datetime, back: timedelta) -> _Place:
        """Go on where a killed walk stopped, or begin a new one. The first walk asks for closings since its
        own beginning: what was closed before, it reads as closed."""
        known = cursor or {}
        began, stage = when(known.get("started")), known.get("stage")
        going_on = began is not None and stage in ("new", "closed", "open")
        started = began if began and going_on else instant_of(now)
        return cls(
            first=when(known.get("first")) or instant_of(now - back - OVERLAP),
            started=started,
            stage=str(stage) if going_on else "new",
            new=_object(known.get("new")) or None,
            closed=when(known.get("closed")) or started,
            open=_object(known.get("open")),
            within=(_object(known.get("within")) or None) if going_on else None,
            highest=when(known.get("highest")) if going_on else None,
        )

    @property
    def _quiet(self) -> Instant:
        return instant_of(moment_of(self.started) - _QUIET)

    def end_new(self, *, crowded: bool) -> None:
        """Every new alert has been read."""
        if crowded and self.new is not None:
            known = when(self.new.get("watermark"))
            self.new = {**self.new, "watermark": max(known or self._quiet, self._quiet)}
        self.stage = "closed"

    def see_closings(self, rows: tuple[Any, ...]) -> None:
        """Remember the latest closing; one after the walk's beginning is for the next walk."""
        times = (moment(fields(row).get("resolvetime")) for row in rows)
        seen = [time for time in (self.highest, *times) if time and time <= self.started]
        self.highest = max(seen, default=None)

    def end_closed(self, *, crowded: bool) -> None:
        """Every closing has been read."""
        times = [self.closed, *([self.highest] if self.highest else []), *([self._quiet] if crowded else [])]
        self.closed, self.highest, self.within, self.stage = max(times), None, None, "open"

    def turn(self, api: Api) -> tuple[Any, ...]:
        """The next page of the open alerts. Rows of one time that fill a page are counted past."""
        at, skip = when(self.open.get("at")) or self.first, max(int(number(self.open.get("skip")) or 0), 0)
        page = _OPEN.ask(api, at, skip=skip, link=None)
        if not page.more or not page.rows:
            self.open = {}
        elif page.last_time and page.reaches_beyond(at):
            self.open = {"at": page.last_time}
        else:
            self.open = {"at": at, "skip": skip + len(page.rows)}
        return page.rows

    def cursor(self) -> dict[str, Any]:
        """Where to go on if the walk is killed now."""
        walking = {"stage": self.stage, "started": self.started}
        inside = {"within": self.within, "highest": self.highest}
        return self.finished() | walking | {name: value for name, value in inside.items() if value}

    def finished(self) -> dict[str, Any]:
        """Where the next walk begins."""
        return {"first": self.first, "new": self.new, "closed": self.closed, "open": self.open}


def _object(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _milliseconds(at: str) -> int:
    """A time as the service takes it, rounded up: rows have whole milliseconds, so none is left out."""
    exact = when(at) or at
    seconds = int(moment_of(f"{exact[:19]}.0000000Z").timestamp())
    return seconds * 1000 - (-int(exact[20:27]) // 10_000)
