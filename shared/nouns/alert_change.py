"""What an analyst wants changed on an alert, at its vendor. A pure value."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.detections import Status


class AlertChange(BaseModel):
    """Fields that are None stay as they are; `assigned_to` empty takes the assignment away. Classification
    and determination are the vendor's words, in Endpoint's or Graph's spelling. `comment` is added."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    status: Status | None = None
    assigned_to: str | None = Field(default=None, max_length=320)
    classification: str | None = Field(default=None, min_length=1, max_length=60)
    determination: str | None = Field(default=None, min_length=1, max_length=60)
    comment: str | None = Field(default=None, min_length=1, max_length=3000)
