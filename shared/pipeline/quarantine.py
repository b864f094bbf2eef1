"""The end of the line: what kept failing is kept whole, with its queue and the reason, and can be sent on
its way again."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

from shared.errors import BadRequest, Conflict, NotFound, Unreadable
from shared.nouns.detections import Channel, RawAlert
from shared.pipeline.incidents import IncidentReader
from shared.pipeline.messages import Announcements, InventoryDue, PollDue, RawAlerts, SweepDue
from shared.store.mailbox import Mailbox
from shared.store.quarantine import Kind, Quarantine, Quarantined
from shared.store.stores import Queue

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quarantiner:
    """Takes poison messages in and lets quarantined things out."""

    quarantine: Quarantine
    mailbox: Mailbox
    incidents: IncidentReader | None = None

    def take(self, queue: str, body: str) -> str:
        """Keep a message that failed on `queue` too often; gives its id in quarantine. What it left in a
        blob stays there, so that the same message taken twice is the same."""
        reason = f"Failed again and again on queue {queue}; the log of its function says why."
        try:
            content = self.mailbox.open(body)
        except Unreadable as error:
            content, reason = body, f"A message of queue {queue} has lost its content: {error}"
        return self.quarantine.put(Kind.message, content.encode(), reason=reason, source=queue)

    def replay(self, id: str) -> None:
        """Send it on its way again and take it out, unless it comes back at once. Raises NotFound, or
        BadRequest for what can not be replayed."""
        version = self.quarantine.hand_out(id)
        kept = self.quarantine.get(id)
        if kept is None:
            raise NotFound("There is nothing in quarantine under that id.")
        content = self.quarantine.content(id).decode("utf-8", "replace")
        try:
            self._send(kept, content)
        except ValueError as error:
            raise BadRequest("This cannot be replayed: it is no message of ours.") from error
        try:
            self.quarantine.remove(id, version=version)
        except Conflict:
            _log.info("what was replayed from quarantine is there again")

    def _send(self, kept: Quarantined, content: str) -> None:
        source = kept.source
        if kept.kind is Kind.incident:
            if self.incidents is not None:
                self.incidents.replay(source, json.loads(content), kept.received)
            return
        if kept.kind is not Kind.message:
            event = kept.kind is Kind.event
            # As old as it was: what has come since must not be undone by it.
            raw = RawAlert(body=content if event else json.loads(content), received=kept.received)
            channel = Channel.webhook if event else Channel.poll
            self.mailbox.send(
                Queue.raw_alerts, RawAlerts(configuration_id=source, channel=channel, alerts=(raw,))
            )
        elif source in (Queue.raw_alerts, Queue.raw_alerts_backlog):
            batch = RawAlerts.model_validate_json(content)
            self.mailbox.send(source, batch.model_copy(update={"resume": True}))
        elif source in (Queue.notifications, Queue.notifications_backlog):
            self.mailbox.send(source, Announcements.model_validate_json(content))
        elif source == Queue.sweeps:
            self.mailbox.send(Queue.sweeps, SweepDue.model_validate_json(content))
        elif source == Queue.inventory:
            self.mailbox.send(Queue.inventory, InventoryDue.model_validate_json(content))
        else:
            self.mailbox.send(Queue.polls, PollDue.model_validate_json(content))
