"""The line that alerts and the workbook are built on: right numbers, seldom, nothing of an alert in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.pipeline.pulse import EVERY_MINUTES
from shared.store.quarantine import Kind
from shared.store.stores import QUEUES, Queue
from tests.pipeline.mortal import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    """One configuration, due, at a full five minutes."""
    made = Rig()
    yield made
    made.close()


def numbers(rig: Rig) -> dict[str, Any]:
    """What the line says."""
    word, _, said = (rig.parts.pulse.line() or "").partition(" ")
    assert word == "pulse"
    found: dict[str, Any] = json.loads(said)
    return found


def test_a_quiet_house_is_all_zeros(rig: Rig) -> None:
    """Just read, nothing waits, nothing failed."""
    rig.parts.ticker.tick()
    rig.drain()

    said = numbers(rig)

    assert said["waiting"] == dict.fromkeys(QUEUES, 0)
    counted = ("configurations", "failing", "lag_seconds", "poison", "quarantined")
    assert [said[name] for name in counted] == [1, 0, 0, 0, 0]


def test_the_lag_is_that_of_the_slowest_configuration(rig: Rig) -> None:
    """And the line names it; one that is switched off does not count."""
    rig.parts.ticker.tick()
    rig.drain()
    rig.now += timedelta(minutes=50)
    off = rig.configuration.model_copy(update={"id": "off", "enabled": False, "etag": ""})
    rig.parts.configurations.save(off)

    said = numbers(rig)

    assert said["lag_seconds"] == 3000
    assert (said["slowest"], said["configurations"]) == (rig.configuration.id, 1)


def test_what_waits_and_what_failed_is_counted(rig: Rig) -> None:
    """Each queue, the poison of all, the quarantine."""
    rig.real_queues.send(Queue.raw_alerts, "one")
    rig.real_queues.send(f"{Queue.notifications}-poison", "two")
    rig.parts.quarantine.put(Kind.alert, b"{}", reason="unreadable", source="c1")

    said = numbers(rig)

    assert said["waiting"][Queue.raw_alerts] == 1
    assert (said["poison"], said["quarantined"]) == (1, 1)


def test_it_is_said_every_five_minutes_only(rig: Rig) -> None:
    """The tick comes every minute; counting costs calls."""
    said = []
    for _ in range(4 * EVERY_MINUTES):
        said.append(rig.parts.pulse.line() is not None)
        rig.now += timedelta(minutes=1)

    assert sum(said) == 4


def test_each_message_of_pushes_says_how_they_ended(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """One line for a message, with every outcome named."""
    rig.parts.ticker.tick()
    rig.vendor.put("a", severity="low")
    with caplog.at_level(logging.INFO, logger="shared.pipeline.notify"):
        rig.drain()

    [line] = [r.getMessage() for r in caplog.records if r.getMessage().startswith("pushes ")]

    assert json.loads(line.partition(" ")[2]) == {"delivered": 1, "gone": 0, "later": 0, "our_fault": 0}
