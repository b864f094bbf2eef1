"""Export over the API: bounded answers that lead on, each line once, filtered before it leaves."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.nouns.inventory import InventoryKind, Item
from shared.store.inventory import ReadingState
from tests.nouns.test_exports import faults

READ = "2026-11-20T08:00:00.0000000Z"


def everything(client: Any, path: str, **params: Any) -> list[dict[str, Any]]:
    """All lines, following Link until there is none."""
    found: list[dict[str, Any]] = []
    url, asked = f"/api/v1/{path}", dict[str, Any](params) or None
    while True:
        answer = client.get(url, params=asked)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert len(lines) <= params.get("limit", 200)
        found += lines
        if "link" not in answer.headers:
            return found
        url, asked = answer.headers["link"].removeprefix("<").partition(">")[0], None


def store(parts: Any, *items: Item) -> None:
    """As a complete reading does."""
    kind = items[0].kind
    state = ReadingState("conf-1", kind, read=READ, attempted=READ, count=len(items))
    parts.inventory.save(state)
    parts.inventory.reading(state, READ).take(items)


@pytest.fixture
def alerts(seen: Any, clock: Any) -> list[str]:
    """Thirty alerts, a minute apart, every third of them high."""
    ids = []
    for n in range(30):
        severity = ("low", "medium", "high")[n % 3]
        ids.append(seen(f"da{n}", severity=severity, categories=["Malware" if n % 2 else "Phishing"]))
        clock.move(timedelta(minutes=1))
    return ids


def test_a_detection_can_be_had_as_ocsf(reader: Any, seen: Any) -> None:
    """Valid, and with an ETag like the other form."""
    id = seen("da1", severity="high")

    answer = reader.get(f"/api/v1/detections/{id}", params={"format": "ocsf"})

    assert faults(answer.json()) == []
    assert (answer.json()["class_uid"], answer.json()["finding_info"]["uid"]) == (2004, "da1")
    assert answer.headers["etag"]
    assert reader.get(f"/api/v1/detections/{id}", params={"format": "stix"}).status_code == 422


def test_a_time_range_is_exported_as_ocsf(reader: Any, alerts: list[str]) -> None:
    """Newest first, each once, whatever the page's size."""
    whole = everything(reader, "export/ocsf")
    paged = everything(reader, "export/ocsf", limit=7)
    part = everything(reader, "export/ocsf", **{"from": "2026-11-20T10:05:00Z", "to": "2026-11-20T10:09:00Z"})

    assert [e["finding_info"]["uid"] for e in whole] == [f"da{n}" for n in range(29, -1, -1)]
    assert paged == whole
    assert [e["finding_info"]["uid"] for e in part] == [f"da{n}" for n in (9, 8, 7, 6, 5)]
    assert [fault for event in whole for fault in faults(event)] == []


def test_alerts_are_exported_as_risks_that_pass_the_filter(reader: Any, alerts: list[str]) -> None:
    """Filtered before they are counted as lines of a page."""
    high = everything(reader, "risks", minimum_severity="high", limit=4)
    phishing = everything(reader, "risks", category="phishing", limit=4)

    assert [r["key"] for r in high] == [f"da{n}" for n in range(29, 0, -3)]
    assert {r["score"] for r in high} == {9.0}
    assert [r["key"] for r in phishing] == [f"da{n}" for n in range(28, -1, -2)]


def test_vulnerabilities_follow_the_alerts(reader: Any, parts: Any, alerts: list[str]) -> None:
    """In the same walk."""
    kind = InventoryKind.machine_vulnerability
    store(parts, *(Item(kind=kind, id=f"m-CVE-{n:02d}", name=f"CVE-{n:02d}") for n in range(9)))

    found = everything(reader, "risks", limit=8)

    assert len(found) == 39
    assert [r["key"] for r in found[30:]] == [f"m-CVE-{n:02d}" for n in range(9)]


def test_machines_and_devices_are_exported_as_assets(reader: Any, parts: Any) -> None:
    """Both kinds; names can be filtered."""
    store(parts, *(Item(kind=InventoryKind.machine, id=f"m{n}", name=f"srv-{n}.a.example") for n in range(9)))
    store(parts, Item(kind=InventoryKind.managed_device, id="d1", name="pc-1.b.example"))

    everyone = everything(reader, "assets", limit=4)
    some = everything(reader, "assets", name="*.B.example", limit=4)

    assert {a["key"] for a in everyone} == {*(f"m{n}" for n in range(9)), "d1"}
    assert [(a["key"], a["class"], a["dns"]) for a in some] == [("d1", "managed_device", "pc-1.b.example")]


def test_the_way_on_keeps_the_question(reader: Any, alerts: list[str]) -> None:
    """A client that only follows Link stays within it."""
    answer = reader.get("/api/v1/risks", params={"limit": 2, "category": ["Malware", "Other"]})

    assert "category=Malware&category=Other" in answer.headers["link"]
    assert answer.headers["link"].endswith('>; rel="next"')


@pytest.mark.parametrize("path", ["export/ocsf", "risks", "assets"])
def test_a_cursor_that_is_none_of_ours_is_refused(reader: Any, path: str) -> None:
    """400, not the beginning again."""
    assert reader.get(f"/api/v1/{path}", params={"cursor": "i_abc"}).status_code == 400


def test_nothing_in_an_alert_ends_its_line(reader: Any, seen: Any) -> None:
    """Some readers take more than a line feed for the end of a line, and some terminals a character for a
    command."""
    title = "one\u2028two\u2029three\x85four\x0bfive\x1csix\x9b31m\r\nseven"
    seen("da1", title=title)

    for path, field in (("export/ocsf", "message"), ("risks", "name")):
        [line] = reader.get(f"/api/v1/{path}").text.splitlines()
        assert json.loads(line)[field] == title
        assert line.isprintable()
