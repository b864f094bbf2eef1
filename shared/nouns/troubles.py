"""What keeps the product from seeing, as a value: a source that has gone silent, a credential that ends, a
timer that is late. Silence is an alert: each is told to the admins once, and once when it is over.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.detections import Instant, Severity, Status
from shared.nouns.notifications import Audience, Notification, Reason


class TroubleKind(StrEnum):
    """What sort of trouble it is. Of each kind there is at most one for a subject."""

    silent_source = "silent_source"
    sign_in = "sign_in"
    secret_expiry = "secret_expiry"
    next_secret = "next_secret"
    silent_webhook = "silent_webhook"
    late_timer = "late_timer"
    poison_queue = "poison_queue"
    quarantine = "quarantine"
    lost_alerts = "lost_alerts"
    blind_ledger = "blind_ledger"
    collector = "collector"


_REASONS = {
    TroubleKind.sign_in: Reason.sign_in_again,
    TroubleKind.secret_expiry: Reason.expiring,
    TroubleKind.next_secret: Reason.expiring,
}


class Trouble(BaseModel):
    """One trouble. `subject` is what has it (a configuration's id, a queue's or timer's name), `title` one
    line that names it, `text` says what is wrong and what to do; neither holds a secret, a token or a full
    address. `level` is how much it matters, `since` when it began. A trouble that gets worse (a secret that
    ends in 7 days, then in 1) is told again when its `stage` has risen."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: TroubleKind
    subject: str = Field(min_length=1)
    title: str = Field(min_length=1)
    text: str = Field(min_length=1)
    since: Instant
    level: Severity = Severity.high
    stage: int = 0

    @property
    def key(self) -> str:
        """Which trouble this is."""
        return f"{self.kind}:{self.subject}"


class OpenTrouble(BaseModel):
    """A trouble as it is kept. `opened` is when it was found, `told` the stage that has been told (-1: none
    yet), `over` when it was found to be over; what is over is told once more, then forgotten."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    trouble: Trouble
    opened: Instant
    told: int = -1
    over: Instant | None = None
    etag: str = ""

    @property
    def notification(self) -> Notification:
        """What is to be said of it now. Its id is the same whoever says it, so that it is said once."""
        trouble = self.trouble
        said = "over" if self.over else str(trouble.stage)
        return Notification(
            id=f"trouble-{_digest(trouble.key)}.{self.opened}.{said}",
            detection_id="",
            reason=Reason.restored if self.over else _REASONS.get(trouble.kind, Reason.blind),
            title=trouble.title[:200],
            text=None if self.over else trouble.text[:600],
            severity=Severity.informational if self.over else trouble.level,
            status=Status.resolved if self.over else Status.active,
            vendor="pocketsoc",
            created=self.over or trouble.since,
            audience=Audience.admins,
            trouble=trouble.key,
        )


def _digest(key: str) -> str:
    """A push shows the id at every level of privacy: it must not say whose trouble this is."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]
