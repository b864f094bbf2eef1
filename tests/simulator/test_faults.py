"""Bad days on demand, over both HTTP versions."""

from __future__ import annotations

import time

import httpx2
import pytest
import requests

from simulator import sample
from simulator.faults import Fault
from simulator.serve import Simulator
from simulator.world import World

pytestmark = pytest.mark.peer


def _keys(simulator: Simulator) -> str:
    return f"{simulator.url}/{sample.TENANT_ID}/discovery/v2.0/keys"


@pytest.mark.parametrize("kind", ["401", "403", "429", "500", "503"])
def test_a_fault_answers_with_its_status(simulator: Simulator, http: requests.Session, kind: str) -> None:
    """The kind is the status; the part behind is not asked."""
    simulator.world.faults.append(Fault("/", kind))
    assert http.get(_keys(simulator), timeout=10).status_code == int(kind)


def test_a_fault_wears_off(simulator: Simulator, http: requests.Session) -> None:
    """`times` counts down, `skip` lets requests through first, and a spent fault leaves the list."""
    simulator.world.faults.append(Fault("/", "500", times=2, skip=1))
    statuses = [http.get(_keys(simulator), timeout=10).status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    assert simulator.world.faults == []


def test_a_fault_concerns_its_path_and_method_only(simulator: Simulator, http: requests.Session) -> None:
    """Others go on as if nothing were."""
    simulator.world.faults += [Fault("/api", "500"), Fault("/", "500", method="PATCH")]
    assert http.get(_keys(simulator), timeout=10).status_code == 200


def test_control_is_never_harmed(simulator: Simulator, http: requests.Session) -> None:
    """Faults can always be taken back."""
    simulator.world.faults.append(Fault("/", "500"))
    assert http.get(f"{simulator.url}/_control/pushes", timeout=10).status_code == 200


@pytest.mark.parametrize(("code", "expected"), [(None, "429"), ("TooManyRequests", "TooManyRequests")])
def test_throttling_has_either_real_body(
    simulator: Simulator, http: requests.Session, code: str | None, expected: str
) -> None:
    """Code "429" as seen in the field, or the documented one; Retry-After as wished."""
    simulator.world.faults.append(Fault("/", "429", retry_after=7, code=code))
    answer = http.get(_keys(simulator), timeout=10)
    assert answer.json()["error"]["code"] == expected
    assert answer.headers["Retry-After"] == "7"


def test_retry_after_may_be_missing(simulator: Simulator, http: requests.Session) -> None:
    """Not every 429 says how long."""
    simulator.world.faults.append(Fault("/", "429"))
    assert "Retry-After" not in http.get(_keys(simulator), timeout=10).headers


def test_internal_errors_say_nothing(simulator: Simulator, http: requests.Session) -> None:
    """A 500 has an empty message."""
    simulator.world.faults.append(Fault("/", "500"))
    assert http.get(_keys(simulator), timeout=10).json()["error"]["message"] == ""


def test_unavailability_is_html(simulator: Simulator, http: requests.Session) -> None:
    """A 503 is a page, not JSON."""
    simulator.world.faults.append(Fault("/", "503"))
    assert http.get(_keys(simulator), timeout=10).text.startswith("<html>")


def test_garbage_is_a_200_that_is_no_json(simulator: Simulator, http: requests.Session) -> None:
    """It even claims to be JSON."""
    simulator.world.faults.append(Fault("/", "garbage"))
    answer = http.get(_keys(simulator), timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_a_dropped_connection_gives_no_answer(simulator: Simulator, http: requests.Session) -> None:
    """HTTP/1.1: closed without a byte, and the next request works."""
    simulator.world.faults.append(Fault("/", "drop", times=1))
    with pytest.raises(requests.exceptions.ConnectionError, match="without response"):
        http.get(_keys(simulator), timeout=10)
    assert http.get(_keys(simulator), timeout=10).status_code == 200


def test_a_dropped_connection_gives_no_answer_over_http_2(simulator: Simulator, http2: httpx2.Client) -> None:
    """HTTP/2 likewise."""
    simulator.world.faults.append(Fault("/", "drop", times=1))
    with pytest.raises(httpx2.RemoteProtocolError):
        http2.get(_keys(simulator))
    assert http2.get(_keys(simulator)).status_code == 200


def test_slow_answers_come_late_but_right(simulator: Simulator, http: requests.Session) -> None:
    """The answer is the real one, after the time; meanwhile others are served."""
    simulator.world.faults.append(Fault("/", "slow", times=1, seconds=0.2))
    start = time.monotonic()
    answer = http.get(_keys(simulator), timeout=10)
    assert answer.status_code == 200
    assert time.monotonic() - start >= 0.2


def test_requests_are_counted_by_path(world: World, simulator: Simulator, http: requests.Session) -> None:
    """The world knows how often it was called, faults included, control excluded."""
    world.faults.append(Fault("/", "500", times=1))
    for path in ("/a/1", "/a/2", "/b", "/_control/pushes"):
        http.get(simulator.url + path, timeout=10)
    assert (world.count("/a"), world.count("/"), world.count("/", method="POST")) == (2, 3, 0)


@pytest.mark.parametrize("kind", ["418", "", "endless"])
def test_an_unknown_kind_is_refused(kind: str) -> None:
    """A fault that nothing would answer is an error, not silence."""
    with pytest.raises(ValueError, match="kind must be one of"):
        Fault("/", kind)
