"""When credentials end, and that it is told once at each step."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.errors import PermissionMissing, Refused, TryLater
from shared.nouns.checkups import Checkup, CredentialKind, CredentialLine, ExpirySource
from shared.nouns.configurations import CLOUDS, AuthType, CloudName, Configuration, SecretField
from shared.nouns.detections import instant_of
from shared.pipeline.expiries import expiries
from shared.pipeline.expiry import Expiry, stage_of
from shared.pipeline.watch import Watcher
from shared.store.checkups import Checkups
from shared.store.configurations import Configurations
from shared.store.mailbox import Mailbox
from shared.store.memory import MemoryBlobs, MemoryQueues, MemorySecrets, MemoryTables
from shared.store.stores import Queue
from shared.store.troubles import Troubles
from shared.vendors.vendor import Api, Connection

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


def _configuration(**more: Any) -> Configuration:
    usual: dict[str, Any] = {
        "id": "c1",
        "vendor": "defender_endpoint",
        "display_name": "Lisbon",
        "client_id": "app",
        "secret_reference": "first",
    }
    return Configuration(**usual | more)


class Graph:
    """Microsoft Graph's answer about the app."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def get(self, path_or_url: str, params: Any = None) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        assert path_or_url == "/v1.0/applications(appId='app')"
        return self._answer


@pytest.fixture
def look() -> Any:
    """What is known of a configuration's credentials, given Graph's answer."""
    secrets = MemorySecrets()
    secrets.set("first", "abc~the-first")
    secrets.set("second", "xyz~the-second")
    held = SimpleNamespace(thumbprint="AB" * 20, ends=NOW + timedelta(days=10))

    def ask(configuration: Configuration, answer: Any) -> Any:
        connection = Connection(
            configuration=configuration,
            cloud=CLOUDS[CloudName.commercial],
            api=cast(Api, None),
            now=lambda: NOW,
            graph=cast(Api, Graph(answer)),
        )
        return Expiry(secrets, lambda _: held).look(connection)

    return ask


def test_graph_is_asked_by_the_secrets_first_letters(look: Any) -> None:
    """Of several that begin alike the last end counts; expired ones stay listed."""
    app = {
        "passwordCredentials": [
            {"hint": "abc", "endDateTime": "2025-01-01T00:00:00Z"},
            {"hint": "abc", "endDateTime": "2027-03-01T00:00:00Z"},
            {"hint": "xyz", "endDateTime": "2028-01-01T00:00:00Z"},
            {"hint": None, "endDateTime": "2029-01-01T00:00:00Z"},
            "nonsense",
        ]
    }
    configuration = _configuration(
        references={SecretField.next_client_secret: "second"}, client_secret_expires=date(2026, 12, 1)
    )

    feature, lines = look(configuration, app)

    assert feature.state == "on"
    assert [(line.kind, line.expires[:10], line.source) for line in lines] == [
        ("client_secret", "2027-03-01", "graph"),
        ("next_client_secret", "2028-01-01", "graph"),
    ]


@pytest.mark.parametrize(
    ("answer", "state", "missing"),
    [
        (PermissionMissing("no"), "off", "Application.Read.All"),
        (TryLater("away"), "unknown", None),
        (Refused("not found", status=404), "unknown", None),
        ({"passwordCredentials": None}, "on", None),
        ({"passwordCredentials": [{"hint": "abc", "endDateTime": "some day"}]}, "on", None),
    ],
)
def test_else_the_typed_day_counts_to_its_end(look: Any, answer: Any, state: str, missing: str) -> None:
    """Whatever Graph says or does not say."""
    feature, [line] = look(_configuration(client_secret_expires=date(2026, 12, 1)), answer)

    assert (feature.state, feature.missing) == (state, missing)
    assert (line.expires, line.source) == ("2026-12-01T23:59:59.0000000Z", "typed")


