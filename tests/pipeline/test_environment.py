"""A tenant, an app and its secret in the environment are read without anybody making a configuration."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import OperatorMustAct
from shared.nouns.configurations import CLOUDS, AuthType, CloudName, Configuration
from shared.nouns.detections import Severity
from shared.pipeline.environment import FromEnvironment
from shared.settings import Settings, read_settings
from shared.store.configurations import Configured
from shared.vendors.registry import VENDORS
from tests.pipeline.mortal import Rig

SECRET = "canary~8Q~in-the-environment"
APP = {
    "AZURE_TENANT_ID": "5A3E11D0-7c44-4e0b-9a51-0c0ffee00001",
    "AZURE_CLIENT_ID": "c7a9f3b2-6e1d-4f58-b04a-0c0ffee00007",
    "AZURE_CLIENT_SECRET": SECRET,
}
ENDPOINT, GRAPH = "environment-defender-endpoint", "environment-graph-security"


@pytest.fixture
def rig() -> Iterator[Rig]:
    """Storage."""
    made = Rig()
    yield made
    made.close()


Applied = Callable[..., int]


@pytest.fixture
def applied(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Applied:
    """Starts a process with these settings; how many configurations were made or changed."""

    def apply(**environment: str) -> int:
        for field in Settings.model_fields.values():
            monkeypatch.delenv(str(field.alias), raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        parts = rig.parts
        return FromEnvironment(
            read_settings(), parts.configurations, parts.secrets, VENDORS, CLOUDS, rig.clock
        ).apply()

    return apply


def found(rig: Rig, id: str) -> Configured:
    """A stored configuration."""
    configured = rig.parts.configurations.get(id)
    assert configured is not None
    return configured


def test_three_settings_make_a_configuration_of_endpoint(rig: Rig, applied: Applied) -> None:
    """With the secret where all secrets are; a second start changes nothing."""
    assert [applied(**APP), applied(**APP)] == [1, 0]
    made = found(rig, ENDPOINT).configuration
    assert (made.vendor, made.auth_type, made.enabled) == ("defender_endpoint", AuthType.client_secret, True)
    assert rig.parts.secrets.get(made.secret_reference or "") == SECRET
    assert SECRET not in made.model_dump_json()
    assert rig.parts.configurations.get(GRAPH) is None


def test_the_products_documents_names_are_taken_as_they_are(rig: Rig, applied: Applied) -> None:
    """Addresses with their paths, the interval in seconds, a cap, and a set of severities."""
    addresses = {
        "GRAPH_API_BASE_URL": "https://graph.microsoft.com/v1.0",
        "DEFENDER_API_BASE_URL": "https://api.securitycenter.microsoft.com/api",
        "DEFENDER_SYNC_INTERVAL": "3600",
        "DEFENDER_MAX_ALERTS_PER_SYNC": "1000",
        "DEFENDER_ALERT_SEVERITY_FILTER": "High, Medium",
    }
    assert applied(**APP, **addresses) == 2
    for id in (ENDPOINT, GRAPH):
        made = found(rig, id).configuration
        VENDORS[made.vendor].api_root(made, CLOUDS[made.cloud])
        assert (made.poll_interval, made.filters.most_per_poll) == (3600, 1000)
        assert set(made.filters.severities) == {Severity.high, Severity.medium}


@pytest.mark.parametrize("missing", sorted(APP))
def test_one_of_the_three_alone_makes_nothing(applied: Applied, missing: str) -> None:
    """AZURE_CLIENT_ID may stand there for an identity of the app's own."""
    assert applied(**{name: value for name, value in APP.items() if name != missing}) == 0


