"""Timer triggers: past due, on startup, one at a time, never stopped by an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devhost.ncrontab import parse
from devhost.timer_trigger import Monitor, is_monitored

Run = Callable[..., Any]
Eventually = Callable[..., Any]
_NOW = datetime(2026, 11, 20, 10, 15, 30)  # noqa: DTZ001 - schedules know no zones


def _timer(schedule: str, body: str = "runs.append(timer.past_due)", more: str = "") -> str:
    return f"""
import threading, time
runs = []

@app.timer_trigger(schedule="{schedule}", arg_name="timer"{more})
def tick(timer: func.TimerRequest) -> None:
    {body}
"""


def _runs(host: Any) -> list[Any]:
    runs: list[Any] = host.host.functions[0].call.__globals__["runs"]
    return runs


def test_a_timer_runs_at_its_times_and_errors_do_not_stop_it(run: Run, eventually: Eventually) -> None:
    """A function that always fails is called again at the next second."""
    host = run(_timer("* * * * * *", "runs.append(time.time()); 1 / 0"))

    eventually(lambda: len(_runs(host)) >= 2)

    first, second = _runs(host)[:2]
    assert 0.7 < second - first < 1.5


def test_runs_of_one_timer_do_not_overlap(run: Run, eventually: Eventually) -> None:
    """A run that outlasts the schedule's step is followed by the next, not joined by it."""
    host = run(_timer("* * * * * *", "runs.append('in'); time.sleep(1.3); runs.append('out')"))

    eventually(lambda: len(_runs(host)) >= 4)

    assert _runs(host)[:4] == ["in", "out", "in", "out"]


def test_the_master_key_runs_a_timer_now(run: Run) -> None:
    """As the real host's admin address does; nobody else may, and only timers are there."""
    host = run(_timer("0 0 0 1 1 *"))
    default, master = host.host.keys.default, host.host.keys.master

    statuses = [
        host.call(f"/admin/functions/{name}?code={key}", method="POST").status
        for name, key in (("tick", default), ("tick", master), ("tock", master))
    ]

    assert statuses == [401, 202, 404]
    assert _runs(host) == [False]


def test_a_missed_run_is_made_up_for_at_once(run: Run, tmp_path: Path, eventually: Eventually) -> None:
    """The monitor's file says that the host was off when it should have run."""
    path = tmp_path / "state" / "timers" / "tick.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"Last": "2025-06-01T00:00:00"}))

    host = run(_timer("0 0 0 1 1 *"))
    eventually(lambda: _runs(host))
    host.stop()

    assert _runs(host) == [True]
    assert json.loads(path.read_text())["Last"] > "2026-01-01"


def test_a_first_start_is_not_past_due(run: Run, tmp_path: Path) -> None:
    """Nothing is known yet, so nothing was missed; from then on it is remembered."""
    host = run(_timer("0 0 0 1 1 *"))
    host.call("/")
    host.stop()

    assert _runs(host) == []
    assert (tmp_path / "state" / "timers" / "tick.json").exists()


def test_run_on_startup_runs_at_once(run: Run, eventually: Eventually) -> None:
    """It is not past due for that."""
    host = run(_timer("0 0 0 1 1 *", more=", run_on_startup=True"))

    eventually(lambda: _runs(host))

    assert _runs(host) == [False]


def test_a_schedule_closer_than_a_minute_is_not_monitored() -> None:
    """Its missed runs are not worth remembering."""
    assert not is_monitored(parse("*/30 * * * * *"), _NOW)
    assert is_monitored(parse("0 * * * * *"), _NOW)


def test_a_monitor_reports_what_was_missed(tmp_path: Path) -> None:
    """The first run after the last one, if its time is over."""
    monitor = Monitor(tmp_path / "tick.json")
    monitor.note(_NOW)

    assert monitor.missed(parse("0 0 * * * *"), _NOW + timedelta(minutes=30)) is None
    late = monitor.missed(parse("0 0 * * * *"), _NOW + timedelta(hours=3))
    assert late == _NOW.replace(hour=11, minute=0, second=0)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"Last": 5}'])
def test_a_broken_monitor_file_is_a_first_start(tmp_path: Path, content: str) -> None:
    """It is written anew."""
    path = tmp_path / "tick.json"
    path.write_text(content)

    assert Monitor(path).missed(parse("0 * * * * *"), _NOW) is None
    assert json.loads(path.read_text()) == {"Last": _NOW.isoformat()}
