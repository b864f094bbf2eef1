"""Every minute: queue a poll for each configuration that is due, unless one is queued or running already."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import Conflict
from shared.nouns.configurations import Configuration, PollState
from shared.nouns.detections import instant_of
from shared.pipeline.messages import PollDue, new_batch
from shared.store.configurations import Configurations, Configured
from shared.store.mailbox import Mailbox
from shared.store.stores import Queue

TICKET_LIFE = timedelta(minutes=11)  # a poll runs at most as long as a function may (host.json: 10 minutes)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ticker:
    """Hands out tickets. The ticket is stored before the message is sent: a crash in between costs that
    configuration one ticket's life, never two polls at once. `blocked` says which configurations' vendors
    have asked to wait."""

    configurations: Configurations
    mailbox: Mailbox
    clock: Callable[[], datetime]
    blocked: Callable[[], Callable[[Configuration], bool]] = lambda: lambda _: False

    def tick(self) -> int:
        """Queue what is due; gives how many."""
        now = self.clock()
        due = [c for c in self.configurations.all() if is_due(c, now)]
        waits = self.blocked() if due else None
        return sum(self._queue(c, now) for c in due if waits is None or not waits(c.configuration))

    def _queue(self, configured: Configured, now: datetime) -> bool:
        ticket = new_batch()
        state = configured.state.model_copy(
            update={"ticket": ticket, "ticket_until": instant_of(now + TICKET_LIFE)}
        )
        try:
            self.configurations.save_state(state)
        except Conflict:
            _log.info(
                "configuration %s changed while it was being queued; the next tick looks again",
                state.configuration_id,
            )
            return False
        self.mailbox.send(Queue.polls, PollDue(configuration_id=state.configuration_id, ticket=ticket))
        return True


def is_due(configured: Configured, now: datetime) -> bool:
    """Whether a poll should be queued now."""
    state: PollState = configured.state
    waiting = state.ticket is not None and (state.ticket_until or "") > instant_of(now)
    return configured.configuration.enabled and not waiting and (state.next_due or "") <= instant_of(now)
