"""A running simulator, and clients that trust it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx2
import pytest
import requests

from simulator.serve import Simulator
from simulator.tokens import SigningKeys
from simulator.world import World


@pytest.fixture(scope="session")
def _certificate_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def _signing_keys() -> SigningKeys:
    """RSA keys cost time; tests that roll them take their own."""
    return SigningKeys()


@pytest.fixture
def simulator(_certificate_folder: str, _signing_keys: SigningKeys) -> Iterator[Simulator]:
    """A simulator of its own for each test, with the sample world."""
    world = World.sample()
    world.keys = _signing_keys
    with Simulator(world, folder=_certificate_folder) as running:
        yield running


@pytest.fixture
def world(simulator: Simulator) -> World:
    """The running simulator's world."""
    return simulator.world


@pytest.fixture
def http(simulator: Simulator) -> Iterator[requests.Session]:
    """An HTTP/1.1 client that trusts the simulator."""
    with requests.Session() as session:
        session.verify = simulator.ca_bundle
        session.trust_env = False  # else REQUESTS_CA_BUNDLE, where set, wins over the line above
        yield session


@pytest.fixture
def http2(simulator: Simulator) -> Iterator[httpx2.Client]:
    """An HTTP/2 client that trusts the simulator."""
    context = ssl.create_default_context(cafile=simulator.ca_bundle)
    with httpx2.Client(http2=True, verify=context, base_url=simulator.url) as client:
        yield client
