"""The control API and the command line on top of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from simulator import scenarios
from simulator.__main__ import main
from simulator.world import World

Api = Any


def test_a_scenario_is_played_over_http(control: Api, world: World) -> None:
    """Arguments are those of the function, lengths of time in seconds."""
    body = {"count": 3, "within_seconds": 3600, "fields": {"severity": "High"}}

    made = control("/scenarios/endpoint/alerts", "POST", body).json()["result"]

    assert scenarios.endpoint_ids(world) == made
    assert control("/alerts/endpoint").json()["ids"] == made


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/scenarios/endpoint/alerts", {"colour": "red"}, 400),
        ("/scenarios/endpoint/alerts", {"fixture": "none"}, 404),
        ("/scenarios/endpoint/update", {"alert_id": "da1_1"}, 404),
        ("/scenarios/endpoint/revolt", {}, 404),
        ("/scenarios/cloud/webhook", {"dialect": "klingon"}, 404),
        ("/faults", {"kind": "earthquake", "match": "/"}, 400),
        ("/clock", {"advance_seconds": -1}, 400),
        ("/clock", [], 400),
    ],
)
def test_wrong_requests_say_what_is_wrong(path: str, body: Any, status: int, control: Api) -> None:
    """400 or 404 with a text."""
    answer = control(path, "POST", body)

    assert answer.status_code == status
    assert answer.json()["error"]


def test_faults_come_and_go(control: Api, endpoint: Api) -> None:
    """A fault added over HTTP harms the next requests, and can be taken back."""
    made = control("/faults", "POST", {"kind": "500", "match": "/api/alerts"}).json()["id"]
    harmed = endpoint("/api/alerts").status_code

    removed = control(f"/faults/{made}", "DELETE").status_code

    assert (harmed, removed, endpoint("/api/alerts").status_code) == (500, 204, 200)
    assert control("/faults").json() == {"faults": []}


def test_an_endless_list_is_a_fault_too(control: Api, endpoint: Api, world: World) -> None:
    """It is set like a fault and cleared with them."""
    scenarios.add_endpoint_alerts(world)
    control("/faults", "POST", {"kind": "endless_nextlink", "vendor": "endpoint"})
    endless = endpoint("/api/alerts").json()
    control("/faults", "DELETE")

    assert "@odata.nextLink" in endless
    assert "@odata.nextLink" not in endpoint("/api/alerts").json()


def test_switches_are_set_by_name_and_kind(control: Api) -> None:
    """A value of another kind, or an unknown name, is refused."""
    answer = control("/switches", "PATCH", {"endpoint": {"page_size": 5}, "cloud": {"page_size": 7}}).json()

    assert (answer["endpoint"]["page_size"], answer["cloud"]["page_size"]) == (5, 7)
    assert control("/switches", "PATCH", {"endpoint": {"page_size": "five"}}).status_code == 400
    assert control("/switches", "PATCH", {"endpoint": {"pages": 5}}).status_code == 400


def test_clock_and_counters(control: Api, endpoint: Api, world: World) -> None:
    """The clock moves when told; requests are counted by method and path."""
    endpoint("/api/alerts")

    assert control("/clock", "POST", {"advance_seconds": 90}).json()["now"] == world.now().isoformat()
    assert control("/requests").json()["requests"] == {"GET /api/alerts": 1}


def test_reset_forgets(control: Api, world: World) -> None:
    """Alerts, faults and counters."""
    scenarios.add_endpoint_alerts(world)
    scenarios.add_cloud_alerts(world)

    assert control("/reset", "POST").status_code == 204
    assert (scenarios.endpoint_ids(world), scenarios.cloud_names(world)) == ([], [])


@pytest.fixture
def run(simulator: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command against the running simulator: (exit status, what it printed)."""
    shutil.copy(simulator.ca_bundle, tmp_path / "ca.pem")

    def command(*words: str) -> tuple[int, Any]:
        status = main(["--folder", str(tmp_path), "--simulator", simulator.url, *words])
        printed = capsys.readouterr()
        return status, json.loads(printed.out) if status == 0 else printed.err

    return command


