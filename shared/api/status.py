"""Whether anything is being missed: every configuration's health, the queues, the quarantine."""

from __future__ import annotations

import platform

from fastapi import APIRouter
from pydantic import BaseModel, Field

from shared.api import VERSION
from shared.api.caller import Reader
from shared.api.configuration_health import Health, health_of
from shared.api.ledger import SweepOut, sweep_out
from shared.api.parts import ApiParts, Parts
from shared.api.troubles import TroubleOut, open_troubles
from shared.nouns.detections import Instant, instant_of
from shared.nouns.ledger import Book
from shared.store.configurations import Configured
from shared.store.stores import QUEUES

router = APIRouter(tags=["status"])


class ConfigurationStatus(BaseModel):
    """One configuration's health."""

    id: str
    vendor: str
    display_name: str
    health: Health
    ledger: SweepOut | None = Field(description="Its newest sweep; null before the first.")


class QueueStatus(BaseModel):
    """About how many messages wait; `poison`: how many have failed for good and wait for the quarantine."""

    name: str
    waiting: int
    poison: int


class Versions(BaseModel):
    """What is running."""

    product: str
    python: str


class StatusOut(BaseModel):
    """The state of the whole, at `time`."""

    time: Instant
    configurations: list[ConfigurationStatus]
    queues: list[QueueStatus]
    quarantined: int = Field(description="What could not be read or kept failing; nothing of it is lost.")
    troubles: list[TroubleOut] = Field(description="What keeps us from seeing; empty while all is well.")
    versions: Versions


@router.get("/status", operation_id="get_status")
def get_status(caller: Reader, parts: Parts) -> StatusOut:
    """Everything that shows at a glance whether something is being missed."""
    books = parts.ledger.all()
    return StatusOut(
        time=instant_of(parts.now()),
        configurations=[
            _configuration(c, books.get(c.configuration.id), parts) for c in parts.configurations.all()
        ],
        queues=[_queue(name, parts) for name in QUEUES],
        quarantined=parts.quarantine.count(),
        troubles=open_troubles(parts),
        versions=Versions(product=VERSION, python=platform.python_version()),
    )


def _configuration(found: Configured, book: Book | None, parts: ApiParts) -> ConfigurationStatus:
    configuration = found.configuration
    return ConfigurationStatus(
        id=configuration.id,
        vendor=configuration.vendor,
        display_name=configuration.display_name,
        health=health_of(configuration, found.state, parts.now()),
        ledger=sweep_out(book.newest) if book and book.newest else None,
    )


def _queue(name: str, parts: ApiParts) -> QueueStatus:
    # The Functions host moves a message there when it has failed too often.
    return QueueStatus(
        name=name, waiting=parts.queues.depth(name), poison=parts.queues.depth(f"{name}-poison")
    )
