"""Which transports there are, and that none is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from shared.nouns.notifications import Privacy, Transport
from shared.push.services import transports
from shared.settings import Settings


def make_settings(**changes: Any) -> Settings:
    """Settings from these values and the environment."""
    return Settings(**changes)


def test_web_push_is_always_there(vault: Any) -> None:
    """It needs no account anywhere, only the key pair that it makes."""
    found = transports(make_settings(), vault)

    assert set(found) == {Transport.webpush}
    assert found[Transport.webpush].public_key()


def test_apns_is_there_when_team_key_and_topic_are(vault: Any) -> None:
    """Two of the three are not enough."""
    named = {"apns_team_id": "TEAM", "apns_key_id": "KEY", "apns_topic": "net.example.app"}

    assert set(transports(make_settings(**named), vault)) == {Transport.webpush, Transport.apns}
    for missing in named:
        assert set(transports(make_settings(**named | {missing: None}), vault)) == {Transport.webpush}


def test_names_agree_with_keys(vault: Any) -> None:
    """An installation's transport finds the transport of that name."""
    named = {"apns_team_id": "TEAM", "apns_key_id": "KEY", "apns_topic": "net.example.app"}

    assert all(t.name is name for name, t in transports(make_settings(**named), vault).items())


def test_settings_reach_the_transport(
    vault: Any,
    push_service: Any,
    browser: Any,
    ca_bundle: str,
    make_notification: Any,
    make_installation: Any,
) -> None:
    """Hosts, authorities, privacy and address, all through the factory."""
    settings = make_settings(
        push_hosts=(push_service.host,),
        ca_bundle=ca_bundle,
        privacy=Privacy.none,
        public_url="https://p.example",
    )
    installation = make_installation(browser.subscription(push_service.endpoint()))

    delivery = transports(settings, vault)[Transport.webpush].send(make_notification(), installation)

    shown = browser.read(push_service.requests[0].body)["notification"]
    assert delivery.reason == ""
    assert (shown["title"], shown["navigate"]) == (
        "New detection",
        "https://p.example/portal/#/detections/7f3a-0c21",
    )


def test_importing_the_factory_loads_no_http_library() -> None:
    """Cold starts pay only for what they use; httpx2 not even for Web Push."""
    script = (
        "import sys, shared.push.services as s; from shared.settings import Settings\n"
        "assert not {'requests', 'httpx2', 'cryptography.hazmat.primitives'} & set(sys.modules)\n"
        "s.transports(Settings(apns_team_id='T', apns_key_id='K', apns_topic='t'), None)\n"
        "assert 'httpx2' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", script], check=True)
