"""The one place that makes every at-least-once hop exact: `record` stores each alert once and says which
announcements this batch owns.

The steps and why a crash between any two of them heals are told in docs/architecture.md. In short: the
identity is inserted if absent and names the card; the card is inserted or merged under its ETag and says
which batch owns announcing it; a batch that is delivered again (`resume`) trusts no fingerprint but looks
at the cards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.configurations import Configuration
from shared.detections import (
    Announced,
    Card,
    Channel,
    Detection,
    Instant,
    RawAlert,
    Sighting,
    earlier,
    instant_of,
)
from shared.errors import Conflict, RowExists, TryLater
from shared.notifications import Reason, next_announcement
from shared.store.cards import card_of, card_row, document_blob
from shared.store.identities import Identities, Identity
from shared.store.keys import FRESH, card_id, day_of, inverted, is_card_id, time_of, week_of
from shared.store.stores import Blobs, Container, Insert, Replace, Row, Table, Tables, transactions

_ATTEMPTS = 20


@dataclass(frozen=True)
class Source:
    """Where a batch of alerts comes from: one configuration through one channel, under the batch's name.
    `resume`: this batch was delivered before and may have been interrupted anywhere."""

    configuration: Configuration
    channel: Channel
    batch: str
    resume: bool = False

    @property
    def key(self) -> str:
        """The name under which an identity remembers what this source said."""
        return f"{self.configuration.id}:{self.channel}"

    def sighting(self, detection: Detection, raw: RawAlert) -> Sighting:
        """This source's view of the detection."""
        return Sighting(
            configuration_id=self.configuration.id,
            vendor=self.configuration.vendor,
            channel=self.channel,
            native_id=detection.native_id,
            severity=detection.severity,
            status=detection.status,
            source_link=detection.source_link,
            first_seen=raw.received,
            observed=detection.updated or raw.received,
            received=raw.received,
            fingerprint=detection.fingerprint,
        )


@dataclass(frozen=True)
class Recorded:
    """What `record` did. `owned` are the cards whose newest announcement this batch must make; counts are
    of alerts."""

    owned: tuple[Card, ...] = ()
    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def plus(self, other: Recorded) -> Recorded:
        """Both together."""
        return Recorded(
            self.owned + other.owned,
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
        )


Entry = tuple[Detection, RawAlert]


