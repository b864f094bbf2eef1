"""The server: two HTTP versions, its certificates, its end."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx2
import pytest
import requests

from simulator.certificates import certificates
from simulator.serve import Simulator
from simulator.world import World

pytestmark = pytest.mark.peer


def test_both_http_versions_are_spoken_on_one_port(
    simulator: Simulator, http: requests.Session, http2: httpx2.Client
) -> None:
    """The client chooses by ALPN."""
    path = "/_control/pushes"
    assert http.get(simulator.url + path, timeout=10).raw.version == 11
    assert http2.get(path).http_version == "HTTP/2"


def test_the_address_by_number_is_in_the_certificate(simulator: Simulator, http: requests.Session) -> None:
    """127.0.0.1 works as localhost does."""
    url = simulator.url.replace("localhost", "127.0.0.1")
    assert http.get(f"{url}/_control/pushes", timeout=10).status_code == 200


def test_who_does_not_know_the_authority_does_not_trust_it(
    simulator: Simulator, http: requests.Session
) -> None:
    """Verification is real."""
    http.verify = True
    with pytest.raises(requests.exceptions.SSLError):
        http.get(f"{simulator.url}/_control/pushes", timeout=10)


def test_certificates_outlive_a_restart(tmp_path: Path) -> None:
    """Whoever trusted the authority once still does; the key is the owner's alone."""
    first = certificates(tmp_path)
    text = first.authority.read_bytes()
    assert certificates(tmp_path).authority.read_bytes() == text
    assert first.key.stat().st_mode & 0o077 == 0


def test_only_loopback_is_listened_on(simulator: Simulator) -> None:
    """The simulator is not for the network."""
    port = int(simulator.url.rsplit(":", 1)[1])
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", port))


def test_stopping_frees_the_port_though_a_client_stays_connected(tmp_path: Path) -> None:
    """A restart on the same port works at once, with an idle connection still open."""
    with requests.Session() as session:
        session.trust_env = False
        with Simulator(folder=tmp_path) as first:
            session.get(f"{first.url}/_control/pushes", verify=first.ca_bundle, timeout=10)
            port = int(first.url.rsplit(":", 1)[1])
        with Simulator(World(), port=port, folder=tmp_path) as second:
            answer = session.get(f"{second.url}/_control/pushes", verify=second.ca_bundle, timeout=10)
    assert answer.json()["count"] == 0


def test_stopping_twice_is_harmless() -> None:
    """The second stop does nothing."""
    running = Simulator(World())
    running.stop()
    running.stop()
