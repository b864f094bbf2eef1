"""The incidents of a Microsoft Sentinel workspace with their alerts: compact records, and the JSON that is
made of one when it is asked for.

A fixture holds an incident's properties and its alerts'. `{guid}`, `{endpoint}`, `{cloud}` and `{xdr}` in it
stand for ids of the products that made them. Source: the provider's specification (2025-09-01) and payloads
seen in public.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator import ticks
from simulator.shelf import Shelf
from simulator.templates import Template, mould_of

FIXTURES = "sentinel_incidents"
NOBODY = {"objectId": None, "email": None, "assignedTo": None, "userPrincipalName": None}
# What a PUT replaces, with what it leaves behind where it says nothing.
WRITABLE: Mapping[str, Any] = {
    **{name: None for name in ("title", "description", "severity", "status")},
    **{name: None for name in ("classification", "classificationReason", "classificationComment")},
    **{name: None for name in ("firstActivityTimeUtc", "lastActivityTimeUtc")},
    "labels": (),
    "owner": NOBODY,
}


@dataclass(slots=True, eq=False)
class SentinelIncident:
    """One incident. Times are ticks; `properties` are the writable ones and what never changes; `version`
    counts its changes."""

    name: str
    number: int
    workspace: str
    created: int
    modified: int
    properties: dict[str, Any]
    alerts: list[dict[str, Any]]
    comments: list[dict[str, Any]] = field(default_factory=list)
    version: int = 1

    @property
    def id(self) -> str:
        """The ARM id."""
        return f"{self.workspace}/providers/Microsoft.SecurityInsights/Incidents/{self.name}"

    @property
    def etag(self) -> str:
        """Another with every change, in quotation marks as the service writes it."""
        return f'"{self.version:08x}-0000-0d00-0000-{self.modified // ticks.SECOND % 2**32:08x}0000"'

    def raw(self) -> dict[str, Any]:
        """The incident's JSON."""
        counts = {"alertsCount": len(self.alerts), "commentsCount": len(self.comments)}
        portal = "https://portal.azure.com/#asset/Microsoft_Azure_Security_Insights/Incident"
        properties = self.properties | {
            "createdTimeUtc": ticks.text_of(self.created),
            "lastModifiedTimeUtc": ticks.text_of(self.modified),
            "incidentNumber": self.number,
            "incidentUrl": f"{portal}{self.id}",
            "additionalData": self.properties.get("additionalData", {}) | counts,
        }
        properties.setdefault("providerIncidentId", str(self.number))
        return {
            "id": self.id,
            "name": self.name,
            "etag": self.etag,
            "type": "Microsoft.SecurityInsights/Incidents",
            "properties": {key: value for key, value in properties.items() if value is not None},
        }

    def alerts_raw(self) -> list[dict[str, Any]]:
        """Its alerts' JSON."""
        entities = f"{self.workspace}/providers/Microsoft.SecurityInsights/Entities"
        return [
            {
                "id": f"{entities}/{alert['systemAlertId']}",
                "name": alert["systemAlertId"],
                "type": "Microsoft.SecurityInsights/Entities",
                "kind": "SecurityAlert",
                "properties": alert,
            }
            for alert in self.alerts
        ]


def _key(incident: SentinelIncident) -> tuple[int, int]:
    return (incident.modified, incident.number)


@dataclass
class SentinelWorkspace:
    """What one workspace has: incidents by name and in the order of (lastModifiedTimeUtc, number)."""

    id: str
    tenant_id: str
    seed: int = 0
    incidents: Shelf[SentinelIncident] = field(default_factory=lambda: Shelf(name=lambda i: i.name, key=_key))
    made: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(f"{self.seed} {self.id}")

    def guid(self) -> str:
        """A new id."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def make(
        self,
        modified: int,
        *,
        template: str | None = None,
        fields: Mapping[str, Any] | None = None,
        alert_fields: Mapping[str, Any] | None = None,
        provider_alert_ids: Sequence[str] = (),
    ) -> SentinelIncident:
        """A new incident made and modified at these ticks. Not yet visible. `provider_alert_ids` are what
        its alerts are called in the products that made them.

        Templates are taken in turn unless one is named. Raises LookupError for an unknown template.
        """
        mould = mould_of(FIXTURES, template, self.made)
        self.made += 1
        body = mould.moved(modified - mould.moment("incident", "createdTimeUtc"))
        number = str(70_000 + self.made)
        given = [*provider_alert_ids, *[""] * len(body["alerts"])]
        alerts = [
            _named(alert, self._ids(mould, modified, id_) | {"{xdr}": number})
            for alert, id_ in zip(body["alerts"], given, strict=False)
        ]
        for alert in alerts:
            alert |= {"systemAlertId": self.guid(), **(alert_fields or {})}
        properties = _named(body["incident"], {"{xdr}": number}) | dict(fields or {})
        return SentinelIncident(self.guid(), self.made, self.id, modified, modified, properties, alerts)

    def create(self, name: str, now: int, properties: Mapping[str, Any]) -> SentinelIncident:
        """An incident that a client makes."""
        self.made += 1
        own = {"providerName": "Azure Sentinel", "additionalData": {}}
        return SentinelIncident(name, self.made, self.id, now, now, {**properties, **own}, [])

    def touch(self, incident: SentinelIncident, now: int, **changed: Any) -> None:
        """Change an incident's properties, which gives it a new ETag and a new place in the order."""

        def do() -> None:
            incident.properties |= changed
            incident.modified = max(incident.modified + 1, now)
            incident.version += 1

        self.incidents.change(incident, do)

    def _ids(self, mould: Template, modified: int, given: str) -> dict[str, str]:
        """What the placeholders of one alert stand for."""
        start = modified - 600 * ticks.SECOND - self._random.randrange(ticks.SECOND)
        return {
            "{guid}": given or self.guid(),
            "{endpoint}": given or f"da{start}_{self._random.randrange(-(2**31), 2**31)}",
            "{cloud}": given or f"{ticks.NEWEST - start}_{self.guid()}",
        }


def _named(value: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    text = json.dumps(value)
    for placeholder, name in names.items():
        text = text.replace(placeholder, name)
    found: dict[str, Any] = json.loads(text)
    return found
