"""The clinic as a fixture (see clinic.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.bootstrap import Parts
from shared.settings import Settings
from shared.store.memory import MemoryBlobs, MemoryQueues, MemorySecrets, MemoryTables
from simulator import managed_identity, sample
from simulator.serve import Simulator
from simulator.tokens import SigningKeys
from simulator.world import World
from tests.sign_in.clinic import Clinic, certificate, grant, pem_of, trust


@pytest.fixture(scope="session")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def _keys() -> SigningKeys:
    """RSA keys cost time."""
    return SigningKeys()


@pytest.fixture(scope="session")
def key_and_certificate() -> Any:
    """One certificate for all."""
    return certificate()


@pytest.fixture
def clinic(
    _folder: str, _keys: SigningKeys, key_and_certificate: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Clinic]:
    """A product in memory and a simulated cloud of its own, in which the app's certificate is registered."""
    world = World.sample()
    world.keys = _keys
    trust(world, key_and_certificate[1])
    grant(world)
    with Simulator(world, folder=Path(_folder)) as simulator:
        for name, value in managed_identity.environment(world).items():
            monkeypatch.setenv(name, value)
        settings = Settings(
            simulator_url=simulator.url,
            ca_bundle=str(simulator.ca_bundle),
            identity_client_id=sample.USER_IDENTITY_CLIENT_ID,
            api_tenant_id=sample.TENANT_ID,
            api_audience=(sample.API_AUDIENCE, sample.API_CLIENT_ID),
        )
        parts = Parts(
            settings,
            tables=MemoryTables(),
            queues=MemoryQueues(clock=world.now),
            blobs=MemoryBlobs(),
            secrets=MemorySecrets(),
            clock=world.now,
        )
        with TestClient(parts.api) as client:
            yield Clinic(parts, simulator, client, pem_of(*key_and_certificate))
