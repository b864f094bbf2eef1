"""What keeps a killed `dev.py run` from leaving anything behind: its children end with it (on Linux), and two
runs never share one folder of state, whose storage would be damaged.

Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # prctl(2)


class TakenError(Exception):
    """Another process holds the folder; `process` is its id, if it said so."""

    def __init__(self, process: str) -> None:
        super().__init__(process)
        self.process = process


def ending_with_us() -> Callable[[], None] | None:
    """A `preexec_fn` for a child that is asked to end (SIGTERM) when we die, even by kill -9. None where the
    system does not offer it, and outside the main thread: it is the starting thread whose end counts.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded here: the child only calls it
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder for this process. Raises TakenError. The system lets go of it however we end; Windows
    holds nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "running").open("a+", encoding="utf-8") as file:
        if os.name != "nt":
            _lock(file.fileno(), folder / "running")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(descriptor: int, path: Path) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise TakenError(path.read_text(encoding="utf-8")) from error
