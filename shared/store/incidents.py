"""Incidents, each once for a tenant, with the view of every configuration that knows it.

`record` compares a page with what is stored and writes only what is new or different; whoever does it twice,
or at the same time as others, ends with the same rows. The incident, its place in the list and its alerts
change in one transaction, so no list ever shows an incident twice or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from shared.errors import Conflict
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Instant, instant_of, unique
from shared.nouns.incidents import (
    Incident,
    IncidentView,
    KnownIncident,
    incident_key,
    own_key,
    split_id,
)
from shared.store.documents import document_blob
from shared.store.incident_rows import (
    LIGHT,
    Stored,
    alert_row,
    alert_row_key,
    incident_of,
    incident_row,
    incident_row_key,
    line_row,
    stored_of,
)
from shared.store.stores import (
    Blobs,
    Change,
    Container,
    Delete,
    Replace,
    Row,
    Span,
    Table,
    Tables,
    as_read,
    key_safe,
    size_of,
    until_first,
)

_FEW = 3
_NAMES = 8
_SCANS = 3
_ROWS, _BYTES = 100, 3_500_000
SCOPES = "~scopes"
"""The partition that names every tenant with incidents; no tenant's own name can be that."""


@dataclass(frozen=True)
class _Plan:
    """What one incident needs: rows that may be written before, and what must change together."""

    key: str
    changes: Sequence[Change] = ()
    beforehand: Sequence[Change] = ()
    old_blobs: Sequence[str] = ()


class Incidents:
    """Every incident. `clock` gives aware UTC times."""

    def __init__(self, *, tables: Tables, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        self._tables = tables
        self._blobs = blobs
        self._clock = clock
        self._noted: set[str] = set()

    def get(self, id: str) -> KnownIncident | None:
        """One incident by its id, or None. Raises Unreadable when its document is lost."""
        found = split_id(id)
        row = self._row(*found) if found else None
        return self._document(row) if row else None

    def survivor(self, incident: KnownIncident) -> KnownIncident:
        """The incident that this one was merged into, as far as it is known here; else itself."""
        seen = {incident.key}
        while incident.merged_into and f"xdr-{incident.merged_into}" not in seen:
            following = self.get(f"xdr-{incident.merged_into}~{incident.scope}")
            if following is None:
                break
            incident = following
            seen.add(incident.key)
        return incident

    def of_alert(self, scope: str, native_ids: Iterable[str], *, number: str | None = None) -> str | None:
        """The id of the incident to which an alert with one of these ids belongs, None if none is known.
        `number` is what the alert itself says."""
        if number and self._row(scope, f"xdr-{number}") is not None:
            return f"xdr-{number}~{scope}"
        # Many of an alert's names are one and the same here.
        for key in unique(map(alert_row_key, native_ids))[:_NAMES]:
            row = self._tables.get(Table.incidents, key_safe(scope), key)
            if row is not None:
                return f"{row.values['incident']!s}~{scope}"
        return None

    def record(
        self, configuration: Configuration, incidents: Sequence[Incident], *, received: Instant | None = None
    ) -> int:
        """Store what one configuration says now; gives how many incidents that changed. What is unchanged
        costs no write. Raises TryLater when storage is away or other writers keep winning."""
        received = received or instant_of(self._clock())
        views = _newest_of_each(configuration, incidents, received)
        stored = self._stored(configuration.scope, views)
        changed = {
            key: view
            for key, view in views.items()
            if key not in stored or stored[key].seen.get(configuration.id) != view.fingerprint
        }
        if not changed:
            return 0
        self._note_scope(configuration.scope)
        return self._write(configuration.scope, changed, set(stored))

    def _write(self, scope: str, views: Mapping[str, IncidentView], known: set[str]) -> int:
        """Write the views, as many a call as a transaction takes; where somebody was faster, one by one."""
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda key: self._plan(scope, key, views[key], known), views))
        planned = [plan for plan in found if plan.changes]
        for group in _grouped(planned):
            try:
                self._apply(group)
            except Conflict:
                for plan in group:
                    self._settle(scope, plan.key, views[plan.key])
        return len(planned)

    def _settle(self, scope: str, key: str, view: IncidentView) -> None:
        """The same for one incident, however often others are faster."""
        until_first(
            lambda: self._apply([self._plan(scope, key, view, None)]),
            "Other writers kept changing the same incident; it is tried again.",
        )

    def _apply(self, plans: Sequence[_Plan]) -> None:
        for plan in plans:
            # Beyond what one transaction takes: the rows of its alerts come first, and again if need be.
            for start in range(0, len(plan.beforehand), _ROWS):
                self._tables.write(Table.incidents, plan.beforehand[start : start + _ROWS])
        changes = [change for plan in plans for change in plan.changes]
        if changes:
            self._tables.write(Table.incidents, changes)
        for blob in (blob for plan in plans for blob in plan.old_blobs):
            self._blobs.delete(Container.documents, blob)

    def _plan(self, scope: str, key: str, view: IncidentView, known: set[str] | None) -> _Plan:
        """What must be written so that the incident holds this view. `known`: the keys that are stored, as
        far as somebody has looked."""
        now = instant_of(self._clock())
        row = self._row(scope, key) if known is None or key in known else None
        before = self._document(row) if row else None
        other = own_key(view.vendor, view.incident)
        own = self._row(scope, other) if other != key and (known is None or other in known) else None
        after = before.with_view(view, now) if before else _new(scope, key, view, now)
        if before is not None and after is before and own is None:
            return _Plan(key)
        changes: list[Change] = []
        if own is not None:  # it has got its number only now
            former = self._document(own)
            after = _joined(after, former, now)
            line_of_it = str(own.values["line"])
            changes += [Delete(own.partition, own.key, own.etag), Delete(own.partition, line_of_it)]
        written, line = incident_row(after, self._blobs, row.etag if row else ""), line_row(after)
        changes += [as_read(written), Replace(line)]
        if row is not None and row.values["line"] != line.key:
            changes.append(Delete(row.partition, str(row.values["line"])))
        told = set() if before is None or own else {alert_row_key(id) for id in before.alert_ids}
        rows = {alert_row_key(id): id for id in after.alert_ids}
        alerts = [Replace(alert_row(after, id)) for name, id in rows.items() if name not in told]
        blobs = [document_blob(old) for old in (row, own) if old is not None]
        old_blobs = [blob for blob in blobs if blob and blob != document_blob(written)]
        if len(changes) + len(alerts) > _ROWS:
            return _Plan(key, changes, alerts, old_blobs)
        return _Plan(key, [*changes, *alerts], (), old_blobs)

    def _stored(self, scope: str, views: Mapping[str, IncidentView]) -> dict[str, Stored]:
        """What is stored under these keys, and under the keys that the same incidents had before they got
        their number."""
        wanted = {incident_row_key(key): key for key in views}
        wanted |= {incident_row_key(k): k for v in views.values() for k in [own_key(v.vendor, v.incident)]}
        partition, found = key_safe(scope), dict[str, Stored]()
        left = sorted(wanted)
        for _ in range(_SCANS):
            if len(left) <= _FEW:
                break
            page = self._tables.scan(Table.incidents, Span.within(partition, left[0], left[-1]), select=LIGHT)
            found |= {wanted[row.key]: stored_of(row) for row in page.rows if row.key in wanted}
            if page.token is None:
                return found
            left = [key for key in left if page.rows and key > page.rows[-1].key] if page.rows else left
        return found | self._stored_each(partition, {key: wanted[key] for key in left})

    def _stored_each(self, partition: str, wanted: Mapping[str, str]) -> dict[str, Stored]:
        with ThreadPoolExecutor(8) as pool:
            rows = list(pool.map(lambda key: self._tables.get(Table.incidents, partition, key), wanted))
        return {key: stored_of(row) for key, row in zip(wanted.values(), rows, strict=True) if row}

    def _row(self, scope: str, key: str) -> Row | None:
        return self._tables.get(Table.incidents, key_safe(scope), incident_row_key(key))

    def _document(self, row: Row) -> KnownIncident:
        return incident_of(row, self._blobs)

    def _note_scope(self, scope: str) -> None:
        if scope not in self._noted:
            self._tables.write(Table.incidents, [Replace(Row(SCOPES, key_safe(scope), {"scope": scope}))])
            self._noted.add(scope)


