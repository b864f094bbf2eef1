"""An entry of the audit: who did what, chained to the entry before it by a hash, so that nothing can be
changed, removed or put in between without that showing. Pure values.

`operate/` computes the same hash from what the API shows, without this code.
"""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.detections import Instant

GENESIS = "0" * 64
"""What the first entry is chained to."""


class AuditEntry(BaseModel):
    """One act. `actor` is the caller's object id, `name` what the token calls them, `subject` what it was
    done to, `details` what is worth knowing, never a secret or a query. `before` is the hash of the entry
    with the number before, `hash` its own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int = Field(ge=1)
    time: Instant
    actor: str
    name: str
    action: str
    subject: str
    details: dict[str, str | int | bool | None] = Field(default_factory=dict)
    before: str = GENESIS
    hash: str = ""

    def sealed(self) -> AuditEntry:
        """The entry with its hash."""
        return self.model_copy(update={"hash": self.digest})

    @property
    def digest(self) -> str:
        """SHA-256 over the entry without its hash, as JSON with sorted keys and no spaces, in UTF-8."""
        text = json.dumps(
            self.model_dump(exclude={"hash"}), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        )
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
