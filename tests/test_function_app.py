"""What the Functions host is told: every trigger with its binding, the limits, and what is deployed."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from devhost.ncrontab import parse
from shared.pipeline.tick import TICKET_LIFE
from shared.pipeline.timers import TIMERS
from shared.store.stores import QUEUES
from shared.vendors.registry import VENDORS
from shared.vendors.vendor import WebhookVendor

ROOT = Path(__file__).resolve().parent.parent
INDEX = """
import json, sys
import function_app
from azure.functions import FunctionApp

apps = [value for value in vars(function_app).values() if isinstance(value, FunctionApp)]
found = [
    {
        "name": one.get_function_name(),
        "doc": one.get_user_function().__doc__,
        "retry": one.get_settings_dict("retry_policy"),
        "bindings": [json.loads(binding) for binding in one.get_raw_bindings()],
    }
    for app in apps
    for one in app.get_functions()
]
print(json.dumps({"apps": len(apps), "functions": found}))
"""

Function = Mapping[str, Any]


def python(code: str, folder: Path) -> str:
    """What a new interpreter without any setting prints, started in a folder."""
    command = [sys.executable, "-B", "-c", code]
    ended = subprocess.run(
        command, cwd=folder, env={}, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def index(folder: Path) -> dict[str, Any]:
    """Import and index the app in a folder; in a process of its own, because that works once only."""
    found: dict[str, Any] = json.loads(python(INDEX, folder))
    return found


@pytest.fixture(scope="module")
def indexed() -> dict[str, Any]:
    """The app, indexed once."""
    return index(ROOT)


@pytest.fixture(scope="module")
def functions(indexed: dict[str, Any]) -> dict[str, Function]:
    """Every function by name."""
    return {one["name"]: one for one in indexed["functions"]}


@pytest.fixture(scope="module")
def host() -> dict[str, Any]:
    """host.json."""
    content: dict[str, Any] = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    return content


def trigger(function: Function) -> dict[str, Any]:
    """The binding that starts it."""
    [found] = [b for b in function["bindings"] if b["type"].endswith("Trigger")]
    return dict(found)


def of_type(functions: Mapping[str, Function], kind: str) -> dict[str, dict[str, Any]]:
    """The triggers of one type, by the function's name."""
    triggers = {name: trigger(function) for name, function in functions.items()}
    return {name: found for name, found in triggers.items() if found["type"] == kind}


def seconds(timespan: str) -> float:
    """A .NET time like 00:00:30, in seconds."""
    hours, minutes, rest = timespan.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_the_functions_are_these(functions: dict[str, Function]) -> None:
    """Names are addresses: the host keeps keys and timers, and operators keep dashboards, by them."""
    assert set(functions) == {
        *("tick", "watch", "poll_vendor", "webhook_defender_for_cloud", "api"),
        *("ingest", "ingest_backlog", "notify", "notify_backlog"),
        *("serve_collector", "tick_inventory", "read_inventory", "quarantine_inventory", "daily_checks"),
        *("sweep", "sweep_vendor", "quarantine_sweeps"),
        *("quarantine_polls", "quarantine_raw_alerts", "quarantine_notifications"),
        *("quarantine_raw_alerts_backlog", "quarantine_notifications_backlog"),
    }


def test_there_is_one_app(indexed: dict[str, Any]) -> None:
    """The worker refuses two."""
    assert indexed["apps"] == 1


def test_every_queue_has_its_worker_and_its_poison_worker(functions: dict[str, Function]) -> None:
    """A queue that nobody reads fills in silence, and so does a poison queue."""
    read = sorted(one["queueName"] for one in of_type(functions, "queueTrigger").values())

    assert read == sorted([*QUEUES, *(f"{name}-poison" for name in QUEUES)])


def test_every_queue_is_on_the_products_storage_account(functions: dict[str, Function]) -> None:
    """The one that shared.settings reads, too."""
    connections = {one["connection"] for one in of_type(functions, "queueTrigger").values()}

    assert connections == {"AzureWebJobsStorage"}


def test_no_function_has_a_retry_policy(functions: dict[str, Function]) -> None:
    """On a queue trigger it would repeat each of the queue's own deliveries; the queue alone counts."""
    assert {name for name, one in functions.items() if one["retry"]} == set()


def test_every_route_names_its_auth_level_and_methods(functions: dict[str, Function]) -> None:
    """There is no default, and only the API, whose routes sign their callers in, is open to the host."""
    routes = of_type(functions, "httpTrigger")

    assert {name: one["authLevel"] for name, one in routes.items()} == {
        "api": "ANONYMOUS",
        "webhook_defender_for_cloud": "FUNCTION",
    }
    assert all(one["methods"] for one in routes.values())
    assert (ROOT / "function_app.py").read_text().count("auth_level=func.AuthLevel.") == len(routes) + 1


def test_every_vendor_with_a_webhook_has_its_route(functions: dict[str, Function]) -> None:
    """The API shows its address as webhook_url; it takes POST only."""
    wanted = {
        f"api/webhooks/{s.replace('_', '-')}" for s, v in VENDORS.items() if isinstance(v, WebhookVendor)
    }
    routes = [one for one in of_type(functions, "httpTrigger").values() if "webhooks" in one["route"]]

    assert {one["route"] for one in routes} == {f"{path}/{{configuration}}" for path in wanted}
    assert {method for one in routes for method in one["methods"]} == {"POST"}


