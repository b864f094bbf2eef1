"""The bad day, lived once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import shared.bootstrap
from simulator import tokens
from simulator.serve import Simulator
from simulator.world import World
from tests.canary.day import Day
from tests.canary.watch import Issued, Watch
from tests.collector_peer import collector


@dataclass(frozen=True)
class Lived:
    """What was seen, and the secrets that may not be among it, by what they are."""

    watch: Watch
    secrets: dict[str, str]


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """The whole day."""
    folder, watch, issued = tmp_path_factory.mktemp("canary"), Watch(), Issued(tokens.issue)
    with (
        pytest.MonkeyPatch.context() as patch,
        Simulator(World.sample(), folder=folder) as simulator,
        collector(folder) as peer,
        watch.logs(),
    ):
        patch.setattr(tokens, "issue", issued)
        day = Day(simulator, watch, issued, folder, peer)
        patch.setattr(shared.bootstrap, "_parts", day.parts)
        try:
            day.live()
            yield Lived(watch, day.secrets())
        finally:
            day.end()
