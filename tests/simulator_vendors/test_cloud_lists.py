"""Listing Defender for Cloud's alerts over Azure Resource Manager."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from simulator import scenarios, ticks
from simulator.sample import SUBSCRIPTION_ID
from simulator.world import World

Api = Any
ALERTS = "/providers/Microsoft.Security/alerts"
DAY = timedelta(days=1)


def names(pages: list[list[dict[str, Any]]]) -> list[str]:
    return [row["name"] for page in pages for row in page]


def references(value: Any, key: str) -> set[str]:
    if isinstance(value, list):
        return set().union(*(references(one, key) for one in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    own = {value[key]} if key in value else set()
    return own.union(*(references(one, key) for one in value.values())) if value else own


def test_the_list_is_walked_by_absolute_links(arm: Api, world: World, simulator: Any) -> None:
    """The last page has no nextLink; every alert comes once, newest start first."""
    made = scenarios.add_cloud_alerts(world, count=25, within=DAY)
    scenarios.switches(world, "cloud").page_size = 10
    link = arm(ALERTS).json()["nextLink"]

    pages = arm.walk(ALERTS, "nextLink")

    assert [len(page) for page in pages] == [10, 10, 5]
    assert names(pages) == sorted(made)
    assert link.startswith(
        f"{simulator.url}/subscriptions/{SUBSCRIPTION_ID}{ALERTS}?api-version=2022-01-01&$skip"
    )


def test_a_name_counts_down_from_the_end_of_time(arm: Api, world: World) -> None:
    """n = largest tick - start; systemAlertId, name and the end of the id agree."""
    scenarios.add_cloud_alerts(world, count=12)

    for row in arm(ALERTS).json()["value"]:
        assert (
            ticks.text_of(ticks.NEWEST - int(row["name"].split("_")[0])) == row["properties"]["startTimeUtc"]
        )
        assert row["properties"]["systemAlertId"] == row["name"] == row["id"].rsplit("/", 1)[1]


def test_a_late_alert_is_deep_in_the_list(arm: Api, world: World) -> None:
    """What is published last may have started first: whoever stops at the first known name misses it."""
    scenarios.add_cloud_alerts(world, count=30, within=timedelta(hours=1), fixture="sql_injection")

    [late] = scenarios.late_cloud_alerts(world, age=3 * DAY)

    rows = arm(ALERTS).json()["value"]
    assert rows[-1]["name"] == late
    assert rows[-1]["properties"]["timeGeneratedUtc"] == "2026-11-20T12:00:00Z"


def test_an_alert_with_a_lag_waits(arm: Api, world: World) -> None:
    """It is listed once its lag has passed."""
    [made] = scenarios.add_cloud_alerts(world, lag=timedelta(minutes=5))
    before = names([arm(ALERTS).json()["value"]])
    world.advance(300)

    assert (before, names([arm(ALERTS).json()["value"]])) == ([], [made])


def test_entity_numbers_differ_from_poll_to_poll(arm: Api, world: World) -> None:
    """`$id`s are unique on a page and every `$ref` finds one, but they mean nothing beyond the page."""
    scenarios.add_cloud_alerts(world, fixture="blob_malware")
    scenarios.add_cloud_alerts(world, fixture="blob_malware")

    polls = [arm(ALERTS).json()["value"] for _ in range(4)]

    assert len({frozenset(references(poll, "$id")) for poll in polls}) > 1
    assert all(references(poll, "$ref") <= references(poll, "$id") for poll in polls)
    assert len(references(polls[0], "$id")) == 2 * len(references(polls[0][0], "$id"))


def test_scopes_narrow_the_list(arm: Api, world: World) -> None:
    """A resource group, a location, or both, in any casing."""
    scenarios.add_cloud_alerts(world, count=12)
    rows = arm(ALERTS).json()["value"]

    group = arm(f"/RESOURCEGROUPS/RG-SHOP{ALERTS}").json()["value"]
    place = arm("/providers/microsoft.security/locations/CentralUS/alerts").json()["value"]
    both = arm("/resourceGroups/rg-k8s/providers/Microsoft.Security/locations/westeurope/alerts").json()[
        "value"
    ]

    assert {row["name"] for row in group} == {
        row["name"] for row in rows if "/resourceGroups/rg-shop/" in row["id"]
    }
    assert {row["name"] for row in place} == {row["name"] for row in rows if "/centralus/" in row["id"]}
    assert (len(group), len(place), both) == (6, 2, [])


def test_alerts_older_than_ninety_days_are_gone(arm: Api, world: World) -> None:
    """The list ends with the service's memory."""
    scenarios.add_cloud_alerts(world, ends=-89 * DAY)
    world.advance(2 * DAY.total_seconds())

    assert arm(ALERTS).json()["value"] == []


def test_missing_fields_are_missing(arm: Api, world: World) -> None:
    """Not null: absent, as in real answers."""
    scenarios.add_cloud_alerts(world, fixture="nearly_empty")
    [row] = arm(ALERTS).json()["value"]

    assert "severity" not in row["properties"]
    assert "/resourceGroups/" not in row["id"]
    assert None not in row["properties"].values()


def test_another_subscription_has_its_own_ids(
    world: World, sign_in: Any, new_app: Any, simulator: Any
) -> None:
    """Nothing of the sample's subscription is left in its alerts."""
    from simulator.cloud_access import cloud
    from simulator.sample import ARM_AUDIENCE, TENANT_ID

    other = "0a1b2c3d-0000-4000-8000-00000000abcd"
    cloud(world).add(other, TENANT_ID)
    scenarios.add_cloud_alerts(world, count=12, subscription_id=other)
    session = sign_in(ARM_AUDIENCE, new_app({}, {other: {"Reader"}}))

    answer = session.get(f"{simulator.url}/subscriptions/{other}{ALERTS}?api-version=2022-01-01", timeout=30)

    assert len(answer.json()["value"]) == 12
    assert SUBSCRIPTION_ID not in answer.text


def test_an_endless_list_repeats_its_first_page(arm: Api, world: World) -> None:
    """The fault answers the same rows with a nextLink for ever."""
    scenarios.add_cloud_alerts(world, count=3)
    scenarios.endless_nextlink(world, "cloud")

    first = arm(ALERTS).json()
    second = arm(first["nextLink"]).json()

    assert names([first["value"]]) == names([second["value"]])
    assert second["nextLink"] == first["nextLink"]


def test_locations_are_listed(arm: Api) -> None:
    """With their own, older api-version."""
    answer = arm("/providers/Microsoft.Security/locations", api_version="2015-06-01-preview")

    assert [one["name"] for one in answer.json()["value"]] == ["westeurope", "centralus"]