def test_timers_come_as_often_as_they_are_expected_and_not_at_start(functions: dict[str, Function]) -> None:
    """At start they would come once for each instance; one that nobody expects would be missed by nobody."""
    timers = of_type(functions, "timerTrigger")
    noon = datetime(2026, 11, 20, 12, 1, 1)  # noqa: DTZ001 - schedules know no zone

    assert {name: _every(timer["schedule"], noon) for name, timer in timers.items()} == dict(TIMERS)
    assert {timer["runOnStartup"] for timer in timers.values()} == {False}
    assert {timer["useMonitor"] for timer in timers.values()} == {True}


def _every(schedule: str, moment: datetime) -> timedelta:
    expression = parse(schedule)
    first = expression.after(moment)
    second = expression.after(first) if first else None
    assert first is not None
    assert second is not None
    return second - first


def test_every_function_says_what_it_does(functions: dict[str, Function]) -> None:
    """The list of triggers is the product's table of contents."""
    assert [name for name, one in functions.items() if not one["doc"]] == []


def test_routes_are_complete_in_the_code(host: dict[str, Any]) -> None:
    """The ASGI bridge and webhook_url know the whole path; a prefix would come twice."""
    assert host["extensions"]["http"]["routePrefix"] == ""


def test_queues_are_looked_at_every_two_seconds_at_least(host: dict[str, Any]) -> None:
    """An alert is on the phone in seconds; the host's own default is a minute."""
    assert seconds(host["extensions"]["queues"]["maxPollingInterval"]) <= 2


def test_a_failing_message_comes_again_and_then_goes_to_quarantine(host: dict[str, Any]) -> None:
    """Not at once, five times, and in the encoding that store/queues.py writes."""
    queues = host["extensions"]["queues"]

    assert queues["maxDequeueCount"] == 5
    assert 10 <= seconds(queues["visibilityTimeout"]) <= 60
    assert queues["messageEncoding"] == "base64"


def test_a_poll_cannot_outlive_its_ticket(host: dict[str, Any]) -> None:
    """Else two polls of one configuration would run side by side."""
    assert seconds(host["functionTimeout"]) < TICKET_LIFE.total_seconds()


def test_telemetry_never_samples_failures_away(host: dict[str, Any]) -> None:
    """An exception that is not recorded cannot be looked for."""
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]

    assert "Exception" in sampling["excludedTypes"].split(";")


def requirements() -> list[Requirement]:
    """requirements.txt, parsed."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_every_requirement_is_pinned_exactly() -> None:
    """What is deployed is what was tested."""
    specifiers = [str(one.specifier) for one in requirements()]

    assert [s for s in specifiers if not re.fullmatch(r"==\d+(\.\d+)+", s)] == []


def test_no_development_tool_is_deployed() -> None:
    """The groups of pyproject.toml stay here; so do packages that Azure refuses or that start slowly."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    tools = {Requirement(line).name for lines in groups.values() for line in lines}
    unwanted = {"azure-functions-worker", "aiohttp", "pywebpush"}

    assert {one.name for one in requirements()} & (tools | unwanted) == set()


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_each_python_gets_one_functions_library(version: str) -> None:
    """There are two lines of it, and each refuses the other's Pythons."""
    here = {"python_version": version}
    chosen = [
        str(one.specifier)
        for one in requirements()
        if one.name == "azure-functions" and one.marker and one.marker.evaluate(here)
    ]

    assert len(chosen) == 1
    assert chosen[0].startswith("==2." if version == "3.13" else "==1.")


def deployed() -> list[Path]:
    """The files that `.funcignore` leaves, relative to the root. Its patterns have no slashes, and so are
    names at any depth, as in a .gitignore."""
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert not any("/" in pattern or pattern.startswith("!") for pattern in patterns)
    found = []
    for folder, inside, files in os.walk(ROOT):
        inside[:] = [name for name in inside if name != "__pycache__" and not _ignored(name, patterns)]
        found += [Path(folder) / name for name in files if not _ignored(name, patterns)]
    return [path.relative_to(ROOT) for path in found]


def _ignored(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def test_only_the_product_is_deployed() -> None:
    """No test, simulator, secret or local state goes to the cloud."""
    entries = {path.parts[0] for path in deployed()}

    assert entries - {"portal", "templates", ".funcignore"} == {
        *("function_app.py", "host.json", "requirements.txt", "shared"),
    }


def test_what_is_deployed_works_alone(tmp_path: Path, indexed: dict[str, Any]) -> None:
    """Every module of it imports, and the app has the same functions, without the rest of this folder."""
    for path in deployed():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
    sources = sorted((tmp_path / "shared").rglob("*.py"))
    modules = [".".join(path.relative_to(tmp_path).with_suffix("").parts) for path in sources]

    python("\n".join(f"import {name.removesuffix('.__init__')}" for name in modules), tmp_path)

    assert len(modules) > 50
    assert index(tmp_path) == indexed
