"""An incident: what a vendor holds together as one case. Detections belong to it; it is a thing of its own.
Pure values."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.detections import Comment, Instant, Severity, Status


class Incident(BaseModel):
    """One vendor's view of an incident. Built only by a vendor's `to_incident`.

    `number` is the incident's number in Defender XDR, if it has one: Graph, the XDR API and Sentinel's
    `providerIncidentId` (of XDR incidents) agree on it within a tenant. `alert_ids` are native ids of its
    alerts, as far as this view names them. `merged_into`: the number of the incident that it was merged
    into. `version` is the vendor's ETag, where a change must name it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    native_id: str = Field(min_length=1)
    number: str | None = None
    title: str = Field(min_length=1)
    description: str = ""
    severity: Severity = Severity.unknown
    status: Status = Status.active
    vendor_severity: str | None = None
    vendor_status: str | None = None
    created: Instant | None = None
    updated: Instant | None = None
    alert_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    comments: tuple[Comment, ...] = ()
    assigned_to: str | None = None
    classification: str | None = None
    determination: str | None = None
    source_link: str | None = None
    merged_into: str | None = None
    version: str | None = None
    properties: dict[str, Any] = Field(default_factory=dict)


class IncidentChange(BaseModel):
    """What an analyst wants changed. Fields that are None stay as they are; `assigned_to` empty takes the
    assignment away. Classification and determination are the vendor's own words. `comment` is added."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    status: Status | None = None
    assigned_to: str | None = Field(default=None, max_length=320)
    classification: str | None = Field(default=None, max_length=60)
    determination: str | None = Field(default=None, max_length=60)
    tags: tuple[str, ...] | None = None
    comment: str | None = Field(default=None, min_length=1, max_length=3000)
