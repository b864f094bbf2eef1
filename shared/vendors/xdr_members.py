"""The alerts of incidents that Graph lists without them: one call for each incident that has changed.

`$expand=alerts` would save the calls, but answers large tenants with HTTP 500 for good; so it is never sent.

Promise: a version of an incident (all that it says) is read when it is first seen, and once more when it is
ten minutes old, because its members may be shown later than the change itself; in between it is passed over,
so that the overlap of polls costs nothing. What has been read is remembered in the cursor, also in the middle
of a page: however few calls a minute the service grants, a large backlog gets done. An incident whose members
the service fails to give is owed: the others are read, then those that are owed are tried again, and where
one is left the walk does not say `done` but ends with the error. Where members may not be read at all, the
incidents come without them, the walk ends with the error, and its cursor stays before them: once the
permission is granted, their alerts are read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from shared.errors import (
    BudgetSpent,
    PermissionMissing,
    PocketSOCError,
    Refused,
    Throttled,
    TryLater,
    Unreadable,
)
from shared.nouns.detections import Instant, earlier, instant_of
from shared.vendors.listing import pages
from shared.vendors.loose_json import fields, text, when, words
from shared.vendors.vendor import Api, Connection, Cursor, Page
from shared.vendors.xdr_incidents import alert_ids, number_of

SETTLED = timedelta(minutes=10)  # less than the overlap, so that a walk comes by once more
_INCIDENTS_A_PAGE = 10
_ALERTS_A_PAGE = 200
# Versions that are remembered; of more, some are read again. Fits, with the walk's own, into one column.
_MOST_KEPT = 600
_MOST_OWED = 50
# So many failures in a row are an outage, not an incident's trouble.
_OUTAGE = 3
_WHO = "Microsoft Graph"


def with_members(connection: Connection, cursor: Cursor | None, walked: Iterator[Page]) -> Iterator[Page]:
    """Turn a walk over incidents into pages of incidents and their alerts. Raises what the walk and `Api.get`
    raise, after what was read before has been handed out."""
    memory = _Memory.of(cursor, instant_of(connection.now()))
    reader = _Reader(connection.api, memory)
    before: dict[str, Any] = dict(cursor or {})
    for page in walked:
        yield from reader.read(iter(page.alerts), before)
        if reader.denied is None:
            before = page.cursor
        if page.done:
            yield from reader.read(reader.owed(), before, again=True)
        if page.done and reader.denied is None:
            memory.prune()
        yield reader.page(before, done=page.done and reader.denied is None and not memory.owed)
    if reader.denied is not None:
        raise reader.denied
    if memory.owed:
        raise reader.trouble or TryLater(f"{_WHO} did not give the alerts of an incident.")


def members_of(api: Api, number: str) -> Iterator[tuple[Any, ...]]:
    """An incident's alerts, page by page; none for one that is gone meanwhile."""
    try:
        yield from pages(api, f"{_path(number)}/alerts", {}, who=_WHO)
    except Refused as error:
        if error.status != 404:
            raise


def with_ids(api: Api, number: str, incident: dict[str, Any]) -> dict[str, Any]:
    """The incident with its alerts' ids, as a walk hands it out. Without them where they cannot be had now:
    the next poll has them, and what was done to the incident is done."""
    try:
        return _naming(incident, [one for rows in members_of(api, number) for one in rows])
    except PocketSOCError:
        return incident


def _naming(incident: dict[str, Any], members: list[Any]) -> dict[str, Any]:
    # As `$expand` would show it, but for all that the alerts themselves say.
    return {**incident, "alerts": [{"id": one} for one in alert_ids(members)]}