def test_what_the_environment_says_wins_and_what_it_does_not_say_stays(rig: Rig, applied: Applied) -> None:
    """Another tenant is read from its beginning."""
    applied(**APP, DEFENDER_SYNC_INTERVAL="600")
    before = found(rig, ENDPOINT)
    rig.parts.configurations.save_state(before.state.model_copy(update={"cursor": {"at": "x"}}))
    mine = {"display_name": "Ours", "poll_interval": 60, "enabled": False}
    rig.parts.configurations.save(before.configuration.model_copy(update=mine))

    assert applied(**APP, DEFENDER_SYNC_INTERVAL="600") == 1
    kept = found(rig, ENDPOINT)
    assert (kept.configuration.display_name, kept.configuration.poll_interval) == ("Ours", 600)
    assert (kept.configuration.enabled, kept.state.cursor) == (False, {"at": "x"})

    applied(**APP | {"AZURE_TENANT_ID": "contoso.example", "AZURE_CLIENT_SECRET": "another"})
    moved = found(rig, ENDPOINT)
    assert (moved.configuration.tenant_id, moved.state.cursor) == ("contoso.example", None)
    assert rig.parts.secrets.get(moved.configuration.secret_reference or "") == "another"


def test_a_new_secret_alone_is_tried_at_once(rig: Rig, applied: Applied) -> None:
    """The old one has expired, and the next poll is far away."""
    applied(**APP)
    state = found(rig, ENDPOINT).state.model_copy(update={"next_due": "2099-01-01T00:00:00.0000000Z"})
    rig.parts.configurations.save_state(state)
    assert applied(**APP | {"AZURE_CLIENT_SECRET": "another"}) == 1
    assert found(rig, ENDPOINT).state.next_due is None


def test_settings_that_are_gone_leave_the_configuration(rig: Rig, applied: Applied) -> None:
    """A slip in a deployment must not blind anybody."""
    applied(**APP)
    assert applied() == 0
    assert found(rig, ENDPOINT).configuration.enabled


def test_a_sovereign_address_chooses_its_cloud(rig: Rig, applied: Applied) -> None:
    """Nobody has to say it twice."""
    applied(**APP, GRAPH_API_BASE_URL="https://graph.microsoft.us/v1.0/")
    assert found(rig, GRAPH).configuration.cloud is CloudName.gcc_high


def test_an_address_that_is_none_of_the_products_is_refused(applied: Applied) -> None:
    """It would be sent the token."""
    with pytest.raises(OperatorMustAct, match=r"base URL.*evil\.example"):
        applied(**APP, DEFENDER_API_BASE_URL="https://evil.example/api")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEFENDER_ALERT_SEVERITY_FILTER", "High,Terrible"),
        ("DEFENDER_SYNC_INTERVAL", "1"),
        ("DEFENDER_MAX_ALERTS_PER_SYNC", "0"),
    ],
)
def test_a_wrong_value_is_named(applied: Applied, name: str, value: str) -> None:
    """By its setting."""
    with pytest.raises(OperatorMustAct, match=name):
        applied(**APP, **{name: value})


def test_it_is_done_before_the_first_tick_and_never_keeps_a_tick_from_coming(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it has worked once."""
    done: list[int] = []

    def begin() -> None:
        done.append(1)
        if len(done) == 1:
            raise OperatorMustAct("Correct it.")

    timers = replace(rig.parts.timers, begin=begin)
    with caplog.at_level(logging.ERROR):
        assert [timers.tick() for _ in range(3)] == [1, 0, 0]
    assert (len(done), "Correct it." in caplog.text) == (2, True)


def test_two_processes_that_start_at_once_make_one(rig: Rig, applied: Applied) -> None:
    """The second finds it made."""
    save = rig.parts.configurations.save

    def slow(configuration: Configuration) -> Any:
        rig.parts.configurations.save = save  # type: ignore[method-assign]
        applied(**APP)
        return save(configuration)

    rig.parts.configurations.save = slow  # type: ignore[method-assign]
    assert applied(**APP) == 0
    assert found(rig, ENDPOINT).configuration.tenant_id == APP["AZURE_TENANT_ID"]
