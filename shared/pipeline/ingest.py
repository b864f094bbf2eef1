"""Turn a batch of raw alerts into cards, and queue the announcements that this batch owns.

Webhook bodies are taken apart first: alerts become detections, posture events are kept aside as what they
are, the rest goes to quarantine.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import Unreadable
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, Detection, RawAlert
from shared.nouns.identity import aliases
from shared.nouns.notifications import Notification
from shared.pipeline.known_configurations import KnownConfigurations
from shared.pipeline.messages import Announcements, RawAlerts
from shared.pipeline.reading import as_bytes, read_alert, storable
from shared.store.detections import Detections, Recorded, Source
from shared.store.filtered import Filtered
from shared.store.ledger import Ledger
from shared.store.mailbox import ContentGone, Mailbox
from shared.store.posture import Posture
from shared.store.quarantine import Kind, Quarantine
from shared.store.stores import Queue
from shared.vendors.vendor import Vendor, WebhookVendor

_ANNOUNCEMENTS_A_MESSAGE = 100
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ingester:
    """Ingests batches."""

    configurations: KnownConfigurations
    detections: Detections
    posture: Posture
    quarantine: Quarantine
    filtered: Filtered
    ledger: Ledger
    mailbox: Mailbox
    vendors: Mapping[str, Vendor]

    def ingest(self, body: str, *, redelivered: bool, queue: str = Queue.raw_alerts) -> Recorded:
        """Handle one message of the queue. `redelivered`: it was delivered before, and may have been
        interrupted anywhere. Raises ValueError or Unreadable for what is not a message of ours, TryLater when
        storage is away: then it comes again, and in the end goes to the poison queue."""
        try:
            content = self.mailbox.open(body)
        except ContentGone:
            if redelivered:  # its content is deleted only after the work is done
                _log.info("a redelivered batch was finished before")
            else:
                _log.error("a batch came without its content")
                self.mailbox.give_up(queue, body)
            return Recorded()
        message = RawAlerts.model_validate_json(content)
        configuration = self.configurations.get(message.configuration_id)
        if configuration is None:
            self._set_aside(message, queue)
            self.mailbox.discard(body)
            return Recorded()
        entries = [e for raw in message.alerts for e in self._entries(configuration, message, raw)]
        if message.channel is Channel.webhook:  # what was polled has been through the filters
            entries = self._wanted(configuration, entries)
        source = Source(
            configuration,
            message.channel,
            message.batch,
            resume=redelivered or message.resume,
            read_in=message.scope,
            late=message.late,
        )
        recorded = self.detections.record(source, entries) if entries else Recorded()
        self._announce(configuration, recorded, queue)
        if message.sweep:
            new = sum(c.announced.number == 1 and c.announced.by == message.batch for c in recorded.owned)
            self.ledger.note_recovered(configuration.id, message.sweep, message.batch, new)
        self.mailbox.discard(body)
        return recorded

    def _entries(
        self, configuration: Configuration, message: RawAlerts, raw: RawAlert
    ) -> list[tuple[Detection, RawAlert]]:
        vendor = self.vendors[configuration.vendor]
        webhook = message.channel is Channel.webhook
        bodies = self._take_apart(configuration, raw, vendor) if webhook else [raw.body]
        entries = []
        for body in bodies:
            try:
                # A webhook's body may hold JSON as text, which only now came to light.
                body = storable(body) if webhook else body
                detection = read_alert(vendor, body, message.channel, configuration.cloud)
                entries.append((detection, raw.model_copy(update={"body": body}) if webhook else raw))
            except Unreadable as error:
                self.quarantine.put(Kind.alert, as_bytes(body), reason=str(error), source=configuration.id)
        return entries

    def _wanted(
        self, configuration: Configuration, entries: list[tuple[Detection, RawAlert]]
    ) -> list[tuple[Detection, RawAlert]]:
        """Without the alerts that the filters keep out: those not wanted and not known."""
        wants = configuration.filters.wants
        doubtful = {aliases(d)[0]: d.created or raw.received for d, raw in entries if not wants(d)}
        if not doubtful:
            return entries
        known = self.detections.known(configuration.scope, doubtful)
        out = {name: made for name, made in doubtful.items() if name not in known}
        if out:
            self.filtered.note(configuration.id, out.items())
        return [(d, raw) for d, raw in entries if wants(d) or aliases(d)[0] not in out]

    def _take_apart(self, configuration: Configuration, raw: RawAlert, vendor: Vendor) -> list[Any]:
        """The alerts in a webhook body; everything else in it is kept where it belongs."""
        if not isinstance(vendor, WebhookVendor):
            self._quarantine_event(configuration, raw.body, "This vendor has no webhook.")
            return []
        try:
            body = storable(json.loads(raw.body) if isinstance(raw.body, str) else raw.body)
        except (Unreadable, RecursionError) as error:
            self._quarantine_event(configuration, raw.body, str(error))
            return []
        alerts = []
        for item in vendor.read_webhook(body):
            if item.kind == "alert":
                alerts.append(item.body)
            elif item.kind == "unknown":
                reason = "The webhook brought JSON that is no known kind of event."
                self._quarantine_event(configuration, item.body, reason)
            else:
                self.posture.keep(
                    configuration.id,
                    kind=item.kind,
                    id=item.id,
                    name=item.name,
                    action=item.action,
                    body=item.body,
                    received=raw.received,
                )
        return alerts

    def _quarantine_event(self, configuration: Configuration, body: Any, reason: str) -> None:
        self.quarantine.put(Kind.event, as_bytes(body), reason=reason, source=configuration.id)

    def _announce(self, configuration: Configuration, recorded: Recorded, queue: str) -> None:
        backlog = queue == Queue.raw_alerts_backlog
        to = Queue.notifications_backlog if backlog else Queue.notifications
        said = [Notification.of(card, source=configuration.display_name) for card in recorded.owned]
        for start in range(0, len(said), _ANNOUNCEMENTS_A_MESSAGE):
            chunk = tuple(said[start : start + _ANNOUNCEMENTS_A_MESSAGE])
            self.mailbox.send(to, Announcements(notifications=chunk))

    def _set_aside(self, message: RawAlerts, queue: str) -> None:
        self.quarantine.put(
            Kind.message,
            message.model_dump_json().encode(),
            reason="Its configuration was removed before these alerts were stored.",
            source=queue,
        )
