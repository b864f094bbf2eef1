"""What a push service is to us: something that takes one notification for one installation and says what
became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from shared.nouns.notifications import Installation, Notification, Outcome, Transport


@dataclass(frozen=True)
class Delivery:
    """What became of one attempt. `reason` is for the operator, free of tokens, endpoints and bodies;
    `retry_after` in seconds."""

    outcome: Outcome
    reason: str = ""
    retry_after: float | None = None


class PushTransport(Protocol):
    """One push service. Thread-safe; clients are made on first use and reused."""

    name: ClassVar[Transport]

    def validate(self, registration: dict[str, Any]) -> dict[str, Any]:
        """The registration, checked and reduced to what is needed. Raises BadRequest, or HostNotAllowed for
        an endpoint that is not https or not on the allow-list."""
        ...

    def send(self, notification: Notification, installation: Installation) -> Delivery:
        """Hand over one notification. Never raises for what the service answers: the Delivery says it. A
        repeated send of the same notification replaces the earlier one on the phone (collapse id, topic)."""
        ...

    def public_key(self) -> str | None:
        """What a browser needs to subscribe (VAPID public key, base64url); None where there is no such
        thing."""
        ...
