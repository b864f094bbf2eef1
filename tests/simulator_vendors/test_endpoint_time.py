"""Late rows, ties and later evidence of Defender for Endpoint."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from simulator import scenarios, ticks
from simulator.world import World

Api = Any
HOUR = timedelta(hours=1)


def visible(endpoint: Api, **params: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = endpoint("/api/alerts", orderby="lastUpdateTime", **params).json()["value"]
    return rows


def test_a_late_row_appears_behind_a_cursor(endpoint: Api, world: World) -> None:
    """It was not there when later times had been read, and its own time is before them."""
    scenarios.add_endpoint_alerts(world, count=3, within=timedelta(minutes=1))
    cursor = visible(endpoint)[-1]["lastUpdateTime"]

    [late] = scenarios.late_endpoint_alerts(world, age=3 * HOUR)

    assert late not in [row["id"] for row in visible(endpoint, filter=f"lastUpdateTime ge {cursor}")]
    assert visible(endpoint)[0]["id"] == late


def test_what_lies_ahead_waits_for_the_clock(endpoint: Api, world: World) -> None:
    """Alerts planned for the next two hours appear one after the other, each after its lag."""
    planned = scenarios.add_endpoint_alerts(world, count=2, within=2 * HOUR, ends=2 * HOUR, lag=HOUR)
    seen = []
    for _ in range(4):
        seen.append(len(visible(endpoint)))
        world.advance(3600)

    assert seen == [0, 0, 1, 2]
    assert [row["id"] for row in visible(endpoint)] == planned


def test_times_are_in_steps_of_a_three_hundredth(endpoint: Api, world: World) -> None:
    """Every lastUpdateTime is a multiple of 1/300 s, and no time ends in a zero."""
    scenarios.add_endpoint_alerts(world, count=200, within=timedelta(seconds=61))

    texts = [row["lastUpdateTime"] for row in visible(endpoint)]

    assert all(ticks.coarse(ticks.parse(text) or 0) == ticks.parse(text) for text in texts)
    assert not [text for text in texts if "." in text and text.endswith("0Z")]
    assert len({len(text) for text in texts}) > 2


def test_nothing_in_an_alert_is_younger_than_the_alert(endpoint: Api, world: World) -> None:
    """Creation, events, comments and evidence lie before lastUpdateTime, whatever the fixture's age."""
    scenarios.add_endpoint_alerts(world, count=10)

    for row in visible(endpoint, expand="evidence"):
        texts = [
            row["alertCreationTime"],
            row.get("resolvedTime"),
            row["firstEventTime"],
            row["lastEventTime"],
        ]
        texts += [one["evidenceCreationTime"] for one in row["evidence"]]
        texts += [one["createdTime"] for one in row.get("comments", ())]
        stamp = ticks.parse(row["lastUpdateTime"]) or 0
        assert all((ticks.parse(text) or 0) <= stamp for text in texts if text)


def test_evidence_added_later_moves_the_alert(endpoint: Api, world: World) -> None:
    """The row comes again, with one more evidence object that has every key."""
    [made] = scenarios.add_endpoint_alerts(world, fixture="beacon_to_bad_address")
    evidence = [{"entityType": "Ip", "ipAddress": "192.0.2.9"}]
    scenarios.update_endpoint_alert(world, made, evidence=evidence, after=timedelta(minutes=10))
    before = endpoint(f"/api/alerts/{made}", expand="evidence").json()
    world.advance(600)

    after = endpoint(f"/api/alerts/{made}", expand="evidence").json()

    assert len(after["evidence"]) == len(before["evidence"]) + 1
    assert after["evidence"][-1].keys() == before["evidence"][0].keys()
    assert after["lastUpdateTime"] > before["lastUpdateTime"]


def test_an_update_can_become_visible_late(endpoint: Api, world: World) -> None:
    """With a lag the old state shows until then; the new one has the earlier time."""
    [made] = scenarios.add_endpoint_alerts(world, fields={"severity": "Low"})
    scenarios.update_endpoint_alert(world, made, fields={"severity": "High"}, after=HOUR, lag=HOUR)
    world.advance(5400)
    meanwhile = endpoint(f"/api/alerts/{made}").json()
    world.advance(1800)

    after = endpoint(f"/api/alerts/{made}").json()

    assert (meanwhile["severity"], after["severity"]) == ("Low", "High")
    assert after["lastUpdateTime"] == "2026-11-20T13:00:00Z"


def test_an_alert_can_change_before_it_is_seen(endpoint: Api, world: World) -> None:
    """It then appears as it has become; an alert that does not exist cannot change, now or later."""
    [made] = scenarios.add_endpoint_alerts(world, lag=2 * HOUR)
    scenarios.update_endpoint_alert(world, made, fields={"status": "Resolved"}, after=HOUR)
    world.advance(3600)
    hidden = endpoint(f"/api/alerts/{made}").status_code
    world.advance(3600)

    shown = endpoint(f"/api/alerts/{made}").json()

    assert (hidden, shown["status"], shown["lastUpdateTime"]) == (404, "Resolved", "2026-11-20T13:00:00Z")
    with pytest.raises(LookupError):
        scenarios.update_endpoint_alert(world, "da1_1", after=HOUR)


def test_a_hundred_thousand_are_walked_by_time(world: World, endpoint: Api) -> None:
    """Keyset pages of a long list cost only the page: the last pages are read as easily as the first."""
    made = scenarios.add_endpoint_alerts(world, count=100_000, within=7 * 24 * HOUR)
    middle = visible(endpoint, top=1, skip=50_000)[0]["lastUpdateTime"]

    tail = visible(endpoint, top=100, filter=f"lastUpdateTime ge {middle}")

    assert [row["id"] for row in tail] == made[50_000:50_100]
    assert len(set(made)) == 100_000


def test_the_same_seed_makes_the_same_alerts() -> None:
    """Ids and contents depend on the seed and the time only."""
    moment = itertools.repeat(World.sample().now())
    worlds = [World.sample(clock=lambda: next(moment)) for _ in range(2)]

    assert len({tuple(scenarios.add_endpoint_alerts(world, count=20)) for world in worlds}) == 1
    assert len({tuple(scenarios.add_cloud_alerts(world, count=20)) for world in worlds}) == 1
