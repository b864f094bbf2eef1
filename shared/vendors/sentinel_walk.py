"""Reading a Microsoft Sentinel workspace: its incidents in the order of their changes, and the alerts of each
one that changed.

Promise: a walk that is killed goes on where it stopped; once it said `done`, every incident that was modified
before it began has been yielded with its alerts (keyset_walk.py). What costs a call is not asked twice: an
incident that comes again in the overlap under the ETag under which its alerts were read is left out. It is
asked again while fewer alerts have come than it counts: they become visible a little after it.

An incident whose alerts cannot be had now stops nothing: it is yielded without them and stays owed, and the
next walks begin with what is owed. Where the app may read incidents but not their alerts, the incidents are
yielded, the walk ends with the error, and what its cursor remembers is from before them: once the role is
granted, their alerts are read.

The cursor (JSON): `list`, keyset_walk's; `read`, short hashes of incidents with their ETags; `owed`, names.
Source: "Incidents - List", "Incidents - List Alerts" in the ARM reference (api-version 2025-09-01).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from shared.errors import (
    BudgetSpent,
    OperatorMustAct,
    PermissionMissing,
    PocketSOCError,
    Refused,
    Throttled,
    TryLater,
    Unreadable,
)
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Instant, unique
from shared.vendors.keyset_pages import Listing, ListPage
from shared.vendors.keyset_walk import walk
from shared.vendors.listing import pages
from shared.vendors.loose_json import each, fields, number, text, when
from shared.vendors.sentinel_incidents import name_of, properties_of
from shared.vendors.vendor import Api, Connection, Cursor, Page, SweepPage

VERSION = {"api-version": "2025-09-01"}
WHO = "Microsoft Sentinel"
# A page's incidents take a call each, or two; its cursor is stored after them.
PAGE_SIZE = 50
_MOST_READ_KEPT = 400
_MOST_OWED = 50
_FAILURES_IN_A_ROW = 3

_log = logging.getLogger(__name__)


def fetch(connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
    """Walk from the cursor to the present. Raises what `Api` raises, TryLater for paging that never ends,
    Unreadable for an answer without a list."""
    known = dict(cursor or {})
    reader = _Reader.of(connection, known)
    place = known.get("list") if isinstance(known.get("list"), dict) else None
    reader.take(reader.owed_again())
    for page in walk(connection, place, incidents_of(connection.configuration)):
        try:
            reader.take(page.alerts)
        except PocketSOCError:
            if reader.incidents:  # what has been read is kept, and not read again
                yield reader.page(place, done=False)
            raise
        if reader.denied is None:
            place = page.cursor
        yield reader.page(place, done=page.done and reader.denied is None)
    if reader.denied is not None:
        raise reader.denied


def sweep(connection: Connection, since: Instant) -> Iterator[tuple[Any, ...]]:
    """The alerts of every incident that was modified since then: an alert that was created since then has
    modified its incident."""
    reader = _Reader.of(connection, {})
    for page in walk(connection, {"at": since}, incidents_of(connection.configuration)):
        reader.take(page.alerts)
        if reader.denied is not None:
            raise reader.denied
        yield SweepPage.of(reader.page(None, done=False).alerts, when(page.cursor.get("at")))


class _Incidents(Listing):
    """Azure Resource Manager links every further page and knows no `$skip`: a full page without a link is the
    last one."""

    def ask(self, api: Api, since: str, *, skip: int, link: str | None) -> ListPage:
        """The page behind a link, or that of the question."""
        page = super().ask(api, since, skip=0, link=link)
        return replace(page, says_more=page.link is not None)


def incidents_of(configuration: Configuration) -> Listing:
    """The list of incidents. Raises OperatorMustAct when the configuration does not say which."""
    return _Incidents(
        title=WHO,
        path=incidents_path(configuration),
        time="properties/lastModifiedTimeUtc",
        created="properties/createdTimeUtc",
        id="name",
        rows="incidents",
        page_size=PAGE_SIZE,
        params=VERSION,
    )


def incidents_path(configuration: Configuration) -> str:
    """Where the workspace's incidents are. Raises OperatorMustAct when the configuration does not say it."""
    options = configuration.options
    names = [text(options.get(name)) for name in ("subscription_id", "resource_group", "workspace")]
    subscription, group, workspace = (quote(name or "", safe="") for name in names)
    if not (subscription and group and workspace):
        raise OperatorMustAct(
            "This configuration does not name a workspace. Enter subscription id, resource group and "
            "workspace in Settings and save."
        )
    return (
        f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights"
        f"/workspaces/{workspace}/providers/Microsoft.SecurityInsights/incidents"
    )


def incident_path(configuration: Configuration, name: str) -> str:
    """Where one incident is."""
    return f"{incidents_path(configuration)}/{quote(name, safe='')}"


