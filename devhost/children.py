"""Processes that are started, watched and stopped together. Each writes to its own log."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from devhost.orphans import ending_with_us
from devhost.workshop import Trouble, last_lines

_STOP_SECONDS = 8.0


class Stopped(Exception):
    """Somebody asked us to stop (Ctrl+C, SIGTERM, a closed terminal)."""


class Stopping:
    """Turns signals into `Stopped`, raised only where `pause` is called, so that nothing is left half
    started.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            if number := getattr(signal, name, None):
                signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked.set()

    def pause(self, seconds: float = 0.0) -> None:
        """Wait. Raises Stopped as soon as somebody asks."""
        until = time.monotonic() + seconds
        while not self._asked.is_set():
            left = until - time.monotonic()
            if left <= 0:
                return
            self._asked.wait(min(left, 0.2))  # in short waits: Windows delivers a signal only between them
        raise Stopped


class Child:
    """A running process with a name. It does not get our Ctrl+C: we stop it, when its turn comes."""

    def __init__(
        self, name: str, command: list[str], *, cwd: Path, log: Path, environ: Mapping[str, str]
    ) -> None:
        self.name, self.log = name, log
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                command,
                cwd=cwd,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=os.name != "nt",
                preexec_fn=ending_with_us(),
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    def check(self) -> None:
        """Raises Trouble with its last words if it has ended by itself."""
        if self._process.poll() is not None:
            raise Trouble(
                f"{self.name} has ended (status {self._process.returncode}). "
                f"It said ({self.log}):\n{last_lines(self.log)}"
            )

    def wait_until(self, ready: Callable[[], bool], stopping: Stopping, *, seconds: float) -> None:
        """Wait for `ready`. Raises Trouble with its last words if it ends or takes too long, and Stopped."""
        until = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > until:
                raise Trouble(
                    f"{self.name} does not answer after {seconds:.0f} seconds. "
                    f"It said ({self.log}):\n{last_lines(self.log)}"
                )
            stopping.pause(0.2)

    def stop(self) -> None:
        """Ask it to end, and end it if it does not within seconds."""
        if self._process.poll() is None:
            self._process.send_signal(_gentle())
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _gentle() -> int:
    # Windows has no SIGTERM that a process could take as a wish; SIGBREAK reaches its whole group.
    return int(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