def _newest_of_each(
    configuration: Configuration, incidents: Iterable[Incident], received: Instant
) -> dict[str, IncidentView]:
    """A page may hold an incident twice."""
    views: dict[str, IncidentView] = {}
    for incident in incidents:
        key = incident_key(configuration.vendor, incident)
        view = IncidentView(
            configuration_id=configuration.id,
            vendor=configuration.vendor,
            incident=incident,
            received=received,
        )
        if key not in views or views[key].age < view.age:
            views[key] = view
    return views


def _new(scope: str, key: str, view: IncidentView, now: Instant) -> KnownIncident:
    return KnownIncident(scope=scope, key=key, views=(view,), first_seen=view.received, changed=now)


def _joined(incident: KnownIncident, former: KnownIncident, now: Instant) -> KnownIncident:
    for view in former.views:
        incident = incident.with_view(view, now)
    return incident.model_copy(update={"first_seen": min(incident.first_seen, former.first_seen)})


def _grouped(plans: Iterable[_Plan]) -> Iterator[list[_Plan]]:
    """Cut into lists that one transaction takes; no row twice in any."""
    group: list[_Plan] = []
    keys: set[str] = set()
    weight = 0
    for plan in plans:
        own = {_key_of(change) for change in plan.changes}
        size = sum(400 if isinstance(c, Delete) else size_of(c.row) for c in plan.changes)
        full = len(keys) + len(own) > _ROWS or weight + size > _BYTES or keys & own
        if group and (full or plan.beforehand):
            yield group
            group, keys, weight = [], set(), 0
        group.append(plan)
        keys |= own
        weight += size
    if group:
        yield group


def _key_of(change: Change) -> str:
    return change.key if isinstance(change, Delete) else change.row.key
