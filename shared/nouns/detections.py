"""What a vendor's alert says once it is normalised. Pure values.

Times are `Instant`s: text such as `2026-11-20T10:15:30.1234567Z`, always UTC, always seven fractional
digits, so that they compare as text exactly as precisely as the vendor wrote them (Python's datetime keeps
only six digits).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Instant = str

_INSTANT = re.compile(
    r"^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?)?\s*(Z|[+-]\d\d:?\d\d)?$",
    re.IGNORECASE | re.ASCII,
)


def instant(value: object) -> Instant | None:
    """Normalise a vendor's time (0-7 or more fractional digits, `Z`, an offset or none = UTC); None if it
    is no time."""
    match = _INSTANT.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    text = f"{day}T{clock or '00:00:00'}"
    try:
        moment = datetime.fromisoformat(text + "+00:00")
        if zone and zone.upper() != "Z":
            moment = datetime.fromisoformat(text + (zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"))
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return f"{moment.isoformat()[:19]}.{(fraction or '')[:7]:0<7}Z"


def instant_of(moment: datetime) -> Instant:
    """An aware datetime as an Instant."""
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:26]}0Z"


def moment_of(when: Instant) -> datetime:
    """An Instant as an aware datetime; the seventh digit is cut, never rounded."""
    return datetime.fromisoformat(when[:26] + "+00:00")


def earlier(when: Instant, by: timedelta) -> Instant:
    """`when - by`, keeping the seventh digit."""
    return instant_of(moment_of(when) - by)[:-2] + when[-2:]


class Severity(StrEnum):
    """How bad; `unknown` for anything not recognised, never silently `low`."""

    unknown = "unknown"
    informational = "informational"
    low = "low"
    medium = "medium"
    high = "high"
    critical = "critical"

    @property
    def rank(self) -> int:
        """0 (unknown) to 5 (critical)."""
        return list(Severity).index(self)


class Status(StrEnum):
    """Where the work stands. An unrecognised vendor status is `active`: it must be looked at."""

    active = "active"
    in_progress = "in_progress"
    dismissed = "dismissed"
    resolved = "resolved"

    @property
    def closed(self) -> bool:
        """True for dismissed and resolved."""
        return self in (Status.dismissed, Status.resolved)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class AssetKind(StrEnum):
    """What is attacked. A phone with the app is an installation, never an asset."""

    machine = "machine"
    user = "user"
    mailbox = "mailbox"
    cloud_resource = "cloud_resource"


class Asset(_Value):
    """The machine, user, mailbox or cloud resource concerned. `id` is the vendor's own (machine id, UPN or
    SID, ARM id)."""

    kind: AssetKind
    name: str
    id: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class Evidence(_Value):
    """One entity that belongs to the alert. `kind` is lower case (`process`, `file`, `user`, `ip`, `url`,
    `registry`, ... or the vendor's own word, kept); `summary` is one readable line; `details` keeps every
    field the vendor filled."""

    kind: str
    summary: str
    details: dict[str, Any] = Field(default_factory=dict)


class Comment(_Value):
    """What an analyst wrote at the vendor."""

    text: str
    author: str | None = None
    created: Instant | None = None


class Detection(_Value):
    """One vendor alert, normalised. Built only by a vendor's `to_detection`; every field but the first two
    may be missing.

    `updated` is when the vendor says this view was made; None if it does not say, and then the time of
    reading counts. `other_ids` are further names of the same alert (a provider's id, an id in a link), as
    the vendor writes them; `namespace` keeps a native id apart that no other product knows. Both feed
    `identity.aliases`. `vendor_severity` and `vendor_status` keep the vendor's own words, so that an unknown
    value survives. `properties` keeps what has no field of its own.
    """

    native_id: str = Field(min_length=1)
    namespace: str = ""
    other_ids: tuple[str, ...] = ()
    title: str = Field(min_length=1)
    description: str = ""
    severity: Severity = Severity.unknown
    status: Status = Status.active
    vendor_severity: str | None = None
    vendor_status: str | None = None
    created: Instant | None = None
    updated: Instant | None = None
    first_activity: Instant | None = None
    last_activity: Instant | None = None
    resolved: Instant | None = None
    product: str | None = None
    categories: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    assets: tuple[Asset, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    comments: tuple[Comment, ...] = ()
    remediation_steps: tuple[str, ...] = ()
    source_link: str | None = None
    incident_id: str | None = None
    assigned_to: str | None = None
    classification: str | None = None
    determination: str | None = None
    properties: dict[str, Any] = Field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Equal exactly when nothing that we keep has changed; 16 hex digits."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @property
    def main_asset(self) -> str | None:
        """The name to show on the card: the first asset."""
        return self.assets[0].name if self.assets else None


class Channel(StrEnum):
    """How a raw alert reached us."""

    poll = "poll"
    webhook = "webhook"


class RawAlert(_Value):
    """The vendor's JSON, untouched, with the time we received it. `known_new`: its id is expected not to be
    stored yet, so that the store may try the insert first (a hint only; a wrong one costs a read, never a
    duplicate)."""

    body: Any
    received: Instant
    known_new: bool = False


def unique(values: Iterable[str | None]) -> tuple[str, ...]:
    """The values in order, without repetitions, empties and surrounding space."""
    return tuple(dict.fromkeys(v.strip() for v in values if v and v.strip()))
