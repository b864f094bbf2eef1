"""What travels on the queues. Each is small JSON; what is larger than a queue takes goes by claim check
(store/mailbox.py)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, Instant, RawAlert
from shared.nouns.inventory import InventoryKind
from shared.nouns.ledger import Sweep
from shared.nouns.notifications import Notification


def new_batch() -> str:
    """A name for a batch of work. It travels with the message and stays the same however often that is
    delivered."""
    return uuid4().hex


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PollDue(_Message):
    """Queue `polls`: this configuration is due. `ticket` must still be the configuration's when the poll
    begins."""

    configuration_id: str
    ticket: str


class InventoryDue(_Message):
    """Queue `inventory`: one kind of inventory of this configuration is due. `ticket` must still be its own
    when the reading begins."""

    configuration_id: str
    kind: InventoryKind
    ticket: str


class RawAlerts(_Message):
    """Queue `raw-alerts`: alerts of one configuration, as the vendor wrote them. `resume` is set when a
    quarantined batch is replayed: its records are looked at as after a crash. `scope`: the tenant they were
    read from, should the configuration be given another one on the way. `late`: the ledger's `sweep` has
    found that they were missing."""

    batch: str = Field(default_factory=new_batch)
    configuration_id: str
    channel: Channel
    alerts: tuple[RawAlert, ...]
    resume: bool = False
    scope: str | None = None
    late: bool = False
    sweep: str | None = None

    @classmethod
    def of(
        cls, configuration: Configuration, alerts: Sequence[RawAlert], *, by: Channel = Channel.poll
    ) -> RawAlerts:
        """Alerts that were read through a configuration, or that its webhook brought, just now."""
        return cls(
            configuration_id=configuration.id, channel=by, alerts=tuple(alerts), scope=configuration.scope
        )


class SweepDue(_Message):
    """Queue `sweeps`: compare this configuration with its vendor. `ticket` must still be the configuration's
    when the sweep begins. One that goes on carries the `sweep` so far, the time `since` which to go on, and
    short hashes of what has `been` compared; `waited` counts how often it has waited."""

    configuration_id: str
    ticket: str
    sweep: Sweep | None = None
    since: Instant | None = None
    been: tuple[str, ...] = ()
    waited: int = 0


class Announcements(_Message):
    """Queue `notifications`: things to say. `only` limits a retry to the installations that are still owed
    it; `attempt` counts retries."""

    batch: str = Field(default_factory=new_batch)
    notifications: tuple[Notification, ...]
    only: tuple[str, ...] | None = None
    attempt: int = 0
