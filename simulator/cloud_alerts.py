"""The alerts of Defender for Cloud: compact records, and the JSON that is made of one when it is asked for.

An alert's name is `<n>_<guid>` with n = (largest .NET tick - ticks of its start), so that names in
ascending order are newest start first; real alerts show it, no document says it. `$id`s of entities are
numbered anew for every answer, across the whole page.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from simulator import sample, ticks
from simulator.shelf import Shelf
from simulator.templates import Template, mould_of

STATUS_OF = {"activate": "Active", "inprogress": "InProgress", "resolve": "Resolved", "dismiss": "Dismissed"}


class Numbering:
    """Gives entities their `$id`s: counted on within an answer, beginning somewhere else in the next."""

    def __init__(self, first: int) -> None:
        self._next = count(first)

    def renumbered(self, value: Any, location: str, seen: dict[str, str]) -> Any:
        """The JSON with new `$id`s and the `$ref`s that belong to them."""
        if isinstance(value, list):
            return [self.renumbered(inner, location, seen) for inner in value]
        if not isinstance(value, dict):
            return value
        return {key: self._named(key, inner, location, seen) for key, inner in value.items()}

    def _named(self, key: str, value: Any, location: str, seen: dict[str, str]) -> Any:
        if key not in ("$id", "$ref"):
            return self.renumbered(value, location, seen)
        if value not in seen:
            seen[value] = f"{location}_{next(self._next)}"
        return seen[value]


@dataclass(slots=True, eq=False)
class CloudAlert:
    """One alert. Times are ticks; `fields` holds the properties that differ from the template."""

    name: str
    template: Template
    subscription: CloudSubscription
    resource_group: str | None
    location: str
    started: int
    generated: int
    fields: dict[str, Any]

    @property
    def id(self) -> str:
        """The ARM id; alerts about a whole subscription have no resource group in it."""
        group = f"/resourceGroups/{self.resource_group}" if self.resource_group else ""
        scope = f"/subscriptions/{self.subscription.id}{group}"
        return f"{scope}/providers/Microsoft.Security/locations/{self.location}/alerts/{self.name}"

    def raw(self, numbering: Numbering) -> dict[str, Any]:
        """The alert's JSON as the list shows it."""
        properties = self._properties()
        properties = numbering.renumbered(properties, self.location, {})
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Security/Locations/alerts",
            "properties": properties,
        }

    def _properties(self) -> dict[str, Any]:
        mould: Template = self.template
        body: dict[str, Any] = mould.moved(self.started - mould.moment("properties", "startTimeUtc"))[
            "properties"
        ]
        body["systemAlertId"] = self.name
        body["timeGeneratedUtc"] = ticks.text_of(self.generated)
        if "alertUri" in body:
            body["alertUri"] = self._link()
        body.update(self.fields)
        body = self.subscription.owned(body)
        return {key: value for key, value in body.items() if value is not None}

    def _link(self) -> str:
        return (
            f"https://portal.azure.com/#blade/Microsoft_Azure_Security/AlertBlade/alertId/{self.name}/subscriptionId/{self.subscription.id}"
            f"/resourceGroup/{self.resource_group}/referencedFrom/alertDeepLink/location/{self.location}"
        )


@dataclass
class CloudSubscription:
    """What one subscription has. `locations` are where alerts are stored (`ascLocation`), not where
    resources are.
    """

    id: str
    tenant_id: str
    seed: int = 0
    locations: tuple[str, ...] = ("westeurope", "centralus")
    alerts: Shelf[CloudAlert] = field(
        default_factory=lambda: Shelf(name=lambda a: a.name, key=lambda a: a.name)
    )
    made: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed} {self.id}")

    def numbering(self) -> Numbering:
        """A numbering for one answer."""
        return Numbering(self._random.randrange(1, 400))

    def make(
        self,
        generated: int,
        *,
        template: str | None = None,
        started: int | None = None,
        location: str | None = None,
        resource_group: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> CloudAlert:
        """A new alert published at these ticks, started before by as much as its template says. Not yet
        visible.

        Templates are taken in turn unless one is named. Raises LookupError for an unknown template.
        """
        mould = mould_of("cloud_alerts", template, self.made)
        self.made += 1
        lag = mould.moment("properties", "timeGeneratedUtc") - mould.moment("properties", "startTimeUtc")
        start = generated - lag - self._random.randrange(ticks.SECOND) if started is None else started
        name = f"{ticks.NEWEST - start}_{uuid.UUID(int=self._random.getrandbits(128), version=4)}"
        group, place = _scope(str(mould.content["id"]))
        return CloudAlert(
            name,
            mould,
            self,
            resource_group or group,
            location or place,
            start,
            generated,
            dict(fields or {}),
        )

    def owned(self, value: Any) -> Any:
        """The JSON with the sample's subscription and tenant replaced by this one's."""
        if self.id == sample.SUBSCRIPTION_ID and self.tenant_id == sample.TENANT_ID:
            return value
        if isinstance(value, str):
            return value.replace(sample.SUBSCRIPTION_ID, self.id).replace(sample.TENANT_ID, self.tenant_id)
        if isinstance(value, list):
            return [self.owned(inner) for inner in value]
        return {key: self.owned(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _scope(arm_id: str) -> tuple[str | None, str]:
    parts = arm_id.split("/")
    group = parts[parts.index("resourceGroups") + 1] if "resourceGroups" in parts else None
    return group, parts[parts.index("locations") + 1]
