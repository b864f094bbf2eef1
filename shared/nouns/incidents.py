"""An incident: what a vendor holds together as one case. Detections belong to it; it is a thing of its own.
Pure values."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.detections import Comment, Instant, Severity, Status, unique


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


class IncidentView(BaseModel):
    """What one configuration last said of an incident. `received` is when we read it; it counts as the
    view's time where the vendor names none."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    configuration_id: str
    vendor: str
    incident: Incident
    received: Instant

    @property
    def age(self) -> tuple[Instant, Instant, str]:
        """What decides which view is newer; of two views of one moment it is always the same one."""
        return (self.incident.updated or self.received, self.received, self.fingerprint)

    @property
    def fingerprint(self) -> str:
        """Equal exactly when nothing that we keep has changed; 16 hex digits."""
        return hashlib.sha256(self.incident.model_dump_json().encode()).hexdigest()[:16]


class KnownIncident(BaseModel):
    """What is stored and shown: one incident with the view of each configuration that knows it. `key` is
    its name within the tenant and never changes; `changed` is when we last learned something new."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    scope: str
    key: str
    views: tuple[IncidentView, ...]
    first_seen: Instant
    changed: Instant

    @property
    def id(self) -> str:
        """Its name in addresses and links."""
        return f"{self.key}~{self.scope}"

    @property
    def newest(self) -> IncidentView:
        """The view that gives the content."""
        return max(self.views, key=lambda view: view.age)

    @property
    def shown(self) -> Incident:
        """The newest view, so that an older copy undoes nothing, with what only others know: Sentinel's copy
        has no description, and not every view names every alert or says where the incident went."""
        newest, views = self.newest.incident, [view.incident for view in self.views]
        return newest.model_copy(
            update={
                "number": newest.number or _first(view.number for view in views),
                "description": newest.description
                or next((v.description for v in views if v.description), ""),
                "alert_ids": self.alert_ids,
                "merged_into": self.merged_into,
            }
        )

    @property
    def alert_ids(self) -> tuple[str, ...]:
        """Native ids of its alerts, as far as any view names them."""
        newest_first = sorted(self.views, key=lambda view: view.age, reverse=True)
        return unique(id for view in newest_first for id in view.incident.alert_ids)

    @property
    def merged_into(self) -> str | None:
        """The number of the incident that it was merged into, if any view says so."""
        return _first(view.incident.merged_into for view in self.views)

    def with_view(self, view: IncidentView, now: Instant) -> KnownIncident:
        """This incident after one more view of it; self when that says nothing new of its source."""
        before = next((v for v in self.views if v.configuration_id == view.configuration_id), None)
        if before is not None and (before.fingerprint == view.fingerprint or before.age > view.age):
            return self
        views = {v.configuration_id: v for v in (*self.views, view)}
        return self.model_copy(update={"views": tuple(views[one] for one in sorted(views)), "changed": now})


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)


_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,79}")


def incident_key(vendor: str, incident: Incident) -> str:
    """Its name within a tenant: the number in Defender XDR, on which products agree, else the vendor's own
    id."""
    if incident.number and _PLAIN.fullmatch(incident.number):
        return f"xdr-{incident.number}"
    return own_key(vendor, incident)


def own_key(vendor: str, incident: Incident) -> str:
    """The name that only this vendor's view of it has."""
    own = incident.native_id.lower()
    if not _PLAIN.fullmatch(own):
        own = hashlib.sha256(incident.native_id.encode("utf-8", "replace")).hexdigest()[:32]
    return f"{vendor.replace('_', '-')}-{own}"


def split_id(id: str) -> tuple[str, str] | None:
    """Scope and key of an incident's id; None for what is no such id."""
    key, mark, scope = id.partition("~")
    return (scope, key) if key and mark and scope else None
