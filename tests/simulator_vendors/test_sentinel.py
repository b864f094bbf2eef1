"""Microsoft Sentinel over Azure Resource Manager: who may call, lists, replacing with an ETag, comments."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from simulator import scenarios as common
from simulator import sentinel_scenarios as scenarios
from simulator.__main__ import main
from simulator.cloud_access import cloud
from simulator.sample import ARM_AUDIENCE, GRAPH_AUDIENCE, SUBSCRIPTION_ID, WORKSPACE_ID
from simulator.serve import Simulator
from simulator.world import World

Api = Any
VERSION = "2025-09-01"
INCIDENTS = f"{WORKSPACE_ID}/providers/Microsoft.SecurityInsights/incidents"
HOUR = timedelta(hours=1)


@pytest.fixture
def arm(simulator: Simulator, sign_in: Callable[..., requests.Session]) -> Callable[..., requests.Response]:
    """Calls ARM with a fresh token; full addresses are called as they are."""
    session = sign_in(ARM_AUDIENCE)

    def call(path: str = INCIDENTS, method: str = "GET", **given: Any) -> requests.Response:
        client_id, body = given.pop("client_id", None), given.pop("json", None)
        token = given.pop("token", None) or simulator.world.token(ARM_AUDIENCE, client_id=client_id)
        params = {"api-version": VERSION} | {f"${key}": value for key, value in given.items()}
        whole = path.startswith("https://")
        return session.request(
            method,
            path if whole else simulator.url + path,
            params=None if whole else params,
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )

    return call


def names(answer: requests.Response) -> list[str]:
    return [row["name"] for row in answer.json()["value"]]


def refused(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def body_of(incident: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {"etag": incident["etag"], "properties": incident["properties"] | changed}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (INCIDENTS.replace(SUBSCRIPTION_ID, "0" * 36), 404, "SubscriptionNotFound"),
        (INCIDENTS.replace("rg-soc", "rg-none"), 404, "ResourceGroupNotFound"),
        (INCIDENTS.replace("law-soc", "law-none"), 404, "ResourceNotFound"),
        (f"{INCIDENTS}/none", 404, "NotFound"),
    ],
)
def test_what_does_not_exist_is_404(
    path: str, status: int, code: str, arm: Api, new_app: Callable[..., str]
) -> None:
    """For somebody with a role on the whole subscription; each has its own code."""
    client_id = new_app({}, {SUBSCRIPTION_ID: {"Reader"}})
    assert refused(arm(path, client_id=client_id)) == (status, code)


def test_a_token_for_another_api_is_401(arm: Api, world: World) -> None:
    """As everywhere in ARM."""
    assert refused(arm(token=world.token(GRAPH_AUDIENCE))) == (401, "InvalidAuthenticationToken")


@pytest.mark.parametrize(
    ("scope", "role", "reading", "writing"),
    [
        (WORKSPACE_ID.lower(), "Microsoft Sentinel Reader", 200, 403),
        (WORKSPACE_ID.lower(), "Microsoft Sentinel Responder", 200, 200),
        (WORKSPACE_ID.lower().partition("/providers")[0], "Microsoft Sentinel Contributor", 200, 200),
        (SUBSCRIPTION_ID, "Reader", 200, 403),
        (SUBSCRIPTION_ID, "Security Reader", 403, 403),
    ],
)
def test_roles(
    scope: str,
    role: str,
    reading: int,
    writing: int,
    arm: Api,
    world: World,
    new_app: Callable[..., str],
) -> None:
    """On the workspace, its resource group or the subscription; none of them is in the token."""
    [name] = scenarios.add_incidents(world, fixture="scheduled_rule")
    client_id = new_app({}, {scope: {role}})
    incident = arm(f"{INCIDENTS}/{name}").json()

    assert arm(client_id=client_id).status_code == reading
    assert arm(f"{INCIDENTS}/{name}/alerts", "POST", client_id=client_id).status_code == reading
    wrote = arm(f"{INCIDENTS}/{name}", "PUT", json=body_of(incident), client_id=client_id)
    assert wrote.status_code == writing


def test_listing_alerts_may_need_more_than_reading(
    arm: Api, world: World, new_app: Callable[..., str]
) -> None:
    """It is a POST; whether Reader is enough is a switch."""
    [name] = scenarios.add_incidents(world)
    common.switches(world, "sentinel").alerts_need_responder = True
    client_id = new_app({}, {WORKSPACE_ID.lower(): {"Microsoft Sentinel Reader"}})
    answer = arm(f"{INCIDENTS}/{name}/alerts", "POST", client_id=client_id)
    assert refused(answer) == (403, "AuthorizationFailed")
    assert "incidents/alerts/action" in answer.json()["error"]["message"]


def test_all_of_a_subscription_shares_its_quota(arm: Api, world: World) -> None:
    """Reads of Sentinel and of Defender for Cloud come out of one bucket."""
    arm()
    left = int(arm().headers["x-ms-ratelimit-remaining-subscription-reads"])
    assert left == 248
    assert cloud(world).reads.size == 250


def test_a_list_is_filtered_ordered_and_linked(arm: Api, world: World) -> None:
    """By the time of the last change, to seven digits; the link is absolute and complete."""
    made = scenarios.add_incidents(world, count=12, within=HOUR)
    third = arm(f"{INCIDENTS}/{made[2]}").json()["properties"]["lastModifiedTimeUtc"]
    asked = {
        "filter": f"properties/lastModifiedTimeUtc ge {third}",
        "orderby": "properties/lastModifiedTimeUtc asc",
        "top": 4,
    }
    answer, seen = arm(**asked), []
    seen += names(answer)
    while "nextLink" in answer.json():
        answer = arm(answer.json()["nextLink"])
        seen += names(answer)
    assert seen == made[2:]


@pytest.mark.parametrize(
    "asked",
    [
        {"filter": "properties/colour eq 'red'"},
        {"filter": "lastModifiedTimeUtc ge 2026-01-01T00:00:00Z"},
        {"orderby": "properties/title sideways"},
        {"top": "many"},
        {"skipToken": "!"},
    ],
)
def test_what_is_not_understood_is_400(asked: dict[str, str], arm: Api) -> None:
    """Names need their path."""
    assert refused(arm(**asked)) == (400, "BadRequest")


def test_a_put_replaces_and_makes_a_new_etag(arm: Api, world: World) -> None:
    """What it leaves out is gone: owner, labels, description."""
    [name] = scenarios.add_incidents(
        world, fixture="scheduled_rule", fields={"owner": {"email": "a@b.example"}}
    )
    before = arm(f"{INCIDENTS}/{name}").json()
    world.advance(60)
    wanted = {"title": "T", "severity": "Low", "status": "Active"}

    answer = arm(f"{INCIDENTS}/{name}", "PUT", json={"etag": before["etag"], "properties": wanted})

    after = answer.json()
    assert answer.status_code == 200
    assert after["etag"] != before["etag"]
    assert (after["properties"]["title"], after["properties"]["status"]) == ("T", "Active")
    assert "description" in before["properties"]
    assert "description" not in after["properties"]
    assert after["properties"]["owner"]["email"] is None
    assert after["properties"]["lastModifiedTimeUtc"] > before["properties"]["lastModifiedTimeUtc"]
    assert after["properties"]["providerName"] == "Azure Sentinel"


def test_a_stale_etag_is_409(arm: Api, world: World) -> None:
    """Somebody else was faster."""
    [name] = scenarios.add_incidents(world, fixture="scheduled_rule")
    before = arm(f"{INCIDENTS}/{name}").json()
    scenarios.update_incident(world, name, fields={"title": "Theirs"})

    assert refused(arm(f"{INCIDENTS}/{name}", "PUT", json=body_of(before, title="Mine"))) == (409, "Conflict")
    assert arm(f"{INCIDENTS}/{name}").json()["properties"]["title"] == "Theirs"


@pytest.mark.parametrize(
    "changed", [{"title": ""}, {"status": "Done"}, {"severity": "Critical"}, {"classification": "Maybe"}]
)
def test_a_put_with_wrong_words_is_400(changed: dict[str, str], arm: Api, world: World) -> None:
    """Required ones are there, enumerations have their values."""
    [name] = scenarios.add_incidents(world, fixture="scheduled_rule")
    incident = arm(f"{INCIDENTS}/{name}").json()
    assert refused(arm(f"{INCIDENTS}/{name}", "PUT", json=body_of(incident, **changed))) == (
        400,
        "BadRequest",
    )


def test_incidents_are_made_and_deleted(arm: Api, world: World) -> None:
    """A PUT under a new name is 201."""
    wanted = {"properties": {"title": "Mine", "severity": "Low", "status": "New"}}
    assert arm(f"{INCIDENTS}/0c0ffee0-new", "PUT", json=wanted).status_code == 201
    assert scenarios.incident_names(world) == ["0c0ffee0-new"]
    deleted = [arm(f"{INCIDENTS}/0c0ffee0-new", "DELETE").status_code for _ in range(2)]
    assert deleted == [200, 204]


def test_comments_are_put_and_listed(arm: Api, world: World) -> None:
    """Under a name that the client gives; the incident counts them and is modified."""
    [name] = scenarios.add_incidents(world)
    before = arm(f"{INCIDENTS}/{name}").json()
    comments = f"{INCIDENTS}/{name}/comments"
    statuses = [
        arm(f"{comments}/one", "PUT", json={"properties": {"message": text}}).status_code
        for text in ("Looking.", "Looked.", "")
    ]
    [comment] = arm(comments).json()["value"]
    after = arm(f"{INCIDENTS}/{name}").json()
    assert statuses == [201, 200, 400]
    assert comment["properties"]["message"] == "Looked."
    assert comment["properties"]["author"]["objectId"]
    assert after["properties"]["additionalData"]["commentsCount"] == 1
    assert after["etag"] != before["etag"]


def test_alerts_have_their_makers_ids(arm: Api, world: World) -> None:
    """Of Endpoint, of Defender for Cloud; Sentinel's own id is another."""
    scenarios.add_incidents(world, fixture="xdr_incident")
    scenarios.add_incidents(world, fixture="defender_for_cloud", provider_alert_ids=["25168_mine"])
    found = {}
    for row in arm().json()["value"]:
        [alert] = arm(f"{INCIDENTS}/{row['name']}/alerts", "POST").json()["value"]
        found[row["properties"]["providerName"]] = (row["properties"], alert)
    xdr, of_endpoint = found["Microsoft XDR"]
    _, of_cloud = found["Azure Sentinel"]
    assert xdr["providerIncidentId"] in xdr["additionalData"]["providerIncidentUrl"]
    assert "description" not in xdr
    assert of_endpoint["properties"]["providerAlertId"].startswith("da")
    assert of_endpoint["properties"]["providerAlertId"] in of_endpoint["properties"]["alertLink"]
    assert of_cloud["properties"]["providerAlertId"] == "25168_mine"
    assert "/alertId/25168_mine/" in of_cloud["properties"]["alertLink"]
    assert of_cloud["name"] == of_cloud["properties"]["systemAlertId"]


