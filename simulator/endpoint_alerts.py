"""The alerts and machines of Defender for Endpoint: compact records, and the JSON that is made of one when
it is asked for.

Source for shapes and values: the vendor's pages on the alert and machine resources and payloads seen in
public.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator import ticks
from simulator.odata import Kind, Property
from simulator.shelf import Shelf
from simulator.templates import Template, fixture, mould_of, templates


def empty_evidence() -> dict[str, None]:
    """An evidence object with every key there is, all null: real ones leave none out."""
    return dict.fromkeys(templates("endpoint_alerts")["encoded_powershell"].content["evidence"][0])


@dataclass(slots=True, eq=False)
class EndpointAlert:
    """One alert. Times are ticks; `fields` holds what differs from the template, in the vendor's names."""

    id: str
    number: int
    template: Template
    tenant_id: str
    created: int
    updated: int
    fields: dict[str, Any]

    def value(self, name: str) -> Any:
        """A property as the filter sees it: what was changed, else what the template says."""
        return self.fields[name] if name in self.fields else self.template.content.get(name)

    def raw(self, *, evidence: bool) -> dict[str, Any]:
        """The alert's JSON. Without `$expand=evidence` the service sends an empty list."""
        body = self.template.moved(self.created - self.template.moment("alertCreationTime"))
        body.update(self.fields)
        body["id"] = self.id
        body["alertCreationTime"] = ticks.text_of(self.created)
        body["lastUpdateTime"] = ticks.text_of(self.updated)
        if "aadTenantId" in body:
            body["aadTenantId"] = self.tenant_id
        if not evidence:
            body["evidence"] = []
        return body

    def last_event(self) -> int | None:
        """lastEventTime as ticks."""
        if "lastEventTime" in self.fields:
            return ticks.parse(self.fields["lastEventTime"] or "")
        if self.template.content.get("lastEventTime") is None:
            return None
        return (
            self.template.moment("lastEventTime") + self.created - self.template.moment("alertCreationTime")
        )


def _text(name: str) -> Property:
    return Property(Kind.text, lambda alert: alert.value(name))


def _number(name: str) -> Property:
    return Property(Kind.number, lambda alert: alert.value(name))


# The documented list. Whether the service filters on more is not verified; here anything else is an
# ODataError.
ALERT_SCHEMA: Mapping[str, Property] = {
    "id": Property(Kind.text, lambda alert: alert.id),
    "alertcreationtime": Property(Kind.time, lambda alert: alert.created),
    "lastupdatetime": Property(Kind.time, lambda alert: alert.updated),
    "lasteventtime": Property(Kind.time, EndpointAlert.last_event),
    "incidentid": _number("incidentId"),
    "investigationid": _number("investigationId"),
    "assignedto": _text("assignedTo"),
    "detectionsource": _text("detectionSource"),
    "status": _text("status"),
    "severity": _text("severity"),
    "category": _text("category"),
}


def _key(alert: EndpointAlert) -> tuple[int, int]:
    return (alert.updated, alert.number)


@dataclass
class EndpointTenant:
    """What one tenant has: alerts by id and in order of (lastUpdateTime, number), and machines by id."""

    tenant_id: str
    seed: int = 0
    alerts: Shelf[EndpointAlert] = field(default_factory=lambda: Shelf(name=lambda a: a.id, key=_key))
    machines: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {m["id"]: m for m in fixture("endpoint_machines")}
    )
    made: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed} {self.tenant_id}")

    def make(
        self,
        updated: int,
        *,
        template: str | None = None,
        exact: bool = False,
        fields: Mapping[str, Any] | None = None,
    ) -> EndpointAlert:
        """A new alert that says it was last updated at these ticks, rounded to the vendor's 1/300 s unless
        `exact`. Not yet visible.

        Templates are taken in turn unless one is named. Raises LookupError for an unknown template.
        """
        mould = mould_of("endpoint_alerts", template, self.made)
        self.made += 1
        stamp = updated if exact else ticks.coarse(updated)
        age = mould.moment("lastUpdateTime") - mould.moment("alertCreationTime")
        created = stamp - age - self._random.randrange(ticks.SECOND // 2)
        # `da`, the creation time and a signed 32-bit number; the number is also what keeps ids of one tick
        # apart.
        number = self.made * 2_654_435_761 % 2**32 - 2**31
        alert = EndpointAlert(
            f"da{created}_{number}", self.made, mould, self.tenant_id, created, stamp, dict(fields or {})
        )
        return alert
