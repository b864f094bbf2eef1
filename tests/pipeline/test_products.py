"""One Endpoint alert as five products tell of it, in their own payloads, from the queue to the phone."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest

from shared.nouns.cards import Card
from shared.nouns.detections import Channel, RawAlert, instant_of
from shared.pipeline.messages import RawAlerts
from shared.store.stores import Queue
from tests.pipeline.house import House

pytestmark = pytest.mark.peer

ID = "637990000000000000_-1043898914"
CLOUD_NAME = f"2518254730385772806_da{ID}"
CREATED = "2026-03-02T09:20:13.1066667Z"

ENDPOINT: dict[str, Any] = {
    "id": f"da{ID}",
    "title": "Beacon",
    "severity": "High",
    "status": "Resolved",
    "alertCreationTime": CREATED,
    "lastUpdateTime": "2026-03-02T10:00:00.1Z",
    "computerDnsName": "pc-1.example",
    "machineId": "a" * 40,
}
GRAPH: dict[str, Any] = {
    "id": f"da{ID}",
    "providerAlertId": f"da{ID}",
    "title": "Beacon",
    "severity": "high",
    "status": "new",
    "serviceSource": "microsoftDefenderForEndpoint",
    "createdDateTime": CREATED,
    "lastUpdateDateTime": "2026-03-02T09:40:00Z",
    "incidentId": "5118",
    "evidence": [
        {"@odata.type": "#microsoft.graph.security.ipEvidence", "ipAddress": "192.0.2.7"},
        {"@odata.type": "#microsoft.graph.security.urlEvidence", "url": "https://bad.example"},
        {"@odata.type": "#microsoft.graph.security.deviceEvidence", "deviceDnsName": "pc-1.example"},
    ],
}
XDR: dict[str, Any] = {
    "alertId": f"da{ID}",
    "providerAlertId": f"da{ID}",
    "incidentId": 5118,
    "title": "Beacon",
    "severity": "High",
    "status": "InProgress",
    "creationTime": CREATED,
    "lastUpdatedTime": "2026-03-02T09:45:00Z",
}


def cloud(evidence: str) -> dict[str, Any]:
    """Defender for Cloud wraps the alert once for each piece of evidence."""
    name = f"{CLOUD_NAME}:{evidence}=:WS44c473f9-e9bf-4c71-b40f-3cfd549c34df"
    return {
        "id": f"/subscriptions/s/providers/Microsoft.Security/locations/westeurope/alerts/{name}",
        "name": name,
        "properties": {
            "systemAlertId": name,
            "alertDisplayName": "Beacon",
            "severity": "High",
            "status": "Active",
            "timeGeneratedUtc": CREATED,
        },
    }


SENTINEL: dict[str, Any] = {
    "kind": "SecurityAlert",
    "name": "4c4831e9-2ed7-a44a-e530-c784cc7c2ddc",
    "properties": {
        "systemAlertId": "4c4831e9-2ed7-a44a-e530-c784cc7c2ddc",
        "providerAlertId": f"da{ID}",
        "productName": "Microsoft Defender Advanced Threat Protection",
        "alertDisplayName": "Beacon",
        "severity": "High",
        "status": "New",
        "timeGenerated": CREATED,
    },
}
VIEWS: tuple[tuple[str, Any], ...] = (
    ("defender_endpoint", ENDPOINT),
    ("graph_security", GRAPH),
    ("defender_xdr", XDR),
    ("defender_for_cloud", cloud("4wVg68")),
    ("defender_for_cloud", cloud("9xQq11")),
    ("sentinel", SENTINEL),
)


def _id(vendor: str) -> str:
    return vendor.replace("_", "-")


def deliver(house: House, vendor: str, raw: Any) -> None:
    """As if a poll of that vendor had queued it."""
    alerts = (RawAlert(body=raw, received=instant_of(house.world.now())),)
    message = RawAlerts(configuration_id=_id(vendor), channel=Channel.poll, alerts=alerts)
    house.parts.mailbox.send(Queue.raw_alerts, message)
    house.pump.drain()


def lived(house: House, order: Sequence[tuple[str, Any]], tenant: str) -> Card:
    """Deliver the views in that order to a tenant of its own; the one card that came of it."""
    for vendor in dict(VIEWS):
        known = house.parts.configurations.get(_id(vendor))
        configuration = known.configuration if known else house.configure(vendor, _id(vendor))
        house.parts.configurations.save(configuration.model_copy(update={"tenant_id": tenant}))
    house.parts.known_configurations._known.clear()
    before, pushes = {c.id for c in house.cards()}, len(house.pushes)
    for vendor, raw in order:
        deliver(house, vendor, raw)
    [made] = {c.id for c in house.cards()} - before
    assert len(house.pushes) - pushes == 1
    card = house.parts.detections.get(made)
    assert card is not None
    return card


def test_one_alert_through_five_products_is_one_card_and_one_push(house: House) -> None:
    """Each product first and last, and forty further orders: six sightings, told by Graph, resolved as
    Endpoint says, in the incident of XDR."""
    orders = list(itertools.permutations(VIEWS))
    turns = [VIEWS[n:] + VIEWS[:n] for n in range(len(VIEWS))]
    chosen = [*turns, *random.Random(7).sample(orders, 40)]
    for number, order in enumerate(chosen):
        card = lived(house, order, f"00000000-0000-4000-8000-{number:012}")
        assert len(card.sightings) == 6
        assert (card.vendor, card.detection.status) == ("graph_security", "resolved")
        assert (card.detection.incident_id, card.detection.severity) == ("5118", "high")
        assert len(card.detection.evidence) >= 2
