"""The dialects of the webhook, and posting them as a Logic App does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from simulator import scenarios
from simulator.logic_app import forward
from simulator.templates import fixture
from simulator.webhook_dialects import DIALECTS, dialect_of
from simulator.world import World


class Receiver(BaseHTTPRequestHandler):
    """Answers the statuses it was given, one after the other, and keeps what came."""

    statuses: list[int]
    came: list[tuple[dict[str, str], Any]]

    def do_POST(self) -> None:
        """Take one post."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.came.append(({key.lower(): value for key, value in self.headers.items()}, json.loads(body)))
        self.send_response(self.statuses.pop(0))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[type[Receiver]]:
    """A webhook on loopback; set `statuses`, look at `came` and `url`."""
    kind = type("One", (Receiver,), {"statuses": [], "came": []})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        kind.url = f"http://127.0.0.1:{server.server_port}/api/webhook"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield kind
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("statuses", "posts"), [([500, 429, 202], 3), ([200], 1), ([400], 1), ([404], 1), ([503] * 9, 5)]
)
def test_only_passing_trouble_is_tried_again(statuses: list[int], posts: int, receiver: Any) -> None:
    """408, 429 and 5xx up to four times more, other answers never; the run keeps its id."""
    receiver.statuses = list(statuses)
    pauses: list[float] = []

    tried = forward(receiver.url, {"a": 1}, key="k", pause=pauses.append)

    assert tried == statuses[:posts]
    assert len({headers["x-ms-workflow-run-id"] for headers, _ in receiver.came}) == 1
    assert all(headers["x-functions-key"] == "k" and body == {"a": 1} for headers, body in receiver.came)
    assert all(5 <= pause <= 45 for pause in pauses)


def test_only_web_addresses_are_posted_to() -> None:
    """A file is no webhook."""
    with pytest.raises(ValueError, match="https"):
        forward("file:///tmp/x", {})


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_json(dialect: str, world: World) -> None:
    """And none is empty."""
    assert json.loads(json.dumps(scenarios.webhook_body(world, dialect=dialect)))


def test_the_pascal_event_has_the_shape_of_the_fixture(world: World) -> None:
    """Same names as in the fixture that was written after captured events, on the surface and in host
    entities.
    """
    event = scenarios.webhook_body(world, fixture="vm_suspicious_process")
    known = fixture("webhook/alert_event_pascal")

    assert event.keys() == known.keys()
    assert (event["Status"], event["Intent"]) == ("New", "Execution, Persistence")
    assert event["Entities"][0].keys() == known["Entities"][0].keys()
    assert all(one["$id"].isdecimal() for one in event["Entities"])
    assert "Suspicious command line" in event["ExtendedProperties"]


def test_the_camel_body_has_the_shape_of_the_fixture(world: World) -> None:
    """Steps in one string, no identifiers, `timeGenerated` without Utc."""
    body = scenarios.webhook_body(world, dialect="camel")

    assert fixture("webhook/alert_flat_camel").keys() <= body.keys()
    assert isinstance(body["remediationSteps"], str)
    assert scenarios.webhook_body(world, dialect="wrapped").keys() == {"body"}


def test_the_event_and_the_list_mean_one_alert(world: World) -> None:
    """A webhook about an alert names it as the list does; a lag keeps it from the list for a while."""
    from datetime import timedelta

    event = scenarios.webhook_body(world, lag=timedelta(minutes=1))
    before = scenarios.cloud_names(world)
    world.advance(60)

    assert (before, scenarios.cloud_names(world)) == ([], [event["SystemAlertId"]])
    again = scenarios.webhook_body(world, dialect="camel", name=event["SystemAlertId"])
    assert again["systemAlertId"] == event["SystemAlertId"]


def test_an_unknown_dialect_is_an_error() -> None:
    """Rather than some other body."""
    with pytest.raises(LookupError):
        dialect_of("klingon", {})
