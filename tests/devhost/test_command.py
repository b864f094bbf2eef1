"""`python -m devhost` as a process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer
ROOT = Path(__file__).parents[2]
SETTING = """
import os

@app.route(route="setting", auth_level=func.AuthLevel.ANONYMOUS)
def setting(req: func.HttpRequest) -> str:
    return os.environ["FROM_FILE"]
"""


def _command(folder: Path, *more: str) -> list[str]:
    return [sys.executable, "-u", "-m", "devhost", "--port", "0", "--script-root", str(folder), *more]


@contextmanager
def _running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(_command(folder), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_a_signal_and_ends_well(
    app_folder: Callable[..., Path], number: int
) -> None:
    """Settings of the file are there, the answer comes, and the end is 0 within seconds."""
    folder = app_folder(SETTING)
    (folder / "local.settings.json").write_text(json.dumps({"Values": {"FROM_FILE": "read"}}))
    with _running(folder) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        found = next(match for line in lines if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
        with urllib.request.urlopen(f"{found.group()}/setting", timeout=10) as answer:
            assert answer.read() == b"read"
        process.send_signal(number)
        rest, _ = process.communicate(timeout=10)

    assert process.returncode == 0
    assert "Stopped." in rest


def test_an_app_that_cannot_run_is_said_in_words(app_folder: Callable[..., Path]) -> None:
    """One line and status 1, no traceback."""
    folder = app_folder("other = func.FunctionApp()")

    ended = subprocess.run(
        _command(folder), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "The function app cannot be run: function_app.py must have one FunctionApp"
    )
    assert "Traceback" not in ended.stderr
