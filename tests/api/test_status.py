"""Status and quarantine: whether anything is being missed, and what to do about what could not be read."""

from __future__ import annotations

import json
from typing import Any

from shared.api import VERSION
from shared.nouns.troubles import Trouble, TroubleKind
from shared.store.quarantine import Kind
from shared.store.stores import QUEUES, Queue


def test_status_shows_every_place_where_something_may_be_stuck(
    reader: Any, parts: Any, configuration: dict[str, Any]
) -> None:
    """Configurations, queues with their poison, quarantine, versions."""
    parts.queues.send(Queue.raw_alerts, "one")
    parts.queues.send(f"{Queue.polls}-poison", "two")
    parts.quarantine.put(Kind.alert, b"{}", reason="No id.", source=configuration["id"])

    found = reader.get("/api/v1/status").json()

    queues = {q["name"]: (q["waiting"], q["poison"]) for q in found["queues"]}
    assert queues == dict.fromkeys(QUEUES, (0, 0)) | {"polls": (0, 1), "raw-alerts": (1, 0)}
    assert (found["quarantined"], found["versions"]["product"]) == (1, VERSION)
    assert [c["display_name"] for c in found["configurations"]] == ["Endpoint, head office"]


def test_the_version_is_the_projects(pytestconfig: Any) -> None:
    """One version, in two places that cannot import each other."""
    assert f'\nversion = "{VERSION}"\n' in (pytestconfig.rootpath / "pyproject.toml").read_text()


def test_an_admin_sees_what_is_in_quarantine_and_its_raw_content(admin: Any, parts: Any) -> None:
    """The list without content, one with it, whatever its bytes are."""
    id = parts.quarantine.put(Kind.event, b'{"half": \xff', reason="Not JSON.", source="conf-1")

    listed = admin.get("/api/v1/quarantine").json()
    one = admin.get(f"/api/v1/quarantine/{id}").json()

    assert (listed["total"], [q["id"] for q in listed["items"]]) == (1, [id])
    assert "content" not in listed["items"][0]
    assert (one["reason"], one["content"]) == ("Not JSON.", '{"half": \ufffd')


def test_what_is_replayed_leaves_the_quarantine_for_its_queue(admin: Any, parts: Any) -> None:
    """And a second time there is nothing to replay."""
    body = json.dumps({"id": "da1"}).encode()
    id = parts.quarantine.put(Kind.alert, body, reason="No title.", source="conf-1")

    answers = [admin.post(f"/api/v1/quarantine/{id}/replay").status_code for _ in range(2)]

    assert (answers, parts.quarantine.count(), parts.queues.depth(Queue.raw_alerts)) == ([202, 404], 0, 1)


def test_what_nobody_can_read_is_thrown_away_by_hand_and_that_is_noted(admin: Any, parts: Any) -> None:
    """What it was stays in the audit, its content does not; a second time there is nothing."""
    id = parts.quarantine.put(Kind.message, b"garbage", reason="Failed again and again.", source="polls")

    answers = [admin.delete(f"/api/v1/quarantine/{id}").status_code for _ in range(2)]

    [entry] = parts.audit.page().entries
    assert (answers, parts.quarantine.count()) == ([204, 404], 0)
    assert (entry.action, entry.subject, entry.details["source"]) == ("discard_quarantined", id, "polls")
    assert "garbage" not in repr(entry)


def test_what_keeps_us_from_seeing_is_shown_as_long_as_it_lasts(reader: Any, parts: Any) -> None:
    """In the status and by itself, with what to do; not while only its end is still to be told."""
    since = "2026-11-20T09:00:00.0000000Z"
    lasting, over = (
        parts.troubles.open(
            Trouble(kind=TroubleKind.sign_in, subject=name, title=name, text="Do this.", since=since), since
        )
        for name in ("lasting", "over")
    )
    parts.troubles.save(over.model_copy(update={"over": since}))

    listed = reader.get("/api/v1/troubles").json()["items"]

    assert reader.get("/api/v1/status").json()["troubles"] == listed
    assert [(t["kind"], t["subject"], t["text"]) for t in listed] == [("sign_in", "lasting", "Do this.")]
    assert lasting.opened == listed[0]["found"]
