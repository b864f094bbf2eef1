"""Two places for client secrets: rotation loses no poll."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from simulator import sample
from simulator.world import AppSecret
from tests.sign_in.clinic import Clinic, refused

pytestmark = pytest.mark.peer


def test_the_next_secret_takes_over_and_no_poll_is_lost(clinic: Clinic) -> None:
    """The first is refused as expired; the poll that notices it succeeds with the next."""
    second = AppSecret("second", "sim~Next.not-a-real-secret.1", clinic.world.now() + timedelta(days=300))
    clinic.app.secrets.append(second)
    id = clinic.ready("client_secret", next_client_secret=second.value)
    clinic.app.secrets[0] = replace(clinic.app.secrets[0], expires=clinic.world.now() + timedelta(minutes=1))
    assert clinic.call("GET", f"/configurations/{id}")["secrets_set"] == [
        "client_secret",
        "next_client_secret",
    ]
    clinic.parts._connections.clear()

    assert clinic.poll(id) is None

    after = clinic.call("GET", f"/configurations/{id}")
    assert after["secrets_set"] == ["client_secret"]
    assert after["next_took_over"]
    stored = clinic.parts.configurations.get(id)
    assert stored is not None
    assert stored.configuration.secret_reference == f"vendor-{id}-next"
    assert clinic.parts.secrets.get(f"vendor-{id}") is None
    assert clinic.check(id)["ok"]
    clinic.parts.watcher.watch()
    [told] = [o.trouble for o in clinic.parts.troubles.all() if o.trouble.kind == "next_secret"]
    assert "no poll was lost" in told.text


def test_the_second_rotation_uses_the_free_place(clinic: Clinic) -> None:
    """Slots change places as often as need be, and the trouble is over when another next secret is there."""
    values = [f"sim~Round{n}.not-a-real-secret" for n in range(2)]
    for n, value in enumerate(values):
        clinic.app.secrets.append(AppSecret(f"r{n}", value, clinic.world.now() + timedelta(days=300)))
    id = clinic.configure("client_secret", client_secret=sample.EXPIRED_SECRET, next_client_secret=values[0])
    assert clinic.check(id)["ok"]
    clinic.call("PATCH", f"/configurations/{id}", {"fields": {"next_client_secret": values[1]}})
    clinic.app.secrets[:] = [one for one in clinic.app.secrets if one.value != values[0]]

    assert clinic.check(id)["ok"]

    stored = clinic.parts.configurations.get(id)
    assert stored is not None
    assert stored.configuration.secret_reference == f"vendor-{id}"
    assert clinic.parts.secrets.get(f"vendor-{id}") == values[1]


def test_a_day_that_has_passed_lets_the_next_secret_begin(clinic: Clinic) -> None:
    """Also while the first would still do."""
    second = AppSecret("second", "sim~Next.not-a-real-secret.2", clinic.world.now() + timedelta(days=300))
    clinic.app.secrets.append(second)
    yesterday = (clinic.world.now() - timedelta(days=2)).date().isoformat()

    id = clinic.configure("client_secret", client_secret_expires=yesterday, next_client_secret=second.value)

    stored = clinic.parts.configurations.get(id)
    assert stored is not None
    assert stored.configuration.secret_reference == f"vendor-{id}-next"
    assert stored.configuration.client_secret_expires is None


def test_two_bad_secrets_are_both_told(clinic: Clinic) -> None:
    """The first one's reason counts; that the next does not serve either is said."""
    id = clinic.configure(
        "client_secret", client_secret=sample.EXPIRED_SECRET, next_client_secret=sample.SECRET_ID
    )

    code, _, _ = refused(clinic.check(id))

    assert code == "AADSTS7000222"
    last = clinic.call("GET", f"/configurations/{id}")["last_check"]
    assert "The next client secret does not serve either (AADSTS7000215)." in last["summary"]
