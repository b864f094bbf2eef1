"""The list of incidents, newest update first, over all tenants. Every page is bounded.

A cursor says how far down the list the caller is, and the same place stands for every tenant. Filters that
the service cannot evaluate are applied to what a page's calls return; when matches are rare a page may hold
few incidents, or none, and still have a cursor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared.errors import BadRequest
from shared.nouns.detections import Severity, Status
from shared.store.incident_rows import (
    LINE_COLUMNS,
    IncidentSummary,
    line_bounds,
    place_of,
    summary_of,
)
from shared.store.incidents import SCOPES
from shared.store.stores import Row, Span, Table, Tables, Where, every_row, key_safe

_CURSOR = re.compile(r"[0-9]{13}-[0-9a-f]{16}")
_END = "~"


@dataclass(frozen=True)
class IncidentQuery:
    """What to show. Empty fields do not filter; `text` is looked for in title, number and assignee, ignoring
    case. Incidents that were merged into another are left out unless `merged`."""

    severities: tuple[Severity, ...] = ()
    statuses: tuple[Status, ...] = ()
    configuration_ids: tuple[str, ...] = ()
    text: str | None = None
    merged: bool = False

    @property
    def conditions(self) -> list[Where]:
        """What the service evaluates."""
        wanted = (("severity", self.severities), ("status", self.statuses))
        return [Where(column, "eq", tuple(v.value for v in values)) for column, values in wanted if values]

    def keeps(self, incident: IncidentSummary) -> bool:
        """Whether the incident matches what is evaluated here."""
        if incident.merged_into and not self.merged:
            return False
        if self.configuration_ids and not set(self.configuration_ids) & set(incident.configuration_ids):
            return False
        searched = f"{incident.title}\n{incident.number or ''}\n{incident.assigned_to or ''}"
        return not self.text or self.text.casefold() in searched.casefold()


@dataclass(frozen=True)
class IncidentPage:
    """Incidents, the newest update first, and how to go on (None at the end)."""

    incidents: tuple[IncidentSummary, ...]
    cursor: str | None


class IncidentList:
    """Lists of incidents."""

    def __init__(self, *, tables: Tables) -> None:
        self._tables = tables

    def page(self, query: IncidentQuery, *, limit: int = 50, cursor: str | None = None) -> IncidentPage:
        """At most `limit` incidents after the cursor; one call for each tenant, and one. Raises BadRequest
        for a cursor that is not one of ours."""
        if cursor is not None and not _CURSOR.fullmatch(cursor):
            raise BadRequest("The cursor is not one of ours; start again without it.")
        found: list[tuple[str, IncidentSummary]] = []
        reached = _END  # how far all tenants have been looked at
        for scope in self._scopes():
            rows, end = self._lines(scope, query, cursor, max(limit, 200))
            found += [(place_of(row), summary_of(scope, row)) for row in rows]
            reached = min(reached, end)
        kept = sorted(
            (item for item in found if item[0] <= reached and query.keeps(item[1])), key=lambda item: item[0]
        )
        page = kept[:limit]
        if len(kept) > limit:
            reached = page[-1][0]
        return IncidentPage(tuple(one for _, one in page), None if reached == _END else reached)

    def _lines(
        self, scope: str, query: IncidentQuery, after: str | None, limit: int
    ) -> tuple[tuple[Row, ...], str]:
        """One tenant's next lines, and up to where they are all there are."""
        span = Span.within(key_safe(scope), *line_bounds(after))
        token: str | None = None
        for _ in range(4):  # an empty page may still have a token
            page = self._tables.scan(
                Table.incidents, span, where=query.conditions, select=LINE_COLUMNS, limit=limit, token=token
            )
            if page.token is None:
                return page.rows, _END
            if page.rows:
                return page.rows, place_of(page.rows[-1])
            token = page.token
        raise BadRequest("Nothing that matches was found for long; narrow the question.")

    def _scopes(self) -> list[str]:
        rows = every_row(self._tables, Table.incidents, Span.within(SCOPES))
        return [str(row.values["scope"]) for row in rows]
