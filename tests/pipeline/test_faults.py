"""What is logged of an error that nobody foresaw: where it came from, not what it says, which may be anything
that was being worked on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from shared.nouns.inventory import HostQuestion
from shared.pipeline.watch import Lookout
from shared.vendors.registry import VENDORS
from simulator import scenarios
from tests.pipeline.house import ENDPOINT, House

pytestmark = pytest.mark.peer
QUOTED = "Bearer quoted~In.an/unforeseen+error"
VENDOR = type(VENDORS["defender_endpoint"])


def _fails(*_: Any, **__: Any) -> Any:
    raise ValueError(f"could not handle {QUOTED}") from KeyError(QUOTED)


def _poll(house: House, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(VENDOR, "fetch", _fails)
    house.poll()


def _sweep(house: House, patch: pytest.MonkeyPatch) -> None:
    house.poll()
    patch.setattr(VENDOR, "sweep", _fails)
    house.parts.sweeper.queue()
    house.world.advance(1800)
    house.pump.drain()


def _inventory(house: House, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(VENDOR, "inventory", _fails)
    house.parts.inventory_ticker.tick()
    house.pump.drain()


def _notify(house: House, patch: pytest.MonkeyPatch) -> None:
    scenarios.add_endpoint_alerts(house.world)
    for transport in house.parts.transports.values():
        patch.setattr(type(transport), "send", _fails)
    house.poll()


def _watch(house: House, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(house.parts.__dict__, "lookouts", (Lookout("anything", (), _fails),))
    house.parts.watcher.watch()


def _affiliation(house: House, patch: pytest.MonkeyPatch) -> None:
    from shared.api import affiliation

    patch.setattr(VENDOR, "affiliation", _fails)
    affiliation._asked(house.parts, HostQuestion(name="ws-1"))  # type: ignore[arg-type]


@pytest.mark.parametrize("live", [_poll, _sweep, _inventory, _notify, _watch, _affiliation])
def test_an_unforeseen_error_is_logged_by_its_place(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    live: Callable[[House, pytest.MonkeyPatch], None],
) -> None:
    """Also what it was made from."""
    house.configure("defender_endpoint", ENDPOINT)
    with caplog.at_level(logging.DEBUG):
        live(house, monkeypatch)

    assert "test_faults.py" in caplog.text
    assert "builtins.ValueError" in caplog.text
    assert "because of builtins.KeyError" in caplog.text
    assert QUOTED not in caplog.text
