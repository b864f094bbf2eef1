"""The stores under test: whoever asks for `tables`, `queues` or `blobs` gets memory and Azurite in turn."""

from __future__ import annotations

import pytest

from shared.settings import Settings
from shared.store.blobs import azure_blobs
from shared.store.memory import MemoryBlobs, MemoryQueues, MemoryTables
from shared.store.queues import azure_queues
from shared.store.stores import Blobs, Queues, Tables
from shared.store.tables import azure_tables


@pytest.fixture(params=["memory", pytest.param("azurite", marks=pytest.mark.azurite)])
def account(request: pytest.FixtureRequest) -> Settings | None:
    """None for memory; on Azurite, the settings of an account that no other test uses."""
    if request.param == "memory":
        return None
    return Settings(storage=request.getfixturevalue("storage"))


@pytest.fixture
def tables(account: Settings | None) -> Tables:
    """Empty tables."""
    return azure_tables(account) if account else MemoryTables()


@pytest.fixture
def queues(account: Settings | None) -> Queues:
    """Empty queues."""
    return azure_queues(account) if account else MemoryQueues()


@pytest.fixture
def blobs(account: Settings | None) -> Blobs:
    """Empty containers."""
    return azure_blobs(account) if account else MemoryBlobs()
