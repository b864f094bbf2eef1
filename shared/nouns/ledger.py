"""The ledger as values: what a sweep of one configuration expected, and what it found. Pure.

Every alert that the vendor has for the span is in exactly one place: `expected == stored + recovered +
missing + filtered + quarantined`.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.detections import Instant

KEPT = 200  # sweeps of a configuration: a week and more


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Span(StrEnum):
    """How far a sweep looks back: every hour a day, every day a week."""

    day = "day"
    week = "week"

    @property
    def length(self) -> timedelta:
        """As a time."""
        return timedelta(days=7 if self is Span.week else 1)


class Counts(_Value):
    """What a sweep has compared so far. `oldest_gap` is when the oldest alert was made that was not
    stored."""

    expected: int = 0
    filtered: int = 0
    quarantined: int = 0
    oldest_gap: Instant | None = None

    def plus(self, expected: int, filtered: int, quarantined: int, gap: Instant | None) -> Counts:
        """With some more."""
        gaps = [one for one in (self.oldest_gap, gap) if one]
        return Counts(
            expected=self.expected + expected,
            filtered=self.filtered + filtered,
            quarantined=self.quarantined + quarantined,
            oldest_gap=min(gaps, default=None),
        )


class Sweep(_Value):
    """One sweep. It compared alerts made from `since` to `until`; what is younger is the polls' business.

    `queued` is how many alerts that were not stored each batch took to ingest; `recovered_by` how many of
    them were new when that had done its work: a poll or a webhook may have been faster. `trouble` says why
    the sweep did not come to its end.
    """

    id: str
    span: Span
    since: Instant
    until: Instant
    begun: Instant
    ended: Instant | None = None
    counts: Counts = Counts()
    queued: dict[str, int] = Field(default_factory=dict)
    recovered_by: dict[str, int] = Field(default_factory=dict)
    trouble: str | None = None

    @property
    def recovered(self) -> int:
        """How many alerts would be missing without it."""
        return sum(self.recovered_by.values())

    @property
    def missing(self) -> int:
        """How many are on their way."""
        return sum(count for batch, count in self.queued.items() if batch not in self.recovered_by)

    @property
    def stored(self) -> int:
        """How many were there."""
        counts = self.counts
        return counts.expected - counts.filtered - counts.quarantined - self.recovered - self.missing

    @property
    def complete(self) -> bool:
        """Whether it compared all that it was to compare."""
        return self.ended is not None and self.trouble is None


class Book(_Value):
    """A configuration's sweeps, the newest first. `ticket` names the one that is queued or running, good
    until `ticket_until`; `complete` and `complete_week` are when the last one (over a week) began that came
    to its end."""

    configuration_id: str
    ticket: str | None = None
    ticket_until: Instant | None = None
    complete: Instant | None = None
    complete_week: Instant | None = None
    sweeps: tuple[Sweep, ...] = ()
    etag: str = ""

    @property
    def newest(self) -> Sweep | None:
        """The newest that has ended, well or not."""
        return next((one for one in self.sweeps if one.ended), None)

    def with_sweep(self, sweep: Sweep) -> Book:
        """With a new sweep, or with one that has gone on; what its batches have recovered meanwhile stays."""
        known = next((one for one in self.sweeps if one.id == sweep.id), None)
        if known is not None:
            # What it had queued when it died is not kept: it was stored, or it has been queued again.
            recovered_by = sweep.recovered_by | known.recovered_by
            sweep = sweep.model_copy(update={"recovered_by": recovered_by})
        others = tuple(one for one in self.sweeps if one.id != sweep.id)
        update: dict[str, object] = {"sweeps": (sweep, *others)[:KEPT]}
        if sweep.complete:
            update["complete"] = sweep.begun
            if sweep.span is Span.week:
                update["complete_week"] = sweep.begun
        return self.model_copy(update=update)
