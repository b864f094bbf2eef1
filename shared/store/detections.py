"""The one place that makes every at-least-once hop exact: `record` stores each alert once and says which
announcements this batch owns.

The steps and why a crash between any two of them heals are told in docs/architecture.md. In short: the
identity is inserted if absent and names the card; the card is inserted or merged under its ETag and says
which batch owns announcing it; a batch that is delivered again (`resume`) trusts no fingerprint but looks
at the cards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.errors import Conflict, RowExists, TryLater, Unreadable
from shared.nouns.configurations import Configuration
from shared.nouns.detections import (
    Announced,
    Card,
    Channel,
    Detection,
    Instant,
    RawAlert,
    Sighting,
    earlier,
    instant_of,
    moment_of,
)
from shared.nouns.notifications import Reason, next_announcement
from shared.store.cards import card_of, card_row, document_blob
from shared.store.identities import Identities, Identity
from shared.store.keys import FRESH, SLOW_WRITERS, card_id, day_of, inverted, is_card_id, time_of, week_of
from shared.store.stores import Blobs, Container, Insert, Replace, Row, Table, Tables, transactions

_ATTEMPTS = 20


@dataclass(frozen=True)
class Source:
    """Where a batch of alerts comes from: one configuration through one channel, under the batch's name.
    `resume`: this batch was delivered before and may have been interrupted anywhere. `read_in` is the scope
    in which the alerts were read, when the configuration may since have been given another tenant."""

    configuration: Configuration
    channel: Channel
    batch: str
    resume: bool = False
    read_in: str | None = None

    @property
    def scope(self) -> str:
        """Within which the alerts' native ids are unique."""
        return self.read_in or self.configuration.scope

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
        """One card, or None. Raises Unreadable when its document is lost."""
        found = self._read(card_id) if is_card_id(card_id) else None
        if found is None:
            return None
        row, card = found
        return card or card_of(row, self._blobs)

    def _read(self, card_key: str) -> tuple[Row, Card | None] | None:
        """A card with its row; no card where its document is lost. A document that is replaced while we
        read is looked for again."""
        etag = None
        while True:
            row = self._tables.get(Table.detections, week_of(card_key), card_key)
            if row is None:
                return None
            try:
                return row, card_of(row, self._blobs)
            except Unreadable:
                if row.etag == etag:
                    return row, None
                etag = row.etag

    def record(self, source: Source, entries: Sequence[Entry]) -> Recorded:
        """Store alerts, each exactly once however often and in whatever order they come. Raises TryLater
        when storage is away or other writers keep winning; what was stored by then is found again when the
        batch is delivered again."""
        recorded = Recorded()
        for different in _rounds(entries):
            recorded = recorded.plus(self._record(source, different))
        newest = {card.id: card for card in recorded.owned}
        return replace(recorded, owned=tuple(newest.values()))

    def _record(self, source: Source, entries: list[Entry]) -> Recorded:
        """The same for entries of different alerts."""
        identities, claimed = self._claim(source, entries)
        recorded = self._insert_cards(source, claimed)
        for entry in entries:
            identity = identities.get(entry[0].native_id)
            if identity is not None:
                recorded = recorded.plus(self._look_again(source, identity, entry))
        return recorded

    def _claim(
        self, source: Source, entries: list[Entry]
    ) -> tuple[dict[str, Identity], list[tuple[Identity, Entry]]]:
        """Insert the identities that are absent: those found, and those claimed by this batch just now."""
        scope = source.scope
        # A hint that is wrong only costs the read it was to save.
        asked = [e[0].native_id for e in entries if source.resume or not e[1].known_new]
        found = self._identities.known(scope, asked) if asked else {}
        left = [e for e in entries if e[0].native_id not in found]
        claimed: list[tuple[Identity, Entry]] = []
        for start in range(0, len(left), 100):
            known, mine = self._claim_absent(source, left[start : start + 100])
            found.update(known)
            claimed += mine
        return found, claimed

    def _claim_absent(
        self, source: Source, chunk: list[Entry]
    ) -> tuple[dict[str, Identity], list[tuple[Identity, Entry]]]:
        """The same for at most a hundred that were absent a moment ago."""
        found: dict[str, Identity] = {}
        for _ in range(_ATTEMPTS):
            if not chunk:
                return found, []
            identities = [self._new_identity(source, entry) for entry in chunk]
            try:
                self._identities.insert(source.scope, identities)
            except RowExists:
                found.update(self._identities.known(source.scope, [e[0].native_id for e in chunk]))
                chunk = [e for e in chunk if e[0].native_id not in found]
            else:
                return found, list(zip(identities, chunk, strict=True))
        raise TryLater("Other writers kept claiming the same alerts; it is tried again.")

    def _new_identity(self, source: Source, entry: Entry) -> Identity:
        detection, raw = entry
        key = card_id(source.scope, detection, raw.received)
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
                late += [i for i in ids if not self._found_by_age(i, now)]
        self._note_changes(late)
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
        for attempt in range(_ATTEMPTS):
            try:
                card, recorded = self._merge(source, identity, entry)
            except Conflict:
                continue
            owned = (card,) if card.announced.by == source.batch else ()
            # After a conflict or a crash the change may be our own all the same.
            maybe_ours = recorded.changed or source.resume or attempt
            if maybe_ours or (owned and not self._found_by_age(card.id, card.changed)):
                self._note_changes([card.id])
            self._identities.note_seen(source.scope, identity, source.key, entry[0].fingerprint)
            return Recorded(owned).plus(recorded)
        raise TryLater("Other writers kept changing the same detection; it is tried again.")

    def _merge(self, source: Source, identity: Identity, entry: Entry) -> tuple[Card, Recorded]:
        now = instant_of(self._clock())
        found = self._read(identity.card_id)
        if found is None:
            card = self._new_card(source, identity, entry, now)
            self._tables.write(Table.detections, [Insert(card_row(card, self._blobs))])
            return card, Recorded(new=1)
        row, before = found
        if before is None:
            card = self._rebuilt(self._new_card(source, identity, entry, now))
            self._replace(row, card)
            return card, Recorded(changed=1)
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
    def _rebuilt(card: Card) -> Card:
        """A card in the place of one whose document is lost. What has been announced is lost with it, so
        nothing is, and the count goes on where it cannot have been."""
        count = int(moment_of(card.changed).timestamp())
        lost = card.announced.model_copy(update={"number": count, "by": ""})
        return card.model_copy(update={"announced": lost})

    def _found_by_age(self, card_key: str, changed: Instant) -> bool:
        """Whether delta sync finds the change at the feed's newest end: of a new alert, stored in time."""
        return time_of(card_key) >= earlier(changed, FRESH) and self._in_time(changed)

    def _in_time(self, since: Instant) -> bool:
        return instant_of(self._clock()) <= earlier(since, -SLOW_WRITERS / 2)

    def _note_changes(self, card_ids: Sequence[str]) -> None:
        """Make cards findable by when they changed (delta sync); again, when storage took too long."""
        for _ in range(_ATTEMPTS if card_ids else 0):
            now = instant_of(self._clock())
            prefix = inverted(now)
            rows = [Replace(Row(day_of(prefix), f"{prefix}-{card_key}", {})) for card_key in card_ids]
            for batch in transactions(rows):
                self._tables.write(Table.changes, batch)
            if self._in_time(now):
                return


def _rounds(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The entries in lists in which no alert comes twice, each alert's views in their order."""
    views: dict[str, list[Entry]] = {}
    for entry in entries:
        views.setdefault(entry[0].native_id, []).append(entry)
    rounds: list[list[Entry]] = []
    for of_one in views.values():
        if len(of_one) > 1:
            of_one = list({(d.fingerprint, raw.received): (d, raw) for d, raw in of_one}.values())
        for number, entry in enumerate(of_one):
            if number == len(rounds):
                rounds.append([])
            rounds[number].append(entry)
    return rounds
