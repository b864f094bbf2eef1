"""What happens at a vendor in the simulated days, and what must be said of it: worked out here from what
is made to happen, with rules of its own, knowing nothing of the product's.

Changes of one alert are hours apart, further than any poll is late, so that each is seen.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from benchmarks.rig.vendor_days import OVERLAP, Happenings
from simulator import sample, scenarios
from simulator.faults import Fault
from simulator.world import World

APART = timedelta(hours=4)
_ORDER = ("informational", "low", "medium", "high")
_DIALECTS = ("pascal", "camel", "wrapped", "arm", "list")


@dataclass
class Alert:
    """One alert as the vendor has it. `views` are (severity, closed) in the order in which they become
    visible; None: nothing but its first sight is to be said. `beyond`: visible later than any overlap reaches
    back."""

    id: str
    views: list[tuple[str, bool]] | None = None
    beyond: bool = False

    @property
    def to_say(self) -> int:
        """How many announcements it deserves: first sight, then whatever got worse or came back."""
        said = 1
        if self.views is None:
            return said
        (loudest, was_closed), *later = self.views
        for severity, closed in later:
            back = was_closed and not closed
            if back or (not closed and _ORDER.index(severity.lower()) > _ORDER.index(loudest.lower())):
                said, loudest = said + 1, severity
            was_closed = closed
        return said


@dataclass
class TwoDays:
    """Makes it happen at one vendor, minute by minute. `webhooks` are events to be sent: (minute, body)."""

    world: World
    vendor: Happenings
    chance: random.Random
    minutes: int
    big_tie: int = 1050
    alerts: list[Alert] = field(default_factory=list)
    webhooks: list[tuple[int, Any]] = field(default_factory=list)
    happened: dict[str, int] = field(default_factory=dict)

    def minute(self, now: int) -> None:
        """Whatever happens in this minute."""
        for share, happen in (
            (1 / 20, self._alert),
            (1 / 90, self._tie),
            (1 / 60, self._late),
            (1 / 120, self._beyond),
            (1 / 30, self._changing),
            (1 / 25, self._event),
            (1 / 60, self._trouble),
        ):
            if self.chance.random() < share:
                happen(now)
        if now == self.minutes // 2 and self.big_tie:
            self._ties(min(self.big_tie, self.vendor.most_ties))

    def events(self, now: int) -> list[Any]:
        """The webhook bodies to be sent by this minute."""
        due = [body for minute, body in self.webhooks if minute <= now]
        self.webhooks = [one for one in self.webhooks if one[0] > now]
        return due

    def _add(self, what: str, ids: list[str], *, beyond: bool = False) -> None:
        self.happened[what] = self.happened.get(what, 0) + 1
        self.alerts += [Alert(one, beyond=beyond) for one in ids]

    def _minutes(self, least: float, most: float) -> timedelta:
        return timedelta(minutes=self.chance.uniform(least, most))

    def _lag(self) -> timedelta:
        return min(self._minutes(1, 15), OVERLAP - timedelta(seconds=1))

    def _alert(self, now: int) -> None:
        self._add("alert", self.vendor.new(self.world))

    def _tie(self, now: int) -> None:
        self._ties(self.chance.choice((2, 3, 5, 8, 30)))  # thirty are too many for a queue message

    def _ties(self, count: int) -> None:
        self._add("tie", self.vendor.tie(self.world, count=count))

    def _late(self, now: int) -> None:
        self._add("late", self.vendor.new(self.world, lag=self._lag()))

    def _beyond(self, now: int) -> None:
        ids = self.vendor.late(self.world, age=self._minutes(60, 420))
        self._add("beyond", ids, beyond=not self.vendor.reads_all)

    def _changing(self, now: int) -> None:
        if self.vendor.severities:
            severity = self.chance.choice(self.vendor.severities[:3])
            [name] = self.vendor.new(self.world, fields={"severity": severity, **self.vendor.active})
            self._change(now, Alert(name, [(severity, False)]))

    def _change(self, now: int, alert: Alert) -> None:
        assert self.vendor.change is not None
        self.happened["changing"] = self.happened.get("changing", 0) + 1
        for after, change in self._changes(now, alert):
            lag = self.chance.choice((timedelta(), self._lag()))
            self.vendor.change(self.world, alert.id, fields=change, after=after, lag=lag)
        self.alerts.append(alert)

    def _changes(self, now: int, alert: Alert) -> list[tuple[timedelta, dict[str, Any]]]:
        """Changes of an alert, each with its time from now, and the views that they make."""
        assert alert.views is not None
        found: list[tuple[timedelta, dict[str, Any]]] = []
        after = APART + self._minutes(0, 60)
        while timedelta(minutes=now) + after < timedelta(minutes=self.minutes) and len(found) < 6:
            severity, is_closed = alert.views[-1]
            kind = self.chance.choice(("severity", "closed", "churn"))
            if kind == "severity":
                severity = self.chance.choice(self.vendor.severities)
                change: dict[str, Any] = {"severity": severity}
            elif kind == "closed":
                is_closed = not is_closed
                change = dict(self.vendor.closed if is_closed else self.vendor.reopened)
            else:
                change = {"description": f"Seen again, {len(found)}."}
            alert.views.append((severity, is_closed))
            found.append((after, change))
            after += APART + self._minutes(0, 60)
        return found

    def _event(self, now: int) -> None:
        """A webhook: at once in one or several dialects, again later, and in the list after some minutes."""
        if not self.vendor.has_webhook:
            return
        fields = {"severity": self.chance.choice(self.vendor.severities[:3]), "status": "Active"}
        [name] = scenarios.add_cloud_alerts(self.world, fields=fields, lag=self._minutes(0, 10))
        bodies = [scenarios.webhook_body(self.world, dialect=dialect, name=name) for dialect in _DIALECTS]
        self.webhooks.append((now, self.chance.choice(bodies)))
        for _ in range(self.chance.randint(0, 4)):
            self.webhooks.append((now, self.chance.choice(bodies)))
        for _ in range(self.chance.randint(0, 3)):
            self.webhooks.append((now + self.chance.randint(1, 600), self.chance.choice(bodies)))
        self._change(now, Alert(name, [(fields["severity"], False)]))

    def _trouble(self, now: int) -> None:
        match = self.chance.choice((self.vendor.path, "/push", f"/{sample.TENANT_ID}"))
        kind = self.chance.choice(("429", "500", "503", "drop", *(("garbage",) if match != "/push" else ())))
        after = self.chance.choice((None, 1, 30, 300)) if kind in ("429", "503") else None
        fault = Fault(
            match, kind, times=self.chance.randint(1, 2), skip=self.chance.randint(0, 2), retry_after=after
        )
        with self.world.lock:
            self.world.faults.append(fault)
