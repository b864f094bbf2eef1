"""Defender for Cloud Apps: who may call, what its lists understand, how alerts are closed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator import cloud_apps_scenarios as scenarios
from simulator.__main__ import main
from simulator.cloud_apps_access import cloud_apps
from simulator.sample import CLOUD_APPS_AUDIENCE, GRAPH_AUDIENCE
from simulator.serve import Simulator
from simulator.world import World

Api = Any
ALERTS = "/api/v1/alerts/"
HOUR = timedelta(hours=1)


@pytest.fixture
def apps(simulator: Simulator, sign_in: Callable[..., requests.Session]) -> Callable[..., requests.Response]:
    """Calls the API with a fresh token of the sample app."""
    session = sign_in(CLOUD_APPS_AUDIENCE)

    def call(path: str = ALERTS, method: str = "POST", **given: Any) -> requests.Response:
        token = simulator.world.token(CLOUD_APPS_AUDIENCE)
        headers = {"Authorization": f"Bearer {token}"} | given.pop("headers", {})
        return session.request(method, simulator.url + path, headers=headers, timeout=30, **given)

    return call


def ids(answer: requests.Response) -> list[str]:
    return [row["_id"] for row in answer.json()["data"]]


@pytest.mark.parametrize(
    ("header", "status"),
    [({"Authorization": ""}, 401), ({"Authorization": "Token 0123456789abcdef"}, 401), ({}, 200)],
)
def test_only_a_bearer_token_is_let_in(header: dict[str, str], status: int, apps: Api) -> None:
    """Also not a token of the older kind, which nobody here has."""
    assert apps(headers=header).status_code == status


def test_a_token_for_another_api_is_401(apps: Api, world: World) -> None:
    """Its audience is the application's id."""
    foreign = {"Authorization": f"Bearer {world.token(GRAPH_AUDIENCE)}"}
    assert apps(headers=foreign).status_code == 401


@pytest.mark.parametrize(
    ("role", "reading", "closing"),
    [
        ("Investigation.read", 200, 403),
        ("Investigation.manage", 200, 200),
        ("Discovery.manage", 200, 200),
        ("Settings.read", 403, 403),
    ],
)
def test_roles(
    role: str, reading: int, closing: int, apps: Api, world: World, new_app: Callable[..., str]
) -> None:
    """Reading and closing are granted apart."""
    [alert] = scenarios.add_alerts(world)
    token = world.token(CLOUD_APPS_AUDIENCE, client_id=new_app({CLOUD_APPS_AUDIENCE: {role}}))
    header = {"Authorization": f"Bearer {token}"}
    body = {"filters": {"id": {"eq": [alert]}}}

    assert apps(headers=header).status_code == reading
    assert apps(f"{ALERTS}close_benign/", json=body, headers=header).status_code == closing


def test_thirty_calls_a_minute_for_the_tenant(apps: Api, world: World) -> None:
    """The next one is 429; after the minute it goes on."""
    answers = [apps().status_code for _ in range(30)]
    refused = apps()
    world.advance(60)

    assert set(answers) == {200}
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    assert apps().status_code == 200


def test_a_page_holds_a_hundred_and_says_that_there_is_more(apps: Api, world: World) -> None:
    """Whatever limit is asked for; the others come by skip."""
    made = scenarios.add_alerts(world, count=130, within=HOUR)
    asked = {"sortField": "date", "sortDirection": "asc", "limit": 1000}
    first, second = apps(json=asked), apps(json={**asked, "skip": 100})

    assert ids(first) + ids(second) == made
    assert (first.json()["hasNext"], second.json()["hasNext"]) == (True, False)
    assert first.json()["total"] == 130


def test_the_newest_come_first_without_an_order(apps: Api, world: World) -> None:
    """So paging onwards without asking for an order would go back in time."""
    made = scenarios.add_alerts(world, count=3, within=HOUR)
    assert ids(apps()) == made[::-1]


@pytest.mark.parametrize("way", ["post", "get with a body", "query", "form"])
def test_filters_are_understood_wherever_they_stand(way: str, apps: Api, world: World) -> None:
    """As a JSON body of either method, as a form, in the address."""
    old, new = scenarios.add_alerts(world, count=2, within=HOUR)
    middle = int((world.now() - timedelta(minutes=20)).timestamp() * 1000)
    filters = {"date": {"gte": middle}}
    ways = {
        "post": {"json": {"filters": filters}},
        "get with a body": {"method": "GET", "json": {"filters": filters}},
        "query": {"method": "GET", "params": {"filters": json.dumps(filters)}},
        "form": {"data": {"filters": json.dumps(filters)}},
    }
    assert ids(apps(**ways[way])) == [new]
    assert old != new


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"alertOpen": {"eq": True}}, 5),
        ({"alertOpen": {"eq": False}}, 1),
        ({"resolutionStatus": {"eq": [4]}}, 1),
        ({"severity": {"eq": 2}}, 1),
        ({"severity": {"neq": [0, 1, 2]}}, 2),
        ({"date": {"range": [{"start": 0, "end": 1}]}}, 0),
        ({"date": {"gte_ndays": 1}, "entity.ip": {"eq": "198.51.100.77"}}, 1),
        ({"resolutionDate": {"gte": 0}}, 1),
    ],
)
def test_filters(filters: Any, count: int, apps: Api, world: World) -> None:
    """One fixture of each kind, of which one has been closed; filters must all hold."""
    *_, last = scenarios.add_alerts(world, count=6, within=HOUR)
    scenarios.update_alert(world, last, verdict="benign")
    assert len(ids(apps(json={"filters": filters}))) == count


