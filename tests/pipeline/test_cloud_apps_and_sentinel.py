"""Defender for Cloud Apps and Microsoft Sentinel from the poll to the phone."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise, permutations

import pytest

from shared.nouns.detections import Status
from simulator import cloud_apps_scenarios, sample, scenarios, sentinel_scenarios
from tests.pipeline.house import CLOUD, ENDPOINT, House

pytestmark = pytest.mark.peer
APPS, SENTINEL = "apps-1", "sentinel-1"
IDS = {"defender_endpoint": ENDPOINT, "defender_for_cloud": CLOUD, "sentinel": SENTINEL}
WORKSPACE = {
    "subscription_id": sample.SUBSCRIPTION_ID,
    "resource_group": sample.RESOURCE_GROUP,
    "workspace": sample.WORKSPACE,
}
MINUTES = timedelta(minutes=2)


def configure(house: House, vendor: str) -> None:
    """One configuration of the vendor."""
    options = {"options": WORKSPACE} if vendor == "sentinel" else {}
    house.configure(vendor, IDS.get(vendor, APPS), **options)


def test_cloud_apps_alerts_are_cards_and_pushes_and_a_closing_is_neither(house: House) -> None:
    """A closing changes the card, quietly."""
    configure(house, "defender_cloud_apps")
    made = cloud_apps_scenarios.add_alerts(house.world, count=6, within=timedelta(days=3))
    house.poll()
    assert house.health(APPS) is None
    assert len(house.cards()) == len(house.pushes) == 6
    cloud_apps_scenarios.update_alert(house.world, made[0], verdict="benign")
    house.poll(after=MINUTES)
    statuses = [one.status for one in house.cards()]
    assert statuses.count(Status.dismissed) == 1
    assert len(house.pushes) == 6


def test_a_storm_of_cloud_apps_alerts_is_read_within_the_tenants_calls(house: House) -> None:
    """Polling waits of itself and never makes the service ask for it; nothing is lost."""
    configure(house, "defender_cloud_apps")
    made = cloud_apps_scenarios.add_alerts(house.world, count=2600, within=timedelta(hours=2))
    calls = [0]
    for _ in range(8):
        house.poll(after=timedelta(seconds=65))
        calls.append(house.world.count("/cas/api/v1/alerts/"))
    assert max(after - before for before, after in pairwise(calls)) <= 30
    assert house.health(APPS) is None
    configured = house.parts.configurations.get(APPS)
    assert configured is not None
    known = house.parts.detections.known(configured.configuration.scope, made)
    assert len(known) == len(made)
    assert configured.state.last_success is not None


@pytest.mark.parametrize("order", list(permutations(IDS)))
def test_what_sentinel_copied_is_one_card_and_one_push_in_every_order(
    house: House, order: tuple[str, ...]
) -> None:
    """An alert of Endpoint and one of Defender for Cloud, read from them and from the workspace."""
    [machine] = scenarios.add_endpoint_alerts(house.world)
    [database] = scenarios.add_cloud_alerts(house.world)
    sentinel_scenarios.add_incidents(house.world, fixture="xdr_incident", provider_alert_ids=[machine])
    sentinel_scenarios.add_incidents(house.world, fixture="defender_for_cloud", provider_alert_ids=[database])
    for vendor in order:
        configure(house, vendor)
        house.poll(after=MINUTES)
    cards = [house.parts.detections.get(one.id) for one in house.cards()]
    assert [len(card.sightings) for card in cards if card] == [2, 2]
    assert len(house.pushes) == 2


def test_an_incident_is_kept_with_its_alerts_and_lives_in_them(house: House) -> None:
    """Closing it resolves what Sentinel's own rules found."""
    configure(house, "sentinel")
    [name] = sentinel_scenarios.add_incidents(house.world, fixture="scheduled_rule")
    house.poll()
    shown = house.cards()
    assert house.health(SENTINEL) is None
    assert {one.status for one in shown} == {Status.active}
    incident_id = house.parts.incidents.of_alert(sample.TENANT_ID, sentinel_scenarios.alert_ids(house.world))
    incident = house.parts.incidents.get(incident_id or "")
    assert incident is not None
    assert incident.shown.native_id == name
    closed = {"status": "Closed", "classification": "TruePositive"}
    sentinel_scenarios.update_incident(house.world, name, fields=closed)
    house.poll(after=MINUTES)
    assert {one.status for one in house.cards()} == {Status.resolved}
    assert len(house.pushes) == len(shown) == 2
