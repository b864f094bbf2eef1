"""The house as a fixture (see house.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devhost.pump import Pump
from shared.bootstrap import Parts
from shared.nouns.notifications import Installation, Transport
from shared.settings import Settings
from shared.store.memory import MemoryBlobs, MemoryQueues, MemorySecrets, MemoryTables
from simulator.serve import Simulator
from simulator.web_push import subscribe
from simulator.world import World
from tests.pipeline.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with one phone and no configuration yet."""
    with Simulator(World.sample(), folder=tmp_path) as simulator:
        settings = Settings(
            simulator_url=simulator.url,
            ca_bundle=str(simulator.ca_bundle),
            push_hosts=(simulator.url.removeprefix("https://"),),
        )
        clock = simulator.world.now
        parts = Parts(
            settings,
            tables=MemoryTables(),
            queues=MemoryQueues(clock=clock),
            blobs=MemoryBlobs(),
            secrets=MemorySecrets(),
            clock=clock,
            sleep=simulator.world.advance,
        )
        phone = subscribe(simulator.world, "phone")
        parts.installations.register(
            Installation(
                id="phone",
                owner="analyst",
                name="Phone",
                transport=Transport.webpush,
                registration=phone.as_browser(simulator.world),
                registered="2026-01-01T00:00:00.0000000Z",
            )
        )
        yield House(parts, Pump(parts), simulator, phone)
