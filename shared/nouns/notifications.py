"""What is worth saying about a detection, to whom, and how little of it may leave the house. Pure values
and rules."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.cards import Announced, Card
from shared.nouns.detections import Detection, Instant, Severity, Status


class Reason(StrEnum):
    """Why a notification goes out. Update churn and our own write-backs are no reason."""

    first_sight = "first_sight"
    severity_raised = "severity_raised"
    reopened = "reopened"
    test = "test"


class Privacy(StrEnum):
    """How much a push may say, since it crosses a push service and shows on a lock screen."""

    full = "full"
    title = "title"  # type: ignore[assignment]  # shadows str.title, which nobody calls on a privacy level
    none = "none"


def reason_to_announce(before: Card, after: Detection) -> Reason | None:
    """Why the change from the stored card to its new content must be announced; None if it need not be."""
    if before.detection.status.closed and not after.status.closed:
        return Reason.reopened
    if after.severity.rank > before.announced.severity.rank and not after.status.closed:
        return Reason.severity_raised
    return None


def next_announcement(before: Card, after: Detection, *, by: str) -> Announced:
    """The card's new announcement state; unchanged when nothing is to be said."""
    reason = reason_to_announce(before, after)
    if reason is None:
        return before.announced
    return Announced(number=before.announced.number + 1, reason=reason, severity=after.severity, by=by)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Notification(_Value):
    """One thing to say about a detection. `id` is the same for everybody who would say the same thing, so
    that it is said once."""

    id: str
    detection_id: str
    reason: Reason
    title: str
    severity: Severity
    status: Status
    vendor: str
    asset: str | None = None
    source: str | None = None
    created: Instant | None = None

    @classmethod
    def of(cls, card: Card, *, source: str | None = None) -> Notification:
        """The announcement that the card says is the newest. `source` is the configuration's display name."""
        return cls(
            id=f"{card.id}.{card.announced.number}",
            detection_id=card.id,
            reason=Reason(card.announced.reason),
            title=card.detection.title[:200],
            severity=card.detection.severity,
            status=card.detection.status,
            vendor=card.vendor,
            asset=(card.detection.main_asset or "")[:120] or None,
            source=source[:80] if source else None,
            created=card.detection.created,
        )


class Transport(StrEnum):
    """The push services we speak to."""

    webpush = "webpush"
    apns = "apns"


class Installation(_Value):
    """The app on one phone or browser. `registration` is what its push service needs (Web Push: `endpoint`,
    `keys.p256dh`, `keys.auth`; APNs: `token`, optional `topic`); it is stored sealed and never shown."""

    id: str
    owner: str
    name: str
    platform: str = "web"
    transport: Transport
    registration: dict[str, Any] = Field(repr=False)
    privacy: Privacy = Privacy.full
    registered: Instant
    last_delivered: Instant | None = None


class Outcome(StrEnum):
    """What became of a delivery."""

    delivered = "delivered"
    gone = "gone"
    later = "later"
    our_fault = "our_fault"