def alerts_of(api: Api, path: str) -> list[Any]:
    """The alerts of the incident at this path. Raises Unreadable for an answer without a list."""
    rows = fields(api.post(f"{path}/alerts", params=VERSION)).get("value")
    if not isinstance(rows, list):
        raise Unreadable(f"{WHO} answered without a list of alerts. The next poll tries again.")
    return rows


def with_comments(api: Api, path: str, incident: Any) -> Any:
    """The incident with its comments, if it counts any and they may be read."""
    counted = fields(properties_of(incident).get("additionaldata")).get("commentscount")
    if not isinstance(incident, dict) or not number(counted):
        return incident
    try:
        said = [one for rows in pages(api, f"{path}/comments", VERSION, who=WHO) for one in rows]
    except PermissionMissing as error:
        _log.warning("an incident is shown without its comments: %s", error)
        return incident
    return {**incident, "comments": said}


@dataclass
class _Reader:
    """Reads what belongs to incidents, and makes pages. `denied`: the app may not list alerts; nobody's are
    asked for any more."""

    api: Api
    configuration: Configuration
    read: dict[str, None]
    owed: list[str]
    incidents: list[Any] = field(default_factory=list)
    alerts: list[Any] = field(default_factory=list)
    failures: int = 0
    denied: PermissionMissing | None = None

    @classmethod
    def of(cls, connection: Connection, cursor: Cursor) -> _Reader:
        """With what the cursor remembers."""
        read = dict.fromkeys(mark for mark in map(text, each(cursor.get("read"))) if mark)
        owed = [name for name in map(text, each(cursor.get("owed"))) if name]
        return cls(connection.api, connection.configuration, read, owed)

    def owed_again(self) -> Iterator[Any]:
        """The incidents that earlier walks could not read, as they are now; what is gone is not owed."""
        for name in tuple(self.owed):
            try:
                found = self.api.get(incident_path(self.configuration, name), VERSION)
            except (TryLater, Refused) as error:
                if _is_gone(error):
                    self.owed.remove(name)
                else:
                    self._fail(name, error)
                continue
            yield found

    def take(self, rows: Iterable[Any]) -> None:
        """Add incidents with their alerts and comments to the page; not those that are known as they are."""
        for row in rows:
            mark, name = _mark(row), name_of(row)
            if name is None:  # the mapping says what is wrong with it
                self.incidents.append(row)
            elif mark is None or mark not in self.read or name in self.owed:
                self._take(row, name, mark)

    def page(self, cursor: dict[str, Any] | None, *, done: bool) -> Page:
        """What has been taken since the last page."""
        marks = list(self.read)[-_MOST_READ_KEPT:]
        whole = {"list": cursor, "read": marks, "owed": self.owed[-_MOST_OWED:]}
        made = Page(tuple(self.alerts), whole, done, tuple(self.incidents))
        self.alerts, self.incidents = [], []
        return made

    def _take(self, row: Any, name: str, mark: str | None) -> None:
        if self.denied is not None:
            self.incidents.append(row)
            return
        path = incident_path(self.configuration, name)
        try:
            alerts = alerts_of(self.api, path)
            whole = with_comments(self.api, path, row)
        except PermissionMissing as error:
            self.denied = error
            self.incidents.append(row)
            return
        except (TryLater, Refused, Unreadable) as error:
            if not _is_gone(error):
                self._fail(name, error)
                self.incidents.append(row)
                return
            alerts, whole = [], row  # it was deleted meanwhile
        self.failures = 0
        self.owed = [one for one in self.owed if one != name]
        self.incidents.append({**whole, "alerts": [alert_name(one) for one in alerts]})
        self.alerts += [{"alert": one, "incident": row} for one in alerts]
        if mark and len(alerts) >= _counted(row):
            self.read.pop(mark, None)
            self.read[mark] = None

    def _fail(self, name: str, error: PocketSOCError) -> None:
        """The incident is owed. Raises the error where it is not this one's fault."""
        self.failures += 1
        if isinstance(error, Throttled | BudgetSpent) or self.failures >= _FAILURES_IN_A_ROW:
            raise error
        self.owed = list(unique([*self.owed, name]))
        _log.warning("an incident's alerts are owed: %s", error)


def _is_gone(error: PocketSOCError) -> bool:
    return isinstance(error, Refused) and error.status == 404


def alert_name(alert: Any) -> str | None:
    """The alert's id in Sentinel."""
    known = fields(alert)
    inner = fields(known.get("properties"))
    return text(inner.get("systemalertid")) or text(known.get("name"))


def _counted(row: Any) -> float:
    return number(fields(properties_of(row).get("additionaldata")).get("alertscount")) or 0


def _mark(row: Any) -> str | None:
    """The incident as it is now, in short; None for one without an ETag."""
    name, etag = name_of(row), text(fields(row).get("etag"))
    return hashlib.sha256(f"{name} {etag}".encode()).hexdigest()[:12] if name and etag else None
