"""Every five minutes: hand the collector what is new since it was last served. A mark moves only after the
collector has taken what lies before it, so that nothing is lost; what was sent and not marked is sent again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import BadRequest, Conflict, PocketSOCError, Refused, TryLater, Unreadable
from shared.nouns.cards import Card
from shared.nouns.detections import Instant, earlier, instant, instant_of
from shared.nouns.exports import ASSET_KINDS, RISK_KINDS, ExportFilter, alert_risk, line_of
from shared.store.detections import Detections
from shared.store.exported import Exported
from shared.store.feed import ChangedPage, Feed
from shared.store.inventory import ItemQuery, ReadingState

_BUDGET = timedelta(minutes=4)
_LINES, _BYTES = 500, 900_000
_TOLD = 400
_FIRST = timedelta(days=1)
_REACH = timedelta(days=29)
_STILL = timedelta(minutes=15)
_FRESH = timedelta(minutes=2)  # further back than delta sync looks again
_HEALTH, _ALERTS = "health", "alerts"
_log = logging.getLogger(__name__)


class Link(Protocol):
    """The way to the collector."""

    def send(self, lines: Sequence[str]) -> None:
        """Hand over some records. Raises Refused, TryLater, OperatorMustAct."""
        ...


class CollectorHealth(BaseModel):
    """How handing over is doing. `sent` counts records."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    last_success: Instant | None = None
    last_error: str | None = None
    failing_since: Instant | None = None
    failures: int = 0
    sent: int = 0
    not_before: Instant | None = None


class AlertsMark(BaseModel):
    """How far the collector knows of detections. `told` are those of the last moments, which delta sync names
    again, with what was said of them. `behind`: more had changed since then than delta sync tells of, and the
    feed is walked instead, as far as `cursor`; `since` is when that began."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    since: Instant
    told: dict[str, str] = Field(default_factory=dict)
    behind: Instant | None = None
    cursor: str | None = None


class ThingsMark(BaseModel):
    """How far the collector knows of one kind of one configuration's things: of all that changed `until`
    then. On the way to `target` it has been served as far as `token`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    until: Instant = ""
    target: Instant | None = None
    token: str | None = None

    @classmethod
    def of(cls, text: str) -> ThingsMark:
        """As it was stored; by earlier versions as the time alone. From the beginning, if nobody can read it:
        what is handed over again does no harm."""
        if not text.startswith("{"):
            return cls(until=instant(text) or "")
        try:
            return cls.model_validate_json(text)
        except ValueError:
            return cls()