@pytest.mark.parametrize(
    "body", ["[]", "{", '{"filters": {"colour": {"eq": 1}}}', '{"sortField": "title"}', '{"skip": -1}']
)
def test_what_is_not_understood_is_400(body: str, apps: Api) -> None:
    """With a reason."""
    answer = apps(data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    ("verb", "count", "verdict"),
    [
        ("close_benign", "closed_benign", 4),
        ("close_false_positive", "closed_false_positive", 3),
        ("close_true_positive", "closed_true_positive", 5),
    ],
)
def test_closing_answers_200_and_names_what_it_did_not_find(
    verb: str, count: str, verdict: int, apps: Api, world: World
) -> None:
    """A client that only looks at the status believes that an unknown alert was closed."""
    [alert] = scenarios.add_alerts(world, fixture="impossible_travel")
    body = {"filters": {"id": {"eq": [alert, "f" * 24]}}, "comment": "Known trip."}

    answer = apps(f"{ALERTS}{verb}/", json=body)
    closed = apps(f"{ALERTS}{alert}/", "GET").json()

    assert (answer.status_code, answer.json()) == (200, {count: 1, "alertsNotFound": ["f" * 24]})
    assert (closed["resolutionStatusValue"], closed["statusValue"]) == (verdict, 2)
    assert closed["comment"] == "Known trip."
    assert closed["resolveTime"].startswith("2026-11-20T12:00:00")


def test_a_reason_of_another_closing_is_refused(apps: Api, world: World) -> None:
    """Each has its own."""
    [alert] = scenarios.add_alerts(world)
    body = {"filters": {"id": {"eq": alert}}, "reasonId": 1}
    assert apps(f"{ALERTS}close_benign/", json=body).status_code == 400


def test_alerts_are_marked_read_and_unread(apps: Api, world: World) -> None:
    """Which leaves them open."""
    [alert] = scenarios.add_alerts(world, fixture="impossible_travel")
    seen = []
    for verb in ("read", "unread"):
        apps(f"{ALERTS}{alert}/{verb}/")
        seen.append(apps(f"{ALERTS}{alert}/", "GET").json()["statusValue"])
    assert seen == [1, 0]
    assert apps(f"{ALERTS}{'0' * 24}/", "GET").status_code == 404


def test_the_generic_host_has_the_same_behind_cas(apps: Api, world: World) -> None:
    """The address that is no tenant's own."""
    scenarios.add_alerts(world, count=2)
    assert ids(apps("/cas" + ALERTS)) == ids(apps())


def test_an_alert_shows_its_tenant_and_odd_empties(apps: Api, world: World) -> None:
    """Milliseconds, the four letters null, an id of 24 hex digits that is in the link too."""
    [alert] = scenarios.add_alerts(world, fixture="impossible_travel")
    [row] = apps().json()["data"]
    assert row["contextId"] == next(iter(cloud_apps(world).tenants))
    assert row["comment"] == row["handledByUser"] == row["resolveTime"] == "null"
    assert row["timestamp"] == int(world.now().timestamp() * 1000)
    assert len(alert) == 24
    assert row["URL"].endswith(f"/#/alerts/{alert}")


def test_late_and_tied_alerts(apps: Api, world: World) -> None:
    """Late ones appear now with an old date; tied ones share a millisecond."""
    scenarios.late_alerts(world, age=3 * HOUR)
    scenarios.tie_alerts(world, count=3)
    times = [row["timestamp"] for row in apps().json()["data"]]
    assert len(set(times[:3])) == 1
    assert times[3] == times[0] - 3 * 3600 * 1000


def test_the_command_line_makes_and_closes_alerts(
    apps: Api, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A word becomes the service's number."""
    shutil.copy(simulator.ca_bundle, tmp_path / "ca.pem")
    where = ("--folder", str(tmp_path), "--simulator", simulator.url)

    assert main([*where, "alert", "--vendor", "cloud-apps", "--severity", "high", "--title", "One"]) == 0
    [alert] = json.loads(capsys.readouterr().out)["ids"]
    assert main([*where, "update", alert, "--vendor", "cloud-apps", "--verdict", "benign"]) == 0

    row = apps(f"{ALERTS}{alert}/", "GET").json()
    assert (row["title"], row["severityValue"], row["resolutionStatusValue"]) == ("One", 2, 4)
