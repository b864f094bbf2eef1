"""The alerts of Microsoft Graph Security (alerts_v2): compact records, and the JSON that is made of one when
it is asked for.

Ids are those of the product that detected: two letters before the provider's own id (`fa`, `ca`, `sn`, ...),
except where the two are unrelated (`ad`) or the same (Endpoint's older style). Sources: the metadata's types
and enums, "alert resource type", and payloads seen in public.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from simulator import ticks
from simulator.odata import Kind, Property
from simulator.shelf import Shelf
from simulator.templates import Template, mould_of
from simulator.world import World

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ENDPOINT_OLD = re.compile(r"(?<!\d)\d{18}_-?\d{1,10}$")
_CLOUD_TICKS = re.compile(r"25\d{17}_")
_HASH = re.compile(r"(?<=^ad)[0-9a-f]{40}$|^[0-9a-f]{64}$")


@dataclass(slots=True, eq=False)
class GraphAlert:
    """One alert. Times are ticks; `fields` holds what differs from the template, in the vendor's names."""

    id: str
    provider_id: str
    number: int
    template: Template
    tenant_id: str
    created: int
    updated: int
    fields: dict[str, Any]

    def value(self, name: str) -> Any:
        """A property as the filter sees it: what was changed, else what the template says."""
        return self.fields[name] if name in self.fields else self.template.content.get(name)

    def raw(self) -> dict[str, Any]:
        """The alert's JSON."""
        body = self.template.moved(self.created - self.template.moment("createdDateTime"))
        body.update(self.fields)
        body["id"], body["tenantId"] = self.id, self.tenant_id
        body["createdDateTime"] = ticks.text_of(self.created)
        body["lastUpdateDateTime"] = ticks.text_of(self.updated)
        if "providerAlertId" in body:
            body["providerAlertId"] = self.provider_id
        portal, tenant = "https://security.microsoft.com", f"?tid={self.tenant_id}"
        if body.get("alertWebUrl"):
            body["alertWebUrl"] = f"{portal}/alerts/{self.id}{tenant}"
        if body.get("incidentWebUrl"):
            body["incidentWebUrl"] = f"{portal}/incidents/{body['incidentId']}{tenant}"
        return body


def _text(name: str) -> Property:
    return Property(Kind.text, lambda alert: alert.value(name))


_TIMES: Mapping[str, Property] = {
    "createddatetime": Property(Kind.time, lambda alert: alert.created),
    "lastupdatedatetime": Property(Kind.time, lambda alert: alert.updated),
}
# The documented list. Other properties are 400 here; of investigationState that is known.
ALERT_SCHEMA: Mapping[str, Property] = {
    **_TIMES,
    "assignedto": _text("assignedTo"),
    "classification": _text("classification"),
    "determination": _text("determination"),
    "severity": _text("severity"),
    "servicesource": _text("serviceSource"),
    "status": _text("status"),
}
# Not documented at all; ordering by these two is seen in use.
ALERT_ORDER: Mapping[str, Property] = _TIMES


def _key(alert: GraphAlert) -> tuple[int, int]:
    return (alert.updated, alert.number)


@dataclass
class GraphTenant:
    """One tenant's alerts by id and in order of (lastUpdateDateTime, number)."""

    tenant_id: str
    seed: int = 0
    alerts: Shelf[GraphAlert] = field(default_factory=lambda: Shelf(name=lambda a: a.id, key=_key))
    made: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(f"graph {self.seed} {self.tenant_id}")

    def make(
        self,
        updated: int,
        *,
        template: str | None = None,
        ids: tuple[str, str] | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> GraphAlert:
        """A new alert that says it was last updated at these ticks. Not yet visible.

        Templates are taken in turn unless one is named; `ids` are (id, providerAlertId) where they are
        another product's. Endpoint's alerts are stamped in the vendor's 1/300 s. Raises LookupError for an
        unknown template.
        """
        mould = mould_of("graph_alerts", template, self.made)
        self.made += 1
        endpoint = mould.content["serviceSource"] == "microsoftDefenderForEndpoint"
        stamp = ticks.coarse(updated) if endpoint else updated
        age = mould.moment("lastUpdateDateTime") - mould.moment("createdDateTime")
        created = stamp - age - self._random.randrange(ticks.SECOND // 2)
        own, provider = ids or self._ids(mould, created)
        return GraphAlert(own, provider, self.made, mould, self.tenant_id, created, stamp, dict(fields or {}))

    def _ids(self, mould: Template, created: int) -> tuple[str, str]:
        guid, digits = (
            UUID(int=self._random.getrandbits(128), version=4),
            f"{self._random.getrandbits(512):0128x}",
        )
        number = self.made * 2_654_435_761 % 2**32 - 2**31

        def renamed(text: str) -> str:
            text = _GUID.sub(lambda old: str(guid).upper() if old[0].isupper() else str(guid), text)
            text = _ENDPOINT_OLD.sub(f"{created}_{number}", text)
            text = _CLOUD_TICKS.sub(f"{ticks.NEWEST - created}_", text)
            return _HASH.sub(lambda old: digits[: len(old[0])], text)

        own = str(mould.content["id"])
        provider = str(mould.content.get("providerAlertId", own))
        made = renamed(own), renamed(provider)
        return made if made[0] != own else (f"{own}-{self.made}", f"{provider}-{self.made}")


@dataclass
class GraphAlerts:
    """What each tenant has."""

    seed: int = 0
    tenants: dict[str, GraphTenant] = field(default_factory=dict)


def graph_tenant(world: World, tenant_id: str) -> GraphTenant:
    """The tenant's alerts as they are at the world's time. The caller holds the world's lock."""
    state = world.part("graph_alerts", GraphAlerts)
    if tenant_id not in state.tenants:
        state.tenants[tenant_id] = GraphTenant(tenant_id, state.seed)
    tenant = state.tenants[tenant_id]
    tenant.alerts.settle(ticks.ticks_of(world.now()))
    return tenant


def forget_alerts(world: World) -> None:
    """As at the beginning."""
    world.part("graph_alerts", GraphAlerts).tenants.clear()
