"""The alerts of Defender for Cloud Apps: compact records, and the JSON that is made of one when it is asked
for.

Times in the JSON are whole milliseconds since 1970, except `resolveTime`, which is ISO text; strings without
a value are often the four letters "null". Source: "Alerts API" of the product's documentation and payloads
seen in public.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator import ticks
from simulator.shelf import Shelf
from simulator.templates import Template, mould_of

MILLISECOND = ticks.SECOND // 1000
_EPOCH = ticks.parse("1970-01-01T00:00:00Z") or 0

OPEN, DISMISSED, RESOLVED, FALSE_POSITIVE, BENIGN, TRUE_POSITIVE = range(6)
ARCHIVED = 2
_PORTAL = "https://fabrikam-soc.portal.cloudappsecurity.com/#/alerts"


def milliseconds(when: int) -> int:
    """Ticks as milliseconds since 1970, rounded down."""
    return (when - _EPOCH) // MILLISECOND


def ticks_of(milliseconds: int) -> int:
    """Milliseconds since 1970 as ticks."""
    return _EPOCH + milliseconds * MILLISECOND


@dataclass(slots=True, eq=False)
class CloudAppsAlert:
    """One alert. `at` and `resolved` are ticks of whole milliseconds; `fields` holds what differs from the
    template, in the vendor's names."""

    id: str
    number: int
    template: Template
    tenant_id: str
    at: int
    fields: dict[str, Any]
    resolved: int | None = None

    def value(self, name: str) -> Any:
        """A property: what was changed, else what the template says."""
        return self.fields[name] if name in self.fields else self.template.content.get(name)

    @property
    def open(self) -> bool:
        """Whether nobody has closed it."""
        return not self.value("resolutionStatusValue") and self.value("statusValue") != ARCHIVED

    def close(self, verdict: int, when: int, by: str, comment: str | None) -> None:
        """Close it, as one of the resolution statuses. The comment of an earlier closing stays."""
        self.resolved = when - when % MILLISECOND
        self.fields |= {"resolutionStatusValue": verdict, "statusValue": ARCHIVED, "handledByUser": by}
        if comment:
            self.fields["comment"] = comment

    def raw(self) -> dict[str, Any]:
        """The alert's JSON."""
        body = self.template.moved(0) | self.fields
        body |= {"_id": self.id, "timestamp": milliseconds(self.at), "URL": f"{_PORTAL}/{self.id}"}
        if "contextId" in body:
            body["contextId"] = self.tenant_id
        if self.resolved is not None:
            body["resolveTime"] = ticks.text_of(self.resolved)
        return body


def _key(alert: CloudAppsAlert) -> tuple[int, int]:
    return (alert.at, alert.number)


@dataclass
class CloudAppsTenant:
    """What one tenant has: alerts by id and in the order of (date, number)."""

    tenant_id: str
    seed: int = 0
    alerts: Shelf[CloudAppsAlert] = field(default_factory=lambda: Shelf(name=lambda a: a.id, key=_key))
    made: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed} {self.tenant_id}")

    def make(
        self, at: int, *, template: str | None = None, fields: Mapping[str, Any] | None = None
    ) -> CloudAppsAlert:
        """A new alert of this time, rounded down to the millisecond. Not yet visible.

        Templates are taken in turn unless one is named. Raises LookupError for an unknown template.
        """
        mould = mould_of("cloud_apps_alerts", template, self.made)
        self.made += 1
        stamp = at - at % MILLISECOND
        # An object id: the second in which it was made, a random part, and a counter.
        name = f"{milliseconds(stamp) // 1000:08x}{self._random.getrandbits(40):010x}{self.made:06x}"
        return CloudAppsAlert(name, self.made, mould, self.tenant_id, stamp, dict(fields or {}))
