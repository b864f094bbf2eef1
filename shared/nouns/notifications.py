"""What is worth saying about a detection, or about the product's own troubles, to whom, and how little of it
may leave the house. Pure values and rules."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.cards import Announced, Card
from shared.nouns.detections import Detection, Instant, Severity, Status


class Reason(StrEnum):
    """Why a notification goes out. Update churn and our own write-backs are no reason.

    `late` is a first sight that polling missed and the ledger found. From `blind` on it is about the product
    itself: something is not seen any more, is seen again, ends soon, or needs somebody to sign in.
    """

    first_sight = "first_sight"
    severity_raised = "severity_raised"
    reopened = "reopened"
    late = "late"
    test = "test"
    blind = "blind"
    restored = "restored"
    expiring = "expiring"
    sign_in_again = "sign_in_again"


class Audience(StrEnum):
    """Whom a notification is for."""

    everybody = "everybody"
    admins = "admins"


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
    """One thing to say about a detection or, with `trouble`, about one of the product's own troubles. `id` is
    the same for everybody who would say the same thing, so that it is said once. `text` is what is said
    beside the title; a detection's is made of its fields."""

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
    text: str | None = None
    audience: Audience = Audience.everybody
    trouble: str | None = None

    def concerns(self, installation: Installation) -> bool:
        """Whether it is to be said to the installation."""
        return self.audience is Audience.everybody or installation.admin

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
    `keys.p256dh`, `keys.auth`; APNs: `token`, optional `topic`); it is stored sealed and never shown.
    `admin`: whoever registered it was an Admin then, and is told of the product's troubles."""

    id: str
    owner: str
    name: str
    platform: str = "web"
    transport: Transport
    registration: dict[str, Any] = Field(repr=False)
    privacy: Privacy = Privacy.full
    registered: Instant
    last_delivered: Instant | None = None
    admin: bool = False


class Outcome(StrEnum):
    """What became of a delivery."""

    delivered = "delivered"
    gone = "gone"
    later = "later"
    our_fault = "our_fault"