@dataclass(frozen=True)
class Collector:
    """Serves the collector. `link` gives the way to it; None where none is configured."""

    link: Callable[[], Link | None]
    exported: Exported
    feed: Feed
    detections: Detections
    wanted: ExportFilter
    clock: Callable[[], datetime]

    def emit(self) -> int:
        """Hand over what is new; gives how many records that was. Trouble ends in the health, in words."""
        now = self.clock()
        text, version = self.exported.mark(_HEALTH)
        health = CollectorHealth.model_validate_json(text) if text else CollectorHealth()
        if (health.not_before or "") > instant_of(now):
            return 0
        run = _Run(now + _BUDGET, self.clock)
        try:
            link = self.link()
            if link is None:
                return 0
            self._alerts(link, run)
            for place in (*self.exported.places(RISK_KINDS), *self.exported.places(ASSET_KINDS)):
                self._things(link, run, place)
            after = self._well(health, now, run.sent)
        except Conflict:
            _log.info("the collector is being served by another one")
            return run.sent
        except PocketSOCError as error:
            _log.warning("the collector could not be served: %s", error)
            after = self._ill(health, now, run.sent, error)
        if after != health:
            self.exported.set_mark(_HEALTH, after.model_dump_json(), version)
        return run.sent

    def health(self) -> CollectorHealth:
        """How it is doing."""
        text, _ = self.exported.mark(_HEALTH)
        return CollectorHealth.model_validate_json(text) if text else CollectorHealth()

    def _alerts(self, link: Link, run: _Run) -> None:
        text, version = self.exported.mark(_ALERTS)
        start = earlier(instant_of(self.clock()), _FIRST)
        mark = AlertsMark.model_validate_json(text) if text else AlertsMark(since=start)
        if mark.behind is not None:
            mark, version = self._catch_up(link, run, mark, version)
        more = mark.behind is None
        while more and run.goes_on:
            try:
                page = self._changed(mark.since)
            except BadRequest:  # a first reading of months, for example
                now = earlier(instant_of(self.clock()), _FRESH)
                mark = AlertsMark(since=now, behind=mark.since)
                version = self.exported.set_mark(_ALERTS, mark.model_dump_json(), version)
                self._catch_up(link, run, mark, version)
                return
            told = dict[str, str]()
            lines: list[str] = []
            for card in filter(None, (self._card(one.id) for one in page.cards)):
                risk = alert_risk(card)
                told[card.id] = risk.version
                if mark.told.get(card.id) != risk.version and self.wanted.wants_risk(risk):
                    lines.append(_line(risk.model_dump(mode="json"), risk.version))
            self._send(link, run, lines)
            # What is beyond that is told once more: the mark must fit into a column.
            following = AlertsMark(since=page.next_since, told=dict(list(told.items())[-_TOLD:]))
            if following != mark and (page.cards or self._aged(mark)):
                version = self.exported.set_mark(_ALERTS, following.model_dump_json(), version)
            mark, more = following, page.more

    def _card(self, id: str) -> Card | None:
        try:
            return self.detections.get(id)
        except Unreadable:  # one that was damaged must not keep the others from the collector
            _log.error("detection %s has lost its document and is not handed over", id)
            return None

    def _catch_up(self, link: Link, run: _Run, mark: AlertsMark, version: str) -> tuple[AlertsMark, str]:
        """Walk the feed for what has changed since the collector fell behind; gives the mark and its version
        as far as there was time."""
        while mark.behind is not None and run.goes_on:
            behind = mark.behind
            page = self.exported.cards(
                earlier(behind, _REACH),
                None,
                limit=_LINES,
                cursor=mark.cursor,
                wants=lambda card, behind=behind: card.changed >= behind,  # type: ignore[misc]
            )
            risks = [risk for risk in map(alert_risk, page.cards) if self.wanted.wants_risk(risk)]
            self._send(link, run, [_line(risk.model_dump(mode="json"), risk.version) for risk in risks])
            going_on = {"behind": behind if page.cursor else None, "cursor": page.cursor}
            mark = mark.model_copy(update=going_on)
            version = self.exported.set_mark(_ALERTS, mark.model_dump_json(), version)
        return mark, version

    def _aged(self, mark: AlertsMark) -> bool:
        """Whether a mark without news is old enough to be moved on all the same."""
        return not mark.told or mark.since < earlier(instant_of(self.clock()), _STILL)

    def _changed(self, since: Instant) -> ChangedPage:
        oldest = earlier(instant_of(self.clock()), _REACH)
        if since >= oldest:
            return self.feed.changed(since)
        _log.error("the collector was away so long that changes before %s are not told: export them", oldest)
        return self.feed.changed(oldest)

    def _things(self, link: Link, run: _Run, place: ReadingState) -> None:
        name = f"{place.configuration_id}|{place.kind.value}"
        text, version = self.exported.mark(name)
        mark = ThingsMark.of(text)
        if place.read is None or place.read <= mark.until:
            return
        target = mark.target or place.read
        query = ItemQuery(changed_after=mark.until or None, changed_until=target)
        while run.goes_on and mark.until < target:
            page = self.exported.items(place, query, limit=_LINES, token=mark.token)
            self._send(link, run, list(self._records(page.origins, place)))
            on_the_way = mark.model_copy(update={"target": target, "token": page.token})
            mark = on_the_way if page.token else ThingsMark(until=target)
            version = self.exported.set_mark(name, mark.model_dump_json(), version)

    def _records(self, origins: Iterable[Any], place: ReadingState) -> Iterator[str]:
        for origin in origins:
            if place.kind in RISK_KINDS:
                risk = origin.risk()
                if self.wanted.wants_risk(risk):
                    yield _line(risk.model_dump(mode="json"), risk.version)
            else:
                asset = origin.asset()
                if self.wanted.wants_asset(asset):
                    yield _line(asset.record(), asset.version)

    def _send(self, link: Link, run: _Run, lines: Sequence[str]) -> None:
        for batch in _batches(lines):
            _send_whole(link, batch)
            run.sent += len(batch)

    def _well(self, health: CollectorHealth, now: datetime, sent: int) -> CollectorHealth:
        recently = (health.last_success or "") > earlier(instant_of(now), _STILL)
        if not sent and not health.last_error and recently:
            return health  # nothing worth a write
        return CollectorHealth(last_success=instant_of(now), sent=health.sent + sent)

    def _ill(
        self, health: CollectorHealth, now: datetime, sent: int, error: PocketSOCError
    ) -> CollectorHealth:
        asked = error.retry_after if isinstance(error, TryLater) else None
        wait = asked if asked is not None else min(60.0 * 2 ** min(health.failures, 5), 900.0)
        return CollectorHealth(
            last_success=health.last_success,
            last_error=str(error)[:2000],
            failing_since=health.failing_since or instant_of(now),
            failures=health.failures + 1,
            sent=health.sent + sent,
            not_before=instant_of(now + timedelta(seconds=max(wait - 5, 0))),
        )


@dataclass
class _Run:
    """One go: until when, and how much it has sent."""

    until: datetime
    clock: Callable[[], datetime]
    sent: int = 0

    @property
    def goes_on(self) -> bool:
        """Whether there is time left."""
        return self.clock() < self.until


def _line(record: dict[str, Any], version: str) -> str:
    return line_of({**record, "version": version})


def _batches(lines: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for line in lines:
        weight = len(line.encode("utf-8", "replace")) + 1
        if batch and (len(batch) == _LINES or size + weight > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += weight
    if batch:
        yield batch


def _send_whole(link: Link, batch: Sequence[str]) -> None:
    """Send a batch, in halves where it is too large for the collector."""
    try:
        link.send(batch)
    except Refused as error:
        if error.status != 413 or len(batch) == 1:
            raise
        half = len(batch) // 2
        _send_whole(link, batch[:half])
        _send_whole(link, batch[half:])
