"""Microsoft Graph from the poll to the phone: later sources are seen, and what another product brings too is
one detection."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulator import graph_scenarios, scenarios
from tests.pipeline.house import ENDPOINT, House

pytestmark = pytest.mark.peer
GRAPH = "graph-1"


def test_alerts_of_every_product_become_a_card_and_a_push_each(house: House) -> None:
    """A first poll reads the configured week; newer sources are no unknownFutureValue, which only a header
    of the configuration's own client brings about."""
    house.configure("graph_security", GRAPH)
    graph_scenarios.add_graph_alerts(house.world, count=26, within=timedelta(days=5))
    house.poll()
    assert house.health(GRAPH) is None
    assert len(house.cards()) == len(house.pushes) == 26
    cards = [house.parts.detections.get(one.id) for one in house.cards()]
    sources = {card.detection.properties["serviceSource"] for card in cards if card}
    assert {"microsoftSentinel", "microsoftDefenderForCloud", "microsoftDefenderForQuantum"} <= sources
    assert "unknownFutureValue" not in sources


@pytest.mark.parametrize("first", ["defender_endpoint", "graph_security"])
def test_an_alert_that_endpoint_brings_too_is_one_card_and_one_push(house: House, first: str) -> None:
    """Whichever comes first."""
    [made] = scenarios.add_endpoint_alerts(house.world)
    graph_scenarios.graph_view_of_endpoint(house.world, made)
    for vendor in (first, *({"defender_endpoint", "graph_security"} - {first})):
        house.configure(vendor, ENDPOINT if vendor == "defender_endpoint" else GRAPH)
        house.poll(after=timedelta(minutes=2))
    [shown] = house.cards()
    card = house.parts.detections.get(shown.id)
    assert card is not None
    assert len(card.sightings) == 2
    assert len(house.pushes) == 1


def test_what_came_hours_late_is_left_to_the_ledgers_sweep(house: House) -> None:
    """Polls look a quarter of an hour back; the sweep lists what was created."""
    house.configure("graph_security", GRAPH)
    graph_scenarios.add_graph_alerts(house.world, fixture="entra_risk")
    house.poll()
    [late] = graph_scenarios.late_graph_alerts(house.world, age=timedelta(hours=5))
    house.poll(after=timedelta(minutes=2))
    assert len(house.cards()) == 1
    connection = house.parts.connect(house.parts.configurations.get(GRAPH).configuration)  # type: ignore[union-attr]
    vendor = house.parts.vendors["graph_security"]
    pages = vendor.sweep(connection, "2020-01-01T00:00:00.0000000Z")
    assert late in {alert["id"] for page in pages for alert in page}