class Detections:
    """Cards and their identities. `clock` gives aware UTC times."""

    def __init__(self, *, tables: Tables, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        self._tables = tables
        self._blobs = blobs
        self._clock = clock
        self._identities = Identities(tables)

    def known(self, scope: str, native_ids: Iterable[str]) -> dict[str, Identity]:
        """The identities among the native ids that are known; about one storage call for a page of
        neighbours."""
        return self._identities.known(scope, native_ids)

    def get(self, card_id: str) -> Card | None:
        """One card, or None."""
        row = self._tables.get(Table.detections, week_of(card_id), card_id) if is_card_id(card_id) else None
        return card_of(row, self._blobs) if row else None

    def record(self, source: Source, entries: Sequence[Entry]) -> Recorded:
        """Store alerts, each exactly once however often and in whatever order they come. Raises TryLater
        when storage is away or other writers keep winning; what was stored by then is found again when the
        batch is delivered again."""
        first = {entry[0].native_id: entry for entry in reversed(entries)}
        again = [e for e in entries if first[e[0].native_id] is not e]
        identities, claimed = self._claim(source, list(first.values()))
        recorded = self._insert_cards(source, claimed)
        for entry in first.values():
            identity = identities.get(entry[0].native_id)
            if identity is not None:
                recorded = recorded.plus(self._look_again(source, identity, entry))
        return recorded.plus(self.record(source, again)) if again else recorded

    def _claim(
        self, source: Source, entries: list[Entry]
    ) -> tuple[dict[str, Identity], list[tuple[Identity, Entry]]]:
        """Insert the identities that are absent: those found, and those claimed by this batch just now."""
        scope = source.configuration.scope
        # A hint that is wrong only costs the read it was to save.
        asked = [e[0].native_id for e in entries if source.resume or not e[1].known_new]
        found = self._identities.known(scope, asked) if asked else {}
        left = [e for e in entries if e[0].native_id not in found]
        claimed: list[tuple[Identity, Entry]] = []
        for start in range(0, len(left), 100):
            chunk = left[start : start + 100]
            for _ in range(_ATTEMPTS):
                identities = [self._new_identity(source, entry) for entry in chunk]
                try:
                    self._identities.insert(scope, identities)
                except RowExists:
                    known = self._identities.known(scope, [e[0].native_id for e in chunk])
                    found.update(known)
                    chunk = [e for e in chunk if e[0].native_id not in known]
                    if chunk:
                        continue
                    break
                claimed += zip(identities, chunk, strict=True)
                break
        return found, claimed

    def _new_identity(self, source: Source, entry: Entry) -> Identity:
        detection, raw = entry
        key = card_id(source.configuration.scope, detection, raw.received)
        return Identity(detection.native_id, key, source.batch, {source.key: detection.fingerprint})

    def _new_card(self, source: Source, identity: Identity, entry: Entry, now: Instant) -> Card:
        detection, raw = entry
        return Card(
            id=identity.card_id,
            vendor=source.configuration.vendor,
            detection=detection,
            sightings=(source.sighting(detection, raw),),
            announced=Announced(
                number=1, reason=Reason.first_sight, severity=detection.severity, by=source.batch
            ),
            first_seen=raw.received,
            changed=now,
        )

    def _insert_cards(self, source: Source, claimed: list[tuple[Identity, Entry]]) -> Recorded:
        """Write the cards of identities this batch has claimed, a hundred a call; where somebody was
        faster, one by one."""
        now = instant_of(self._clock())
        cards = {i.card_id: (self._new_card(source, i, e, now), i, e) for i, e in claimed}
        recorded = Recorded()
        late: list[str] = []
        for batch in transactions(Insert(card_row(card, self._blobs)) for card, _, _ in cards.values()):
            ids = [change.row.key for change in batch if isinstance(change, Insert)]
            try:
                self._tables.write(Table.detections, batch)
            except RowExists:
                for card_key in ids:
                    _, identity, entry = cards[card_key]
                    recorded = recorded.plus(self._settle(source, identity, entry))
            else:
                recorded = recorded.plus(Recorded(tuple(cards[i][0] for i in ids), new=len(ids)))
                late += [i for i in ids if not self._fresh(i, now)]
        self._note_changes(late, now)
        return recorded

    def _look_again(self, source: Source, identity: Identity, entry: Entry) -> Recorded:
        """An alert whose identity is known: nothing to do if this source has said exactly this, unless this
        batch was interrupted."""
        same = identity.seen.get(source.key) == entry[0].fingerprint
        if same and not source.resume and identity.by != source.batch:
            return Recorded(unchanged=1)
        return self._settle(source, identity, entry)

    def _settle(self, source: Source, identity: Identity, entry: Entry) -> Recorded:
        """Bring the card to include this view, whatever state it was left in."""
        for _ in range(_ATTEMPTS):
            try:
                card, recorded = self._merge(source, identity, entry)
            except Conflict:
                continue
            if recorded.changed or source.resume or not self._fresh(card.id, card.changed):
                self._note_changes([card.id], instant_of(self._clock()))
            self._identities.note_seen(source.configuration.scope, identity, source.key, entry[0].fingerprint)
            owned = (card,) if card.announced.by == source.batch else ()
            return Recorded(owned).plus(recorded)
        raise TryLater("Other writers kept changing the same detection; it is tried again.")

    def _merge(self, source: Source, identity: Identity, entry: Entry) -> tuple[Card, Recorded]:
        now = instant_of(self._clock())
        row = self._tables.get(Table.detections, week_of(identity.card_id), identity.card_id)
        if row is None:
            card = self._new_card(source, identity, entry, now)
            self._tables.write(Table.detections, [Insert(card_row(card, self._blobs))])
            return card, Recorded(new=1)
        before = card_of(row, self._blobs)
        after = before.with_sighting(source.sighting(*entry), entry[0], now)
        if after is before:
            return before, Recorded(unchanged=1)
        announced = next_announcement(before, after.detection, by=source.batch)
        after = after.model_copy(update={"announced": announced})
        self._replace(row, after)
        return after, Recorded(changed=1)

    def _replace(self, row: Row, card: Card) -> None:
        """Write the card over the row as it was read. Raises RowChanged."""
        replacement = card_row(card, self._blobs, row.etag)
        self._tables.write(Table.detections, [Replace(replacement)])
        outdated = document_blob(row)
        if outdated and outdated != document_blob(replacement):
            self._blobs.delete(Container.documents, outdated)

    @staticmethod
    def _fresh(card_key: str, now: Instant) -> bool:
        return time_of(card_key) >= earlier(now, FRESH)

    def _note_changes(self, card_ids: Iterable[str], now: Instant) -> None:
        """Make cards findable by when they changed (delta sync)."""
        prefix = inverted(now)
        rows = [Replace(Row(day_of(prefix), f"{prefix}-{card_key}", {})) for card_key in card_ids]
        for batch in transactions(rows):
            self._tables.write(Table.changes, batch)
