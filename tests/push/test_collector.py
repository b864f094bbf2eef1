"""The way to the collector, against a real one on loopback."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import HostNotAllowed, OperatorMustAct, PocketSOCError, Refused, Throttled, TryLater
from shared.push.collector import CollectorLink
from shared.store.memory import MemorySecrets
from tests.collector_peer import Peer, collector

LINES = ('{"key":"1"}', '{"key":"ä"}')
CANARY = "canary~8Q~never-to-be-shown"


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    """A collector."""
    with collector(tmp_path) as running:
        yield running


def link(peer: Peer, *, reference: str | None = None, url: str | None = None) -> CollectorLink:
    """The way to it, with a token in the secret store."""
    secrets = MemorySecrets()
    secrets.set("collector-token", CANARY)
    return CollectorLink(url or peer.url, secrets, reference, ca_bundle=peer.ca_bundle)


def test_records_arrive_as_lines_with_the_token(peer: Peer) -> None:
    """And with a key that is the same when they come again."""
    sender = link(peer, reference="collector-token")
    sender.send(LINES)
    sender.send(LINES)

    (first, records), (second, _) = peer.batches
    assert records == [{"key": "1"}, {"key": "ä"}]
    assert (first["authorization"], first["content-type"]) == (f"Bearer {CANARY}", "application/x-ndjson")
    assert (first["x-pocketsoc-records"], first["idempotency-key"]) == ("2", second["idempotency-key"])


def test_without_a_reference_no_token_is_sent(peer: Peer) -> None:
    """The collector wants none."""
    link(peer).send(LINES)

    assert "authorization" not in peer.batches[0][0]


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (400, {}, Refused),
        (401, {}, Refused),
        (307, {"Location": "https://elsewhere.example/"}, Refused),
        (429, {"Retry-After": "7"}, Throttled),
        (503, {"Retry-After": "9"}, TryLater),
        (500, {}, TryLater),
    ],
)
def test_every_refusal_says_what_to_do(
    peer: Peer, status: int, headers: dict[str, str], error: type[PocketSOCError]
) -> None:
    """Without the token or the whole address; a redirect is not followed."""
    peer.answers = [(status, headers)]

    with pytest.raises(error) as caught:
        link(peer, reference="collector-token").send(LINES)

    assert CANARY not in str(caught.value)
    assert "/ingest" not in str(caught.value)
    if isinstance(caught.value, TryLater) and headers:
        assert caught.value.retry_after == float(headers["Retry-After"])


def test_a_collector_that_is_not_there_is_tried_later(peer: Peer) -> None:
    """So is one whose certificate nobody vouches for."""
    with pytest.raises(TryLater):
        link(peer, url="https://localhost:1/ingest").send(LINES)
    with pytest.raises(TryLater):
        CollectorLink(peer.url, MemorySecrets(), None).send(LINES)


def test_a_missing_token_is_the_operators_to_mend(peer: Peer) -> None:
    """By the secret's name."""
    with pytest.raises(OperatorMustAct, match="absent"):
        link(peer, reference="absent").send(LINES)


@pytest.mark.parametrize(
    "url",
    [
        "http://collector.example/",
        "https://",
        "https://user:pw@collector.example/",
        "https://:pw@collector.example/",
        "collector.example",
    ],
)
def test_only_a_plain_https_address_is_taken(peer: Peer, url: str) -> None:
    """Nothing else is ever called."""
    with pytest.raises(HostNotAllowed):
        link(peer, url=url)


@pytest.mark.parametrize("stored", [f"two {CANARY}", f"{CANARY}\nX-Other: 1", f"{CANARY}\u00e4"])
def test_a_token_that_is_none_is_not_quoted(peer: Peer, stored: str) -> None:
    """Neither in the error nor in what it was made from."""
    secrets = MemorySecrets()
    secrets.set("collector-token", stored)
    sender = CollectorLink(peer.url, secrets, "collector-token", ca_bundle=peer.ca_bundle)

    with pytest.raises(OperatorMustAct, match="no bearer token") as caught:
        sender.send(LINES)

    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert peer.batches == []
