"""The doctor's rounds: each configuration once a day, one's trouble is not the others'."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from shared.errors import TryLater
from shared.nouns.configurations import Configuration
from shared.pipeline.doctor import Doctor
from shared.vendors.vendor import Connection
from simulator import sample
from tests.pipeline.house import ENDPOINT, House

pytestmark = pytest.mark.peer


def test_each_configuration_is_checked_once_a_day(house: House) -> None:
    """However often the timer comes; one that is off is left alone."""
    house.configure("defender_endpoint", ENDPOINT)
    house.configure("defender_endpoint", "off", enabled=False)

    done = []
    for _ in range(50):
        done.append(house.parts.doctor.daily())
        house.world.advance(3600)

    assert [hour for hour, number in enumerate(done) if number] == [0, 23, 46]
    assert house.parts.checkups.get("off") is None


def test_one_that_breaks_does_not_stop_the_round(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in a vendor's file, a secret that is gone."""
    for id in ("a", "b", "c"):
        house.configure("defender_endpoint", id)
    house.parts.secrets.delete("vendor-b")
    connect = house.parts.doctor.connect

    def breaks(configuration):  # type: ignore[no-untyped-def]
        return connect(configuration) if configuration.id != "a" else 1 / 0

    doctor = Doctor(**{**vars(house.parts.doctor), "connect": breaks})

    assert doctor.daily() == 2
    found = house.parts.checkups.all()
    assert (found["b"].ok, found["c"].ok, "a" in found) == (False, True, False)
    assert "not in the secret store" in found["b"].summary


def test_a_permission_granted_meanwhile_is_seen_at_once(house: House) -> None:
    """The check gets a new token, and polling goes on with it."""
    configuration = house.configure("defender_endpoint", ENDPOINT)
    app = house.world.app(sample.CLIENT_ID)
    assert app is not None
    granted, app.roles[sample.ENDPOINT_AUDIENCE] = app.roles[sample.ENDPOINT_AUDIENCE], set()
    assert not house.parts.doctor.check(configuration).ok
    app.roles[sample.ENDPOINT_AUDIENCE] = granted

    assert house.parts.doctor.check(configuration).ok

    house.poll(after=timedelta(minutes=20))
    assert house.health(ENDPOINT) is None


def test_a_hanging_check_does_not_hold_a_save_up(house: House) -> None:
    """It is waited for only so long, and kept all the same."""
    configuration = house.configure("defender_endpoint", ENDPOINT)
    answers = threading.Event()

    def hangs(configuration: Configuration) -> Connection:
        assert answers.wait(10)
        raise TryLater("Away.")

    doctor = Doctor(**{**vars(house.parts.doctor), "connect": hangs})
    assert doctor.check_within(configuration, 0.01) is None
    answers.set()

    found = doctor.check_within(configuration, 10)

    kept = house.parts.checkups.get(ENDPOINT)
    assert found is not None
    assert kept is not None
    # The first check ends in its own time, before or after the second.
    assert kept.model_copy(update={"at": found.at}) == found