@dataclass
class _Reader:
    """Reads incidents' members and makes pages of them. `trouble` is the last failure of the service;
    `denied`: members may not be read, and none are asked for any more."""

    api: Api
    memory: _Memory
    incidents: list[Any] = field(default_factory=list)
    alerts: list[Any] = field(default_factory=list)
    trouble: PocketSOCError | None = None
    denied: PermissionMissing | None = None
    in_a_row: int = 0

    def read(
        self, incidents: Iterator[Any], cursor: dict[str, Any], *, again: bool = False
    ) -> Iterator[Page]:
        """Read these incidents; pages as soon as they are full, and before an error. `again`: whether or not
        they are known."""
        try:
            for raw in incidents:
                self._take(raw, again=again)
                if len(self.incidents) >= _INCIDENTS_A_PAGE or len(self.alerts) >= _ALERTS_A_PAGE:
                    yield self.page(cursor, done=False)
        except PocketSOCError:
            yield self.page(cursor, done=False)
            raise

    def page(self, cursor: dict[str, Any], *, done: bool) -> Page:
        """What has been read since the last page."""
        made = Page(tuple(self.alerts), self.memory.within(cursor), done, tuple(self.incidents))
        self.alerts, self.incidents = [], []
        return made

    def owed(self) -> Iterator[Any]:
        """The incidents that could not be read, as they are now."""
        for number in tuple(self.memory.owed):
            try:
                raw = self.api.get(_path(number))
            except (TryLater, Refused) as error:
                if isinstance(error, Refused) and error.status == 404:
                    self.memory.owed.remove(number)
                else:
                    self._owe(number, error)
                continue
            yield raw

    def _take(self, raw: Any, *, again: bool) -> None:
        number, updated = number_of(raw), when(fields(raw).get("lastupdatedatetime"))
        if number is None:
            self.incidents.append(raw)
            return
        if not (again or self.memory.wants(raw, number, updated)):
            return
        if self.denied is not None:
            self.incidents.append(raw)
            return
        try:
            members = [one for rows in self._members(raw, number) for one in rows]
        except PermissionMissing as error:
            self.incidents.append(raw)
            self._forbid(number, error)
            return
        except (TryLater, Refused, Unreadable) as error:
            self._owe(number, error)
            return
        self.in_a_row = 0
        self.memory.add(raw, number, updated)
        self.alerts += members
        self.incidents.append(_naming(raw, members))

    def _members(self, raw: Any, number: str) -> Iterator[tuple[Any, ...]]:
        # The alerts of a merged incident are another one's now.
        merged = text(fields(raw).get("redirectincidentid")) is not None
        return iter(()) if merged else members_of(self.api, number)

    def _forbid(self, number: str, error: PermissionMissing) -> None:
        """One whose members may not be read is owed like one that fails. Several in a row: none may be."""
        self.in_a_row += 1
        self.trouble = error
        if self.in_a_row >= _OUTAGE or not self.memory.owe(number):
            self.denied = error

    def _owe(self, number: str, error: PocketSOCError) -> None:
        """Raises the error where it is not this incident's trouble."""
        if isinstance(error, Throttled | BudgetSpent):
            raise error  # as would be every other call
        self.in_a_row += 1
        self.trouble = error
        if not self.memory.owe(number) or self.in_a_row >= _OUTAGE:
            raise error


@dataclass
class _Memory:
    """Which versions of incidents have been read: `once`, or `settled`; in the order of reading. `met` are
    those that this walk came by; `whole`: the walk began in this run."""

    now: Instant
    whole: bool
    once: dict[str, None]
    settled: dict[str, None]
    owed: list[str]
    met: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, cursor: Cursor | None, now: Instant) -> _Memory:
        """As the cursor remembers it; what cannot be understood is forgotten."""
        kept = fields((cursor or {}).get("members"))
        once, settled, owed = (words(kept.get(name), separator=" ") for name in ("once", "settled", "owed"))
        return cls(now, "at" not in (cursor or {}), dict.fromkeys(once), dict.fromkeys(settled), list(owed))

    def wants(self, raw: Any, number: str, updated: Instant | None) -> bool:
        """Whether this version is to be read."""
        key = _key(raw)
        self.met.add(key)
        known_for_now = key in self.once and not self._is_old(updated)
        return number not in self.owed and key not in self.settled and not known_for_now

    def add(self, raw: Any, number: str, updated: Instant | None) -> None:
        """Remember that it has been read."""
        key = _key(raw)
        self.once.pop(key, None)
        if updated is not None:
            (self.settled if self._is_old(updated) else self.once)[key] = None
        if number in self.owed:
            self.owed.remove(number)

    def owe(self, number: str) -> bool:
        """Remember that it is to be read, after the others; False when that is too much."""
        if number in self.owed:
            self.owed.remove(number)
        if len(self.owed) < _MOST_OWED:
            self.owed.append(number)
        return number in self.owed

    def prune(self) -> None:
        """Keep only what the next walk can come by."""
        if self.whole:
            self.once = {key: None for key in self.once if key in self.met}
            self.settled = {key: None for key in self.settled if key in self.met}

    def within(self, cursor: dict[str, Any]) -> dict[str, Any]:
        """The cursor with this memory in it."""
        kept = {name: " ".join(list(getattr(self, name))[-_MOST_KEPT // 2 :]) for name in ("once", "settled")}
        return {**cursor, "members": {**kept, "owed": " ".join(self.owed)}}

    def _is_old(self, updated: Instant | None) -> bool:
        return updated is not None and updated <= earlier(self.now, SETTLED)


def _key(raw: Any) -> str:
    # 40 bits: among 600 versions, a clash that would hide one is less likely than one in a thousand million.
    # A single incident also says of what kind it is, which those of a list do not.
    said = {name: value for name, value in raw.items() if not str(name).startswith("@odata.")}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:10]


def _path(number: str) -> str:
    return f"/security/incidents/{quote(number, safe='')}"