@pytest.mark.parametrize(
    ("words", "endpoint", "cloud"),
    [
        (["alert", "--vendor", "endpoint", "--severity", "high"], 1, 0),
        (["alert", "--vendor", "cloud", "--count", "3", "--within-hours", "2"], 0, 3),
        (["storm", "--count", "50"], 50, 0),
        (["late", "--hours", "3"], 1, 0),
        (["late", "--vendor", "cloud"], 0, 1),
        (["late", "--vendor", "xdr"], 0, 0),
        (["tie"], 5, 0),
    ],
)
def test_commands_make_alerts(words: list[str], endpoint: int, cloud: int, run: Any, world: World) -> None:
    """Each command makes as many alerts as it says."""
    status, _ = run(*words)

    assert status == 0
    assert (len(scenarios.endpoint_ids(world)), len(scenarios.cloud_names(world))) == (endpoint, cloud)


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["alert", "--vendor", "graph", "--severity", "high"], 1),
        (["late", "--vendor", "graph"], 1),
        (["tie", "--vendor", "graph"], 5),
    ],
)
def test_commands_make_graph_alerts(words: list[str], made: int, run: Any, control: Api) -> None:
    """Graph's own words have no capital."""
    status, printed = run(*words)

    ids = control("/alerts/graph").json()["ids"]
    assert (status, len(ids)) == (0, made)
    assert run("update", ids[0], "--vendor", "graph", "--status", "resolved")[0] == 0
    assert printed["ids"] == ids


def test_severity_is_the_vendors_word(run: Any, endpoint: Api) -> None:
    """`--severity high` is `High`, another word stays as it is, and so does a title."""
    run("alert", "--severity", "high", "--title", "One")
    run("alert", "--severity", "Purple")

    rows = endpoint("/api/alerts", orderby="severity").json()["value"]

    assert [(row["severity"], row["title"] == "One") for row in rows] == [("High", True), ("Purple", False)]


def test_commands_for_trouble(run: Any, endpoint: Api) -> None:
    """`fault 429 --times 1` harms one request; `clear` takes the rest back."""
    run("fault", "429", "--path", "/api/alerts", "--times", "1", "--retry-after", "7")
    first, second = endpoint("/api/alerts"), endpoint("/api/alerts")
    run("fault", "endless_nextlink", "--vendor", "endpoint")

    assert (first.status_code, first.headers["Retry-After"], second.status_code) == (429, "7", 200)
    assert "@odata.nextLink" in endpoint("/api/alerts").json()
    assert run("clear") == (0, None)


def test_a_webhook_is_posted_from_the_command_line(run: Any, simulator: Any, world: World) -> None:
    """To any address; here the simulator itself, which takes this one and has no route for another."""
    taken, trust = f"{simulator.url}/_control/reset", simulator.ca_bundle

    posted = run("webhook", "--dialect", "camel", "--url", taken, "--key", "k", "--trust", trust)
    refused, _ = run("webhook", "--url", f"{simulator.url}/no/such/webhook", "--trust", trust)

    assert posted == (0, {"statuses": [204]})
    assert refused == 1
    assert len(scenarios.cloud_names(world)) == 1  # the first was forgotten by what took it


@pytest.mark.parametrize(
    "words", [["faults"], ["requests"], ["inbox"], ["reset"], ["advance", "--hours", "1"]]
)
def test_the_other_commands_answer(words: list[str], run: Any) -> None:
    """Each prints what the simulator says."""
    assert run(*words)[0] == 0


def test_a_refused_command_says_why(run: Any, tmp_path: Path) -> None:
    """On standard error, with an exit status."""
    status, text = run("update", "da1_1", "--status", "Resolved")

    assert status == 1
    assert "not found" in text
    assert main(["--folder", str(tmp_path / "nowhere"), "reset"]) == 2
