"""Both transports against the simulator's push services, as `dev.py run` joins them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.nouns.notifications import Outcome, Reason, Transport
from shared.push.services import transports
from shared.push.transport import PushTransport
from shared.settings import Settings
from simulator.apns import add_key, install
from simulator.elliptic import pem
from simulator.serve import Simulator
from simulator.web_push import subscribe

pytestmark = pytest.mark.peer

TOPIC = "net.example.pocketsoc"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A simulator of its own."""
    with Simulator() as running:
        yield running


@pytest.fixture
def joined(simulator: Simulator, vault: Any) -> Iterator[dict[Transport, PushTransport]]:
    """The transports as settings that name the simulator give them."""
    vault.set("apns-signing-key", pem(add_key(simulator.world, key_id="KEY1", team="TEAM1")))
    settings = Settings(
        push_hosts=(simulator.url.removeprefix("https://"),),
        ca_bundle=simulator.ca_bundle,
        apns_team_id="TEAM1",
        apns_key_id="KEY1",
        apns_topic=TOPIC,
        apns_url=simulator.url,
    )
    found = transports(settings, vault)
    yield found
    found[Transport.apns].close()  # type: ignore[attr-defined]


@pytest.fixture
def phones(simulator: Simulator, joined: Any, make_installation: Any) -> dict[Transport, Any]:
    """A browser and an iPhone: (what registers them, the phone, the installation)."""
    browser = subscribe(
        simulator.world, "browser", application_server_key=joined[Transport.webpush].public_key()
    )
    iphone = install(simulator.world, "iphone", topic=TOPIC)
    return {
        Transport.webpush: (browser, browser.phone, make_installation(browser.as_browser(simulator.world))),
        Transport.apns: (iphone, iphone.phone, make_installation({"token": iphone.token}, Transport.apns)),
    }


@pytest.mark.parametrize("name", list(Transport))
def test_a_push_reaches_the_screen(joined: Any, phones: Any, make_notification: Any, name: Transport) -> None:
    """The simulator checks headers, tokens and encryption more strictly than any one real service."""
    _, phone, installation = phones[name]

    delivery = joined[name].send(make_notification(), installation)

    assert (delivery.outcome, delivery.reason) == (Outcome.delivered, "")
    assert "Credential dumping" in str(phone.screen[0].payload)


@pytest.mark.parametrize("name", list(Transport))
@pytest.mark.parametrize("online", [True, False])
def test_what_is_said_again_replaces_what_was_said(
    simulator: Simulator, joined: Any, phones: Any, make_notification: Any, name: Transport, online: bool
) -> None:
    """On the screen, and at the service while the phone is away."""
    _, phone, installation = phones[name]
    phone.online = online

    joined[name].send(make_notification(), installation)
    joined[name].send(make_notification(id="7f3a-0c21.2", reason=Reason.severity_raised), installation)
    phone.come_online(simulator.world.now())

    assert len(phone.screen) == 1
    assert "Severity raised" in str(phone.screen[0].payload)


def test_who_is_gone_is_told_apart(joined: Any, phones: Any, make_notification: Any) -> None:
    """Both services say it in their own way."""
    phones[Transport.webpush][0].gone = True
    phones[Transport.apns][0].unregistered = datetime.now(UTC)

    outcomes = {joined[name].send(make_notification(), phones[name][2]).outcome for name in Transport}

    assert outcomes == {Outcome.gone}
