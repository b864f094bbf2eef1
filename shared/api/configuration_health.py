"""How a vendor configuration is doing, in the words an operator needs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from shared.nouns.configurations import Configuration, PollState
from shared.nouns.detections import Instant, moment_of


class Condition(StrEnum):
    """In one word: switched off, never read yet, reading, or failing."""

    off = "off"
    waiting = "waiting"
    reading = "reading"
    failing = "failing"


class Health(BaseModel):
    """How a configuration is doing. Counts are since it was made."""

    condition: Condition
    last_attempt: Instant | None = None
    last_success: Instant | None = None
    last_error: str | None = Field(None, description="What is wrong and what to do; null while all is well.")
    failing_since: Instant | None = None
    failures: int = Field(0, description="Failed polls in a row.")
    lag_seconds: float | None = Field(
        None, description="Seconds since which the vendor's alerts are not read; null if never."
    )
    next_due: Instant | None = None
    alerts_read: int = 0
    alerts_queued: int = 0
    alerts_filtered: int = Field(0, description="Different alerts that the filters kept out, by any way.")


def health_of(configuration: Configuration, state: PollState, now: datetime) -> Health:
    """The configuration's health at `now`."""
    return Health(
        condition=_condition(configuration, state),
        last_attempt=state.last_attempt,
        last_success=state.last_success,
        last_error=state.last_error,
        failing_since=state.failing_since,
        failures=state.failures,
        lag_seconds=_lag(state, now),
        next_due=state.next_due,
        alerts_read=state.alerts_read,
        alerts_queued=state.alerts_queued,
        alerts_filtered=state.alerts_filtered,
    )


def _condition(configuration: Configuration, state: PollState) -> Condition:
    if not configuration.enabled:
        return Condition.off
    if state.failing_since is not None:
        return Condition.failing
    return Condition.waiting if state.last_success is None else Condition.reading


def _lag(state: PollState, now: datetime) -> float | None:
    if state.read_until is None:
        return None
    return max(0.0, round((now - moment_of(state.read_until)).total_seconds(), 1))