@pytest.mark.parametrize(
    ("thumbprint", "source", "day"),
    [
        ("q6urq6urq6urq6urq6urq6urq6s=", "graph", "2027-01-01"),
        ("ab" * 20, "graph", "2027-01-01"),
        ("other", "certificate", "2026-11-30"),
    ],
)
def test_a_certificates_end_is_its_own(look: Any, thumbprint: str, source: str, day: str) -> None:
    """As registered, by its thumbprint in either spelling; else as it says itself."""
    app = {"keyCredentials": [{"customKeyIdentifier": thumbprint, "endDateTime": "2027-01-01T00:00:00Z"}]}
    configuration = _configuration(
        auth_type=AuthType.certificate, references={SecretField.certificate: "cert"}
    )

    _, [line] = look(configuration, app)

    assert (line.kind, line.source, line.expires[:10]) == ("certificate", source, day)


@pytest.mark.parametrize("way", [AuthType.managed_identity, AuthType.federated, AuthType.device_code])
def test_what_does_not_end_is_not_asked_about(look: Any, way: AuthType) -> None:
    """Nor is the permission called missing."""
    assert look(_configuration(auth_type=way), AssertionError("asked")) == (None, ())


@pytest.mark.parametrize(
    ("days", "stage"),
    [(31.1, 0), (30.9, 1), (14.9, 2), (8, 2), (7.5, 3), (2, 3), (1.9, 4), (0.1, 4), (0, 5), (-9, 5)],
)
def test_the_steps_are_thirty_fourteen_seven_and_one(days: float, stage: int) -> None:
    """And the end."""
    assert stage_of(instant_of(NOW + timedelta(days=days)), NOW) == stage


@pytest.fixture
def house() -> Any:
    """A watch over one configuration's credentials, and a clock to move."""
    tables, queues, clock = MemoryTables(), MemoryQueues(clock=lambda: NOW), SimpleNamespace(now=NOW)
    configurations, checkups = Configurations(tables=tables), Checkups(tables=tables)
    lookout = expiries(configurations, checkups, lambda: clock.now)
    mailbox = Mailbox(queues, MemoryBlobs())
    watcher = Watcher(Troubles(tables=tables), mailbox, (lookout,), lambda: clock.now)

    def told() -> list[str]:
        watcher.watch()
        watcher.watch()
        messages = queues.receive(Queue.notifications)
        for message in messages:
            queues.delete(Queue.notifications, message)
        return [message.body for message in messages]

    return SimpleNamespace(configurations=configurations, checkups=checkups, clock=clock, told=told)


def test_each_warning_is_told_once(house: Any) -> None:
    """At 30, 14, 7 and 1 days and at the end, however often the watch looks; then that it is over."""
    saved = house.configurations.save(_configuration(client_secret_expires=date(2027, 1, 31)))
    spoken = []
    for day in range(90):
        house.clock.now = NOW + timedelta(days=day)
        spoken += [(day, len(texts)) for texts in [house.told()] if texts]

    end = (date(2027, 1, 31) - NOW.date()).days
    assert spoken == [(end - 30, 1), (end - 14, 1), (end - 7, 1), (end - 1, 1), (end + 1, 1)]
    house.configurations.save(saved.model_copy(update={"client_secret_expires": date(2028, 1, 1)}))
    assert len(house.told()) == 1
    assert house.told() == []


def test_a_line_about_a_secret_that_was_replaced_says_nothing(house: Any) -> None:
    """After a rotation nobody is warned of the old one."""
    old = CredentialLine(
        kind=CredentialKind.client_secret,
        expires=instant_of(NOW),
        source=ExpirySource.graph,
        reference="before",
    )
    house.checkups.save("c1", Checkup(at=instant_of(NOW), ok=True, summary="", credentials=(old,)))
    house.configurations.save(_configuration())

    assert house.told() == []


def test_a_configuration_that_is_off_warns_of_nothing(house: Any) -> None:
    """Nobody misses it."""
    house.configurations.save(_configuration(enabled=False, client_secret_expires=NOW.date()))

    assert house.told() == []