def test_entities_and_bookmarks_are_posts_too(arm: Api, world: World) -> None:
    """With their own names for the list."""
    [name] = scenarios.add_incidents(world, fixture="scheduled_rule")
    entities = arm(f"{INCIDENTS}/{name}/entities", "POST").json()
    assert entities["metaData"] == [{"entityKind": "Account", "count": 1}]
    assert arm(f"{INCIDENTS}/{name}/bookmarks", "POST").json() == {"value": []}


def test_incidents_change_in_their_time(arm: Api, world: World) -> None:
    """Late ones have an old time, joined and redirected ones are modified, later ones wait for the clock."""
    [late] = scenarios.late_incidents(world, age=3 * HOUR)
    [name] = scenarios.add_incidents(world, fixture="xdr_incident")
    [ahead] = scenarios.add_incidents(world, ends=HOUR)
    scenarios.update_incident(world, name, fields={"severity": "Low"}, after=HOUR)
    assert scenarios.incident_names(world) == [late, name]
    world.advance(3600)
    scenarios.add_alert(world, name)
    scenarios.redirect_incident(world, name)
    properties = arm(f"{INCIDENTS}/{name}").json()["properties"]
    assert set(scenarios.incident_names(world)) == {late, name, ahead}
    assert (properties["severity"], properties["status"]) == ("Low", "Closed")
    assert properties["labels"][0]["labelName"] == "redirected"
    assert properties["additionalData"]["alertsCount"] == 2


def test_the_command_line_makes_incidents(
    arm: Api, simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Severity and title are those of the incident and of its alerts."""
    shutil.copy(simulator.ca_bundle, tmp_path / "ca.pem")
    where = ("--folder", str(tmp_path), "--simulator", simulator.url)
    assert main([*where, "alert", "--vendor", "sentinel", "--severity", "high", "--title", "One"]) == 0
    [name] = json.loads(capsys.readouterr().out)["ids"]
    assert main([*where, "update", name, "--vendor", "sentinel", "--status", "Closed"]) == 0
    [row] = arm().json()["value"]
    alerts = arm(f"{INCIDENTS}/{name}/alerts", "POST").json()["value"]
    assert [row["properties"][key] for key in ("title", "severity", "status")] == ["One", "High", "Closed"]
    assert {one["properties"]["alertDisplayName"] for one in alerts} == {"One"}
