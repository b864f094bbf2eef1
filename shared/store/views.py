"""Alerts on their way into the store: where they come from, under which names they are claimed, and in which
order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from shared.nouns.cards import Announced, Card, Sighting
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, Detection, Instant, RawAlert
from shared.nouns.identity import aliases
from shared.nouns.notifications import Reason
from shared.store.identities import Identity
from shared.store.keys import card_id

_ROWS_A_CLAIM = 100
_MOST_NAMES = 50


@dataclass(frozen=True)
class Source:
    """Where a batch of alerts comes from: one configuration through one channel, under the batch's name.
    `resume`: this batch was delivered before and may have been interrupted anywhere. `read_in` is the scope
    in which the alerts were read, when the configuration may since have been given another tenant. `late`:
    the ledger found that the alerts were missing. `anew`: the same raw alerts are mapped once more, which
    replaces what they said before, and is nothing to announce."""

    configuration: Configuration
    channel: Channel
    batch: str
    resume: bool = False
    read_in: str | None = None
    late: bool = False
    anew: bool = False

    @property
    def scope(self) -> str:
        """Within which the alerts' names are unique."""
        return self.read_in or self.configuration.scope

    @property
    def key(self) -> str:
        """The name under which an identity remembers what this source said."""
        return f"{self.configuration.id}:{self.channel}"


Entry = tuple[Detection, RawAlert]
Names = Mapping[str, Identity]


@dataclass(frozen=True)
class View:
    """One alert as it came, with its names (its own first)."""

    detection: Detection
    raw: RawAlert
    names: tuple[str, ...]
    fingerprint: str

    @classmethod
    def of(cls, entry: Entry) -> View:
        return cls(*entry, aliases(entry[0])[:_MOST_NAMES], entry[0].fingerprint)

    @property
    def own(self) -> str:
        return self.names[0]

    def card_id(self, source: Source) -> str:
        return card_id(source.scope, self.own, self.detection, self.raw.received)

    def identities(self, source: Source, card: str, *, absent_in: Names = {}) -> list[Identity]:  # noqa: B006
        """Rows for those of its names that are not known. Its own says what this source has said."""
        seen = {source.key: self.fingerprint}
        return [
            Identity(name, card, source.batch, seen if name == self.own else {})
            for name in self.names
            if name not in absent_in
        ]

    def sighting(self, source: Source) -> Sighting:
        by = source.configuration
        return Sighting.of(
            self.detection,
            self.raw.body,
            self.raw.received,
            by=by.id,
            vendor=by.vendor,
            channel=source.channel,
        )

    def new_card(self, source: Source, key: str, now: Instant) -> Card:
        severity = self.detection.severity
        reason = Reason.late if source.late else Reason.first_sight
        return Card(
            id=key,
            scope=source.scope,
            sightings=(self.sighting(source),),
            announced=Announced(number=1, reason=reason, severity=severity, by=source.batch),
            changed=now,
        )


def apart(views: list[View], known: Names) -> tuple[list[tuple[View, Names]], list[View]]:
    """Those that are known under some of their names, with these; and the others."""
    named = [(view, {n: known[n] for n in view.names if n in known}) for view in views]
    return [(v, names) for v, names in named if names], [v for v, names in named if not names]


def chunks(views: list[View]) -> Iterator[list[View]]:
    """The views in lists whose names fit into one transaction."""
    chunk: list[View] = []
    rows = 0
    for view in views:
        if chunk and rows + len(view.names) > _ROWS_A_CLAIM:
            yield chunk
            chunk, rows = [], 0
        chunk.append(view)
        rows += len(view.names)
    if chunk:
        yield chunk


def rounds(views: Iterable[View]) -> list[list[View]]:
    """The views in lists in which no alert comes twice, under whatever name; each alert's views in their
    order, without repetitions."""
    rounds: list[list[View]] = []
    last: dict[str, int] = {}
    had: set[tuple[str, str, Instant]] = set()
    for view in views:
        what = (view.own, view.fingerprint, view.raw.received)
        if what in had:
            continue
        had.add(what)
        number = 1 + max(last.get(name, -1) for name in view.names)
        last.update(dict.fromkeys(view.names, number))
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(view)
    return rounds
