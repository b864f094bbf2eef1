"""What comes without being polled for: the webhook's events, and what a vendor answers to a change.

Queue it as it came. Understanding it happens later, so that a sender never waits and nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from shared.errors import PocketSOCError
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, RawAlert, instant_of
from shared.pipeline.known_configurations import KnownConfigurations
from shared.pipeline.messages import RawAlerts
from shared.pipeline.reading import storable
from shared.store.mailbox import Mailbox
from shared.store.stores import Queue


@dataclass(frozen=True)
class Answer:
    """What the sender gets: 202 with no body and no Location (a Location would make a Logic App poll it),
    or a problem (RFC 9457)."""

    status: int
    title: str = ""
    detail: str = ""
    retry_after: int | None = None

    def body(self, correlation_id: str) -> str:
        """The problem as JSON; empty for 202."""
        if self.status < 400:
            return ""
        problem = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        return json.dumps({**problem, "correlation_id": correlation_id})


@dataclass(frozen=True)
class Receiver:
    """Takes webhook calls (the host has checked the function key before), and answers to changes."""

    configurations: KnownConfigurations
    mailbox: Mailbox
    clock: Callable[[], datetime]
    max_bytes: int

    def receive(self, configuration_id: str, vendor_slug: str, body: bytes) -> Answer:
        """Queue the body. 413 over the limit, 400 for what is not JSON, 404 for a configuration that is not
        there, 503 when storage is away."""
        if len(body) > self.max_bytes:
            limit = f"{len(body)} bytes; at most {self.max_bytes} are taken (POCKETSOC_WEBHOOK_MAX_BYTES)."
            return Answer(413, "Content Too Large", limit)
        try:
            text = body.decode("utf-8-sig")
            json.loads(text)
        except (ValueError, RecursionError):
            return Answer(
                400, "Bad Request", "The body is not JSON. Forward the alert exactly as the trigger gives it."
            )
        try:
            configuration = self.configurations.get(configuration_id)
            if configuration is None or configuration.vendor != vendor_slug or not configuration.enabled:
                unknown = "There is no such enabled configuration. Copy its webhook URL anew."
                return Answer(404, "Not Found", unknown)
            # An event is usually the first that is heard of its alert: the insert is tried before the read.
            raw = RawAlert(body=text, received=instant_of(self.clock()), known_new=True)
            message = RawAlerts.of(configuration, [raw], by=Channel.webhook)
            self.mailbox.send(Queue.raw_alerts, message)
        except PocketSOCError:
            return Answer(
                503, "Service Unavailable", "The event could not be stored just now; send it again.", 10
            )
        return Answer(202)

    def answered(self, configuration: Configuration, raw: Any) -> None:
        """Queue an alert as the vendor gave it after a change, as if a poll had read it. Raises TryLater when
        storage is away."""
        alert = RawAlert(body=storable(raw), received=instant_of(self.clock()))
        self.mailbox.send(Queue.raw_alerts, RawAlerts.of(configuration, [alert]))


def correlation_id() -> str:
    """A name under which a call can be found in the log."""
    return uuid4().hex
