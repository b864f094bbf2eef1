"""The end of the line: what kept failing is kept whole, with its queue and the reason, and can be sent on
its way again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.detections import Channel, RawAlert, instant_of
from shared.errors import BadRequest, NotFound, Unreadable
from shared.pipeline.messages import Announcements, PollDue, RawAlerts
from shared.store.mailbox import Mailbox
from shared.store.quarantine import Kind, Quarantine
from shared.store.stores import Queue


@dataclass(frozen=True)
class Quarantiner:
    """Takes poison messages in and lets quarantined things out."""

    quarantine: Quarantine
    mailbox: Mailbox
    clock: Callable[[], datetime]

    def take(self, queue: str, body: str) -> str:
        """Keep a message that failed on `queue` too often; gives its id in quarantine."""
        try:
            content = self.mailbox.open(body)
        except Unreadable:
            content = body
        reason = f"Failed again and again on queue {queue}; the log of its function says why."
        id = self.quarantine.put(Kind.message, content.encode(), reason=reason, source=queue)
        self.mailbox.discard(body)
        return id

    def replay(self, id: str) -> None:
        """Send it on its way again and take it out. Raises NotFound, or BadRequest for what can not be
        replayed."""
        kept = self.quarantine.get(id)
        if kept is None:
            raise NotFound("There is nothing in quarantine under that id.")
        content = self.quarantine.content(id).decode()
        try:
            self._send(kept.kind, kept.source, content)
        except ValueError as error:
            raise BadRequest("This cannot be replayed: it is no message of ours.") from error
        self.quarantine.remove(id)

    def _send(self, kind: Kind, source: str, content: str) -> None:
        if kind is not Kind.message:
            channel = Channel.webhook if kind is Kind.event else Channel.poll
            raw = RawAlert(
                body=content if kind is Kind.event else json.loads(content), received=instant_of(self.clock())
            )
            self.mailbox.send(
                Queue.raw_alerts, RawAlerts(configuration_id=source, channel=channel, alerts=(raw,))
            )
        elif source == Queue.raw_alerts:
            batch = RawAlerts.model_validate_json(content)
            self.mailbox.send(Queue.raw_alerts, batch.model_copy(update={"resume": True}))
        elif source == Queue.notifications:
            self.mailbox.send(Queue.notifications, Announcements.model_validate_json(content))
        else:
            self.mailbox.send(Queue.polls, PollDue.model_validate_json(content))
