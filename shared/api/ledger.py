"""The ledger: for each configuration what its vendor has, what is stored, and what had to be recovered."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from shared.api.caller import Reader
from shared.api.fields import Id
from shared.api.parts import Parts
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Instant, moment_of
from shared.nouns.ledger import Book, Span, Sweep

router = APIRouter(tags=["ledger"])


class SweepOut(BaseModel):
    """One sweep over the alerts that were made from `since` to `until`. `expected` is how many the vendor has
    of them; each is in one of the other counts."""

    span: Span
    since: Instant
    until: Instant
    begun: Instant
    ended: Instant | None
    seconds: float | None
    expected: int
    stored: int
    recovered: int = Field(description="Were missing, and are stored now: announced as late.")
    missing: int = Field(description="Were missing, and are on their way.")
    filtered: int
    quarantined: int
    oldest_gap: Instant | None = Field(description="When the oldest of the missing alerts was made.")
    trouble: str | None = Field(description="Why it did not come to its end; null if it did.")


class BookOut(BaseModel):
    """A configuration's sweeps, the newest first. `complete` and `complete_week` are when the last one (over
    a week) began that came to its end."""

    configuration_id: str
    display_name: str
    complete: Instant | None
    complete_week: Instant | None
    sweeps: list[SweepOut]


class LedgerOut(BaseModel):
    """Every configuration, by name, with its newest sweeps."""

    items: list[BookOut]


@router.get("/ledger", operation_id="get_ledger")
def get_ledger(caller: Reader, parts: Parts) -> LedgerOut:
    """Whether anything is missing: the newest sweeps of every configuration."""
    books = parts.ledger.all()
    every = sorted((c.configuration for c in parts.configurations.all()), key=lambda c: c.display_name)
    return LedgerOut(items=[_book(one, books.get(one.id) or Book(configuration_id=one.id)) for one in every])


@router.get("/ledger/{configuration_id}", operation_id="get_ledger_of_configuration")
def get_ledger_of_configuration(configuration_id: Id, caller: Reader, parts: Parts) -> BookOut:
    """All sweeps of a configuration that are kept: a week and more."""
    return _book(parts.configured(configuration_id).configuration, parts.ledger.book(configuration_id))


def sweep_out(sweep: Sweep) -> SweepOut:
    """A sweep as it may be shown."""
    took = (moment_of(sweep.ended) - moment_of(sweep.begun)).total_seconds() if sweep.ended else None
    return SweepOut(
        **sweep.model_dump(include={"span", "since", "until", "begun", "ended", "trouble"}),
        **sweep.counts.model_dump(),
        seconds=took,
        stored=max(sweep.stored, 0),
        recovered=sweep.recovered,
        missing=sweep.missing,
    )


def _book(configuration: Configuration, book: Book) -> BookOut:
    return BookOut(
        configuration_id=configuration.id,
        display_name=configuration.display_name,
        complete=book.complete,
        complete_week=book.complete_week,
        sweeps=[sweep_out(one) for one in book.sweeps],
    )
