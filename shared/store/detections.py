"""The one place that makes every at-least-once hop exact: `record` stores each alert once and says which
announcements this batch owns.

The steps and why a crash between any two of them heals are told in docs/architecture.md. In short: an alert
is claimed under all its names at once, or found under some of them; its names lead to the card; the card is
inserted or merged under its ETag and says which batch owns announcing it; a batch that is delivered again
(`resume`) trusts no fingerprint but looks at the cards. Names that lead to two cards make one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.errors import BadRequest, Conflict, NotFound, RowChanged, RowExists, TryLater, Unreadable
from shared.nouns.cards import Card, Sighting
from shared.nouns.detections import instant_of, moment_of, unique
from shared.nouns.identity import aliases, canonical
from shared.nouns.notifications import next_announcement
from shared.store.card_table import CardTable
from shared.store.identities import Identities, Identity
from shared.store.keys import card_id
from shared.store.stores import Blobs, Tables
from shared.store.views import Entry, Names, Source, View, apart, chunks, rounds

__all__ = ["Detections", "Recorded", "Source"]

_ATTEMPTS = 20


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


class Detections:
    """Cards and their identities. `clock` gives aware UTC times."""

    def __init__(self, *, tables: Tables, blobs: Blobs, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._cards = CardTable(tables=tables, blobs=blobs, clock=clock)
        self._identities = Identities(tables)

    def known(self, scope: str, names: Iterable[str]) -> dict[str, Identity]:
        """The identities among the names (see nouns/identity.py) that are known; about one storage call for
        a page of neighbours."""
        return self._identities.known(scope, names)

    def get(self, card_id: str) -> Card | None:
        """One card, or the one that it was joined with, or None. Raises Unreadable when its document is
        lost or damaged."""
        found = self._cards.read(card_id)
        if found is not None and found.card is None:
            raise Unreadable(f"The document of detection {card_id} is missing from storage, or damaged.")
        return found.card if found else None

    def cards_of(self, scope: str, native_ids: Iterable[str], *, namespace: str = "") -> list[Card]:
        """The cards of alerts by the ids that some vendor has for them; those that are not known are left
        out. `namespace` is the vendor's, if its ids have one."""
        names = [f"{namespace}:{i}".lower() if namespace else canonical(i) for i in native_ids]
        ids = unique(found.card_id for found in self.known(scope, names).values())
        cards = {card.id: card for card in map(self.get, ids) if card is not None}
        return list(cards.values())

    def record(self, source: Source, entries: Sequence[Entry]) -> Recorded:
        """Store alerts, each exactly once however often, through however many products and in whatever order
        they come. Raises TryLater when storage is away or other writers keep winning; what was stored by
        then is found again when the batch is delivered again."""
        recorded = Recorded()
        for different in rounds(map(View.of, entries)):
            recorded = recorded.plus(self._record(source, different))
        newest = {card.id: card for card in recorded.owned}
        return replace(recorded, owned=tuple(newest.values()))

    def split(self, card_id: str, sighting_keys: Iterable[str]) -> tuple[Card, Card]:
        """Take sightings out of a card, into one of their own; gives both cards. What these configurations
        say of the alert stays apart from then on. Nothing is announced. Interrupted, it is done again with
        the same outcome. Raises NotFound, BadRequest, Conflict."""
        found = self._cards.read(card_id)
        if found is None or found.card is None:
            raise NotFound("There is no such detection.")
        card, wanted = found.card, set(sighting_keys)
        chosen = {(s.configuration_id, aliases(s.detection)[0]) for s in card.sightings if s.key in wanted}
        out = [s for s in card.sightings if (s.configuration_id, aliases(s.detection)[0]) in chosen]
        if not out or len(out) == len(card.sightings):
            raise BadRequest("Name some of the detection's sightings, by their keys, but not all of them.")
        taken = self._taken_out(card, out)
        for configuration_id, alias in chosen:
            self._identities.set_apart(card.scope, alias, configuration_id, taken.id)
        left = card.with_only([s for s in card.sightings if s not in out], instant_of(self._clock()))
        self._cards.replace(found.row, left)
        self._cards.note_changes([left.id, taken.id])
        return left, taken

    def _taken_out(self, card: Card, out: list[Sighting]) -> Card:
        first = min(out, key=lambda s: s.key)
        salt = hashlib.sha256("\n".join([card.id, *sorted(s.key for s in out)]).encode()).hexdigest()
        key = card_id(card.scope, salt, first.detection, first.first_seen)
        announced = card.announced.model_copy(update={"by": ""})
        made = card.model_copy(update={"id": key, "announced": announced})
        made = made.with_only(out, instant_of(self._clock()))
        try:
            self._cards.insert(made)
        except RowExists:  # by the same request, interrupted
            return self.get(key) or made
        return made

    def _record(self, source: Source, views: list[View]) -> Recorded:
        """The same for views of different alerts."""
        found, claimed = self._claim(source, views)
        recorded = self._insert_cards(source, claimed)
        for view, names in found:
            recorded = recorded.plus(self._look_again(source, names, view))
        return recorded

    def _claim(self, source: Source, views: list[View]) -> tuple[list[tuple[View, Names]], list[View]]:
        """Claim the alerts that are known under none of their names: those that are known under some, with
        these, and those claimed by this batch just now."""
        # A hint that is wrong only costs the read it was to save.
        asked = [n for v in views if source.resume or not v.raw.known_new for n in v.names]
        known = self._identities.known(source.scope, asked) if asked else {}
        found, left = apart(views, known)
        claimed: list[View] = []
        for chunk in chunks(left):
            more, mine = self._claim_absent(source, chunk)
            found += more
            claimed += mine
        return found, claimed

    def _claim_absent(self, source: Source, chunk: list[View]) -> tuple[list[tuple[View, Names]], list[View]]:
        """The same for a few that were absent a moment ago."""
        found: list[tuple[View, Names]] = []
        for _ in range(_ATTEMPTS):
            if not chunk:
                return found, []
            rows = [row for view in chunk for row in view.identities(source, view.card_id(source))]
            try:
                self._identities.insert(source.scope, rows)
            except RowExists:
                known = self._identities.known(source.scope, [n for v in chunk for n in v.names])
                more, chunk = apart(chunk, known)
                found += more
            else:
                return found, chunk
        raise TryLater("Other writers kept claiming the same alerts; it is tried again.")

    def _insert_cards(self, source: Source, claimed: list[View]) -> Recorded:
        """Write the cards of alerts that this batch has claimed, a hundred a call; where somebody was
        faster, one by one."""
        now = instant_of(self._clock())
        views = {view.card_id(source): view for view in claimed}
        cards = {key: view.new_card(source, key, now) for key, view in views.items()}
        recorded = Recorded()
        late: list[str] = []
        for batch in self._cards.inserts(cards.values()):
            ids = [insert.row.key for insert in batch]
            try:
                self._cards.write(batch)
            except RowExists:
                for key in ids:
                    names = self._identities.known(source.scope, views[key].names)
                    recorded = recorded.plus(self._settle(source, names, views[key]))
            else:
                recorded = recorded.plus(Recorded(tuple(cards[i] for i in ids), new=len(ids)))
                late += [i for i in ids if not self._cards.found_by_age(i, now)]
        self._cards.note_changes(late)
        return recorded

    def _look_again(self, source: Source, names: Names, view: View) -> Recorded:
        """An alert that is known: nothing to do if this source has said exactly this, unless this batch was
        interrupted."""
        own = names.get(view.own)
        same = own is not None and own.seen.get(source.key) == view.fingerprint
        if same and not source.resume and own is not None and own.by != source.batch:
            return Recorded(unchanged=1)
        return self._settle(source, names, view)

    def _settle(self, source: Source, names: Names, view: View) -> Recorded:
        """Bring the card to include this view, whatever state it was left in."""
        for attempt in range(_ATTEMPTS):
            try:
                card, recorded = self._merge(source, self._home(source, names, view), view)
            except Conflict:
                names = self._identities.known(source.scope, view.names)
                continue
            owned = (card,) if card.announced.by == source.batch else ()
            # After a conflict or a crash the change may be our own all the same.
            maybe_ours = recorded.changed or source.resume or attempt
            if maybe_ours or (owned and not self._cards.found_by_age(card.id, card.changed)):
                self._cards.note_changes([card.id])
            own = names.get(view.own)
            if own is not None:
                self._identities.note_seen(source.scope, own, source.key, view.fingerprint)
            return Recorded(owned).plus(recorded)
        raise TryLater("Other writers kept changing the same detection; it is tried again.")

    def _home(self, source: Source, names: Names, view: View) -> str:
        """The id of the card that the view belongs to; from now on under all of its names. Raises
        Conflict."""
        own = names.get(view.own)
        if own is not None and source.configuration.id in own.apart:
            return own.apart[source.configuration.id]
        homes = unique(identity.card_id for identity in names.values()) or (view.card_id(source),)
        if len(homes) > 1:
            homes = unique(map(self._cards.home, homes))
        home = homes[0] if len(homes) == 1 else self._join(homes)
        absent = view.identities(source, home, absent_in=names)
        if absent:
            self._identities.insert(source.scope, absent)
        return home

    def _join(self, homes: Sequence[str]) -> str:
        """Make one of several cards: the oldest takes the others' sightings, and they lead to it. Nothing is
        announced: each has been, by whoever brought it. Raises Conflict; done again, it goes on."""
        found = {key: self._cards.read(key) for key in homes}
        into = max((key for key, one in found.items() if one and one.card), default=max(homes))
        for key in homes:
            loser, winner = found[key], self._cards.read(into)
            if key == into:
                continue
            if {one.row.key for one in (loser, winner) if one} - {key, into}:
                raise RowChanged("One of the cards has just been joined with a third.")
            if loser and loser.card and winner and winner.card:
                joined = winner.card.joined(loser.card, instant_of(self._clock()))
                self._cards.replace(winner.row, joined)
            self._cards.bury(key, loser, into=into)
        self._cards.note_changes(homes)
        return into

    def _merge(self, source: Source, key: str, view: View) -> tuple[Card, Recorded]:
        now = instant_of(self._clock())
        found = self._cards.read(key)
        if found is None:
            card = view.new_card(source, key, now)
            self._cards.insert(card)
            return card, Recorded(new=1)
        before = found.card
        if before is None:
            card = _rebuilt(view.new_card(source, found.row.key, now))
            self._cards.replace(found.row, card)
            return card, Recorded(changed=1)
        after = before.with_sighting(view.sighting(source), now, anew=source.anew)
        if after is before:
            return before, Recorded(unchanged=1)
        if not source.anew:
            announced = next_announcement(before, after.detection, by=source.batch)
            after = after.model_copy(update={"announced": announced})
        self._cards.replace(found.row, after)
        return after, Recorded(changed=1)


def _rebuilt(card: Card) -> Card:
    """A card in the place of one whose document is lost. What has been announced is lost with it, so
    nothing is, and the count goes on where it cannot have been."""
    count = int(moment_of(card.changed).timestamp())
    lost = card.announced.model_copy(update={"number": count, "by": ""})
    return card.model_copy(update={"announced": lost})
