"""Processes that are watched and stopped, and signals that stop them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devhost.children import Child, Stopped, Stopping
from devhost.workshop import Trouble

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture
def stopping() -> Iterator[Stopping]:
    """Handles signals as `dev.py run` does, during one test."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield Stopping()
    for number, handler in before.items():
        signal.signal(number, handler)


def _child(tmp_path: Path, source: str) -> Child:
    command = [sys.executable, "-u", "-c", source]
    return Child("worker", command, cwd=tmp_path, log=tmp_path / "worker.log", environ=dict(os.environ))


def _ready(tmp_path: Path) -> bool:
    return "ready" in (tmp_path / "worker.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_pause(stopping: Stopping, number: int) -> None:
    """And not the code between pauses, where something may be half started."""
    began = time.monotonic()
    signal.raise_signal(number)

    with pytest.raises(Stopped):
        stopping.pause(10)

    assert time.monotonic() - began < 1


def test_a_child_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path, stopping: Stopping) -> None:
    """The words are in its log."""
    child = _child(tmp_path, "print('the reason'); raise SystemExit(3)")

    with pytest.raises(Trouble, match=r"(?s)worker has ended \(status 3\).*the reason"):
        child.wait_until(lambda: False, stopping, seconds=10)


def test_a_child_that_is_not_ready_in_time_is_told_too(tmp_path: Path, stopping: Stopping) -> None:
    """And can still be stopped."""
    child = _child(tmp_path, "import time; print('starting'); time.sleep(60)")

    with pytest.raises(Trouble, match=r"(?s)does not answer after 1 seconds.*starting"):
        child.wait_until(lambda: False, stopping, seconds=1)

    child.stop()


def test_a_child_is_asked_to_end(tmp_path: Path, stopping: Stopping) -> None:
    """It may tidy up."""
    source = (
        "import signal, time\n"
        "def end(*_): print('tidied'); raise SystemExit\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('ready'); time.sleep(60)"
    )
    child = _child(tmp_path, source)
    child.wait_until(lambda: _ready(tmp_path), stopping, seconds=10)

    child.stop()

    assert "tidied" in (tmp_path / "worker.log").read_text()


def test_a_child_that_does_not_listen_is_ended(
    tmp_path: Path, stopping: Stopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within seconds; stopping it again does nothing."""
    monkeypatch.setattr("devhost.children._STOP_SECONDS", 0.3)
    source = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready'); time.sleep(60)"
    )
    child = _child(tmp_path, source)
    child.wait_until(lambda: _ready(tmp_path), stopping, seconds=10)

    child.stop()
    child.stop()

    with pytest.raises(Trouble, match="has ended"):
        child.check()
