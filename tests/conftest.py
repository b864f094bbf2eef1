"""What every room's tests may ask for: a storage account on Azurite, started once and only when wanted."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devhost import azurite as azurite_

_ROOT = Path(__file__).resolve().parent.parent
_ACCOUNTS = 1000
_numbers = itertools.count()


@pytest.fixture(scope="session")
def running_azurite() -> Iterator[azurite_.Azurite]:
    """One Azurite for the session, in memory. POCKETSOC_AZURITE says where it is installed instead."""
    folder = Path(os.environ.get("POCKETSOC_AZURITE") or _ROOT / ".local" / "azurite")
    if not azurite_.installed(folder):
        pytest.skip(
            "Azurite is not installed: run `python3 dev.py test` once, or set POCKETSOC_AZURITE to its folder"
        )
    with azurite_.Azurite(folder, azurite_.find_node(Path(sys.prefix)), accounts=_ACCOUNTS) as running:
        yield running


@pytest.fixture(scope="session")
def azurite(running_azurite: azurite_.Azurite) -> str:
    """The connection string of the session's Azurite: one account, shared by all tests that ask for it."""
    return running_azurite.connection_string


@pytest.fixture
def storage(running_azurite: azurite_.Azurite) -> str:
    """The connection string of an account that no other test has used: nothing is in it."""
    return running_azurite.connection_string_of(next(_numbers))
