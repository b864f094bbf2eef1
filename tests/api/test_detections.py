"""The feed, delta sync and single detections over the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

URL = "/api/v1/detections"


def _ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_the_feed_shows_the_newest_first(reader: Any, seen: Any, clock: Any) -> None:
    """A line has what a list needs."""
    first = seen("da1", severity="high", assets=[{"kind": "machine", "name": "srv-1"}])
    clock.move(timedelta(minutes=1))
    second = seen("da2")

    answer = reader.get(URL)

    assert _ids(answer) == [second, first]
    line = answer.json()["items"][1]
    assert (line["title"], line["severity"], line["asset"]) == ("Alert da1", "high", "srv-1")


def test_following_the_cursor_shows_each_detection_once(reader: Any, seen: Any, clock: Any) -> None:
    """Seven in pages of three."""
    made = []
    for number in range(7):
        made.append(seen(f"da{number}"))
        clock.move(timedelta(seconds=1))

    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = reader.get(URL, params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        found, cursor, pages = found + _ids(page), page.json()["cursor"], pages + 1

    assert (found, pages) == (made[::-1], 3)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("severity=high", {"da1"}),
        ("severity=high&severity=low", {"da1", "da2"}),
        ("status=resolved", {"da2"}),
        ("vendor=defender_for_cloud", set()),
        ("configuration=conf-2", {"da2"}),
        ("q=SRV-ONE", {"da1"}),
        ("from=2026-11-20T11:00:00%2B01:00", {"da1", "da2"}),
        ("from=2026-11-20T10:00:01Z", set()),
        ("to=2026-11-20T09:59:59.9999999Z", set()),
    ],
)
def test_each_filter_leaves_what_matches(reader: Any, seen: Any, query: str, expected: set[str]) -> None:
    """Repeating a filter widens it, different filters narrow."""
    ids = {
        seen("da1", severity="high", assets=[{"kind": "machine", "name": "srv-one"}]): "da1",
        seen("da2", severity="low", status="resolved", configuration_id="conf-2"): "da2",
    }

    assert {ids[i] for i in _ids(reader.get(f"{URL}?{query}"))} == expected


@pytest.mark.parametrize(
    "query", ["severity=worse", "status=open", "from=x", "limit=0", "limit=201", "cursor="]
)
def test_a_filter_that_is_none_is_refused(reader: Any, query: str) -> None:
    """Rather than showing what was not asked for."""
    assert reader.get(f"{URL}?{query}").status_code == 422


def test_what_has_not_changed_is_not_sent_again(reader: Any, seen: Any, clock: Any) -> None:
    """304 for the feed and for one detection, until something changes."""
    card = seen("da1")
    for url in (URL, f"{URL}/{card}"):
        tag = reader.get(url).headers["etag"]
        again = reader.get(url, headers={"If-None-Match": f'"other", {tag}'})
        clock.move(timedelta(seconds=1))
        seen("da1", title=f"Changed after {url}")
        changed = reader.get(url, headers={"If-None-Match": tag})

        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert changed.status_code == 200


def test_delta_sync_brings_what_is_new_or_changed_and_then_nothing(
    reader: Any, seen: Any, clock: Any
) -> None:
    """Each sync starts where the last one ended."""
    old = seen("da1")
    clock.move(timedelta(minutes=30))
    start = reader.get(URL, params={"changed_since": "2026-11-20T10:20:00Z"}).json()["next_changed_since"]
    clock.move(timedelta(minutes=5))
    new = seen("da2")
    seen("da1", status="resolved", updated="2026-11-20T10:34:00Z")

    delta = reader.get(URL, params={"changed_since": start})
    clock.move(timedelta(minutes=5))
    after = reader.get(URL, params={"changed_since": delta.json()["next_changed_since"]})
    clock.move(timedelta(minutes=5))
    last = reader.get(URL, params={"changed_since": after.json()["next_changed_since"]})

    assert set(_ids(delta)) == {old, new}
    assert (delta.json()["more"], _ids(last)) == (False, [])


def test_delta_sync_says_when_there_is_more(reader: Any, seen: Any, clock: Any) -> None:
    """And then goes on without a gap."""
    made = set()
    for number in range(5):
        made.add(seen(f"da{number}"))
        clock.move(timedelta(seconds=1))
    clock.move(timedelta(minutes=1))  # what is younger is told in one go, for slow writers' sake

    since, found, rounds = "2026-11-20T09:00:00Z", set(), 0
    more = True
    while more and rounds < 10:
        page = reader.get(URL, params={"changed_since": since, "limit": 2})
        found |= set(_ids(page))
        more, since, rounds = page.json()["more"], page.json()["next_changed_since"], rounds + 1

    assert found == made
    assert rounds > 1


def test_a_detection_shows_its_evidence_and_who_reports_it(
    reader: Any, seen: Any, configuration: dict[str, Any]
) -> None:
    """Each sighting has its configuration's display name; one of a removed configuration stays."""
    evidence = [{"kind": "file", "summary": "dropper.exe", "details": {"sha256": "ab"}}]
    card = seen("da1", configuration_id=configuration["id"], evidence=evidence, techniques=["T1059"])
    seen("da1", configuration_id="removed", title="Seen elsewhere", techniques=["T1059"], evidence=evidence)

    found = reader.get(f"{URL}/{card}").json()

    names = {s["configuration_id"]: s["configuration"] for s in found["sightings"]}
    assert names == {configuration["id"]: "Endpoint, head office", "removed": None}
    assert (found["evidence"], found["techniques"]) == (evidence, ["T1059"])
    assert found["number_of_sightings"] == 2


def test_an_unknown_detection_is_not_found(reader: Any) -> None:
    """Whether its id could exist or not."""
    answers = [reader.get(f"{URL}/{i}") for i in ("absent", f"{8_000_000_000_000}-{'0' * 16}")]

    assert [a.status_code for a in answers] == [404, 404]


def test_a_wrong_join_can_be_split_and_stays_split(
    signed_in: Any, reader: Any, seen: Any, clock: Any
) -> None:
    """Both detections are there afterwards, and what the one source says later goes to its own."""
    card = seen("da1")
    seen("da1", configuration_id="conf-2")
    [_, second] = reader.get(f"{URL}/{card}").json()["sightings"]

    answer = signed_in("Responder").post(f"{URL}/{card}/split", json={"sightings": [second["key"]]})
    clock.move(timedelta(seconds=1))
    seen("da1", configuration_id="conf-2", title="Later")

    assert answer.status_code == 200, answer.text
    taken = answer.json()["taken"]["id"]
    assert answer.json()["left"]["id"] == card
    assert reader.get(f"{URL}/{taken}").json()["title"] == "Later"
    assert [s["configuration_id"] for s in reader.get(f"{URL}/{card}").json()["sightings"]] == ["conf-1"]
    assert len(reader.get(URL).json()["items"]) == 2


def test_splitting_off_everything_or_nothing_is_refused(signed_in: Any, seen: Any) -> None:
    """There would be nothing left, or nothing taken."""
    card = seen("da1")
    responder = signed_in("Responder")

    everything = responder.post(f"{URL}/{card}/split", json={"sightings": ["conf-1:poll:da1"]})
    nothing = responder.post(f"{URL}/{card}/split", json={"sightings": ["somebody:poll:else"]})

    assert (everything.status_code, nothing.status_code) == (400, 400)
