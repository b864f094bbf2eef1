"""`dev.py run` from start to stop: the whole product against the simulator, as a newcomer meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devhost.seed import CONFIGURATIONS
from devhost.web_client import WebClient
from simulator.arm_templates import Deployment
from simulator.sample import SUBSCRIPTION_ID
from simulator.workflow_automation import fire

pytestmark = [
    pytest.mark.azurite,
    pytest.mark.peer,
    pytest.mark.timeout(240),
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send"),
    pytest.mark.usefixtures("azurite"),  # skips where Azurite is not installed
]
ROOT = Path(__file__).parents[2]
_SEEDED = "From now on:"


def _free_port() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


class _Run:
    def __init__(self, state: Path, port: int, simulator_port: int) -> None:
        self.output = state.with_suffix(".output")
        self.ports = [port, simulator_port]
        ports = ["--port", str(port), "--simulator-port", str(simulator_port)]
        command = [sys.executable, "-u", "-m", "devhost.run", *ports, "--state", str(state)]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, words: str, seconds: float = 60) -> re.Match[str]:
        until = time.monotonic() + seconds
        while not (found := re.search(words, self.said())):
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.1)
        return found

    def stop(self, number: int) -> float:
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(60)
        return time.monotonic() - began


@contextmanager
def _running(state: Path, ports: tuple[int, int] | None = None) -> Iterator[_Run]:
    run = _Run(state, *(ports or (_free_port(), _free_port())))
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.stop(signal.SIGTERM)


def test_the_template_that_customers_download_forwards_an_alert(tmp_path: Path) -> None:
    """Deployed with what `run` printed and fired by an alert: it is on the phone."""
    template = json.loads((ROOT / "templates" / "pocketsoc-defender-automation.json").read_text())
    with _running(tmp_path / "state") as run:
        run.wait_for(_SEEDED)
        webhook = run.wait_for(r"\n  (http://\S+\?code=\S+)\n")[1]
        alert = json.loads((tmp_path / "state" / "webhook-example.json").read_text())
        alert |= {"AlertDisplayName": "Forwarded by the template", "Severity": "high"}
        given = {"pocketsocWebhookUrl": webhook}

        made = Deployment(template, given, subscription_id=SUBSCRIPTION_ID).run()
        [outcome] = fire(made, "Alerts", alert)

        assert outcome.statuses == (202,)
        run.wait_for(r"push       to browser: Forwarded by the template ")


def test_a_webhook_alert_becomes_a_detection_and_a_push_and_all_of_it_stops(tmp_path: Path) -> None:
    """What is printed works when it is used: the token, the webhook with its key; then SIGINT ends
    everything.
    """
    state = tmp_path / "state"
    with _running(state) as run:
        run.wait_for(_SEEDED)
        azurite_ports = [int(one) for one in re.findall(r"\d+", run.wait_for(r"Azurite, ports ([^)]*)")[1])]
        webhook = run.wait_for(r"\n  (http://\S+\?code=\S+)\n")[1]
        token = run.wait_for(r"\n  (eyJ\S+)\n")[1]

        example = json.loads((state / "webhook-example.json").read_text())
        WebClient(webhook).call("POST", "", example)

        title = example["AlertDisplayName"]
        run.wait_for(rf"detection  \S+ +{re.escape(title)} ")
        run.wait_for(rf"push       to browser: {re.escape(title)} ")
        run.wait_for(r"(?s)(  push  .*){6}")  # this one and some of those that were seeded
        product = WebClient(f"http://localhost:{run.ports[0]}")
        names = [one["title"] for one in product.call("GET", "/api/v1/detections", token=token)["items"]]
        took = run.stop(signal.SIGINT)

    assert title in names
    assert took < 15
    assert run.process.returncode == 0
    assert not any(map(_answers, [*run.ports, *azurite_ports]))


def test_a_second_run_finds_what_the_first_has_made(tmp_path: Path) -> None:
    """Configurations, installation, keys and detections survive, nothing is made twice; both times the new
    alerts are read at once.
    """
    state, ports = tmp_path / "state", (_free_port(), _free_port())
    seen = []
    for _ in range(2):
        with _running(state, ports) as run:
            run.wait_for(_SEEDED)
            token, product = (state / "token").read_text(), WebClient(f"http://localhost:{run.ports[0]}")
            configurations = product.call("GET", "/api/v1/configurations", token=token)["items"]
            installations = product.call("GET", "/api/v1/installations", token=token)["items"]
            made = sorted(one["id"] for one in (*configurations, *installations))
            run.wait_for("  detection  ", seconds=20)  # not only when the minute is full
            seen.append((made, (state / "keys.json").read_text()))
            run.stop(signal.SIGTERM)

    assert seen[0] == seen[1]
    assert len(seen[0][0]) == len(CONFIGURATIONS) + 1


def test_a_second_run_beside_the_first_is_refused(tmp_path: Path) -> None:
    """Two storages on one folder would damage it; the words name who is there."""
    state = tmp_path / "state"
    with _running(state) as first:
        first.wait_for("The functions run")
        words = first.output.with_suffix(".first")
        first.output.rename(words)
        second = _Run(state, _free_port(), _free_port())
        assert second.process.wait(30) == 1

    assert f"process {first.process.pid}" in second.said()
    assert "--state" in second.said()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_run_leaves_nothing_running(tmp_path: Path) -> None:
    """Even SIGKILL, which nobody can answer; the next run finds free ports and the state."""
    with _running(tmp_path / "state") as run:
        run.wait_for(_SEEDED)
        azurite_ports = [int(one) for one in re.findall(r"\d+", run.wait_for(r"Azurite, ports ([^)]*)")[1])]
        run.stop(signal.SIGKILL)

    until = time.monotonic() + 20
    while any(map(_answers, [*run.ports, *azurite_ports])):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_taken_port_is_said_with_the_option_to_change_it(tmp_path: Path) -> None:
    """And nothing is started."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        run = _Run(tmp_path / "state", int(holder.getsockname()[1]), _free_port())
        assert run.process.wait(30) == 1

    assert "is taken" in run.said()
    assert "dev.py run --port" in run.said()
    assert "Storage runs" not in run.said()
