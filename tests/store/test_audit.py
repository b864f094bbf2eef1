"""The audit: appended to by many at once, without a gap; what is changed or taken out shows."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from datetime import UTC, datetime

import pytest

from shared.errors import BadRequest
from shared.nouns.audit import GENESIS, AuditEntry
from shared.store.audit import Audit
from shared.store.stores import Tables


def audit_on(tables: Tables) -> Audit:
    """With a clock that stands."""
    return Audit(tables=tables, clock=lambda: datetime(2026, 11, 20, tzinfo=UTC))


def every(audit: Audit) -> list[AuditEntry]:
    """All entries, oldest first, read in small pages."""
    found, cursor = list[AuditEntry](), None
    while True:
        page = audit.page(limit=7, cursor=cursor)
        found += page.entries
        cursor = page.cursor
        if cursor is None:
            return found[::-1]


def chained(entries: list[AuditEntry]) -> bool:
    """Whether each entry is sealed and chained to the one before."""
    before = GENESIS
    for number, entry in enumerate(entries, start=1):
        if (entry.number, entry.before, entry.hash) != (number, before, entry.digest):
            return False
        before = entry.hash
    return True


def test_entries_are_chained_and_come_newest_first(tables: Tables) -> None:
    """Over pages."""
    audit = audit_on(tables)
    for n in range(20):
        audit.note("hunt", f"c{n}", actor="oid", name="Ana", details={"characters": n})

    assert audit.page(limit=1).entries[0].subject == "c19"
    assert [e.subject for e in every(audit)] == [f"c{n}" for n in range(20)]
    assert chained(every(audit))


def test_many_at_once_leave_no_gap(tables: Tables) -> None:
    """Each has its own number."""
    threads = [
        threading.Thread(target=lambda n=n: audit_on(tables).note("hunt", f"c{n}", actor="oid"))
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(e.subject for e in every(audit_on(tables))) == [f"c{n}" for n in range(6)]
    assert chained(every(audit_on(tables)))


def test_whatever_is_changed_breaks_the_chain(tables: Tables) -> None:
    """A field, the order, a missing entry."""
    audit = audit_on(tables)
    for n in range(3):
        audit.note("hunt", f"c{n}", actor="oid")
    first, second, third = every(audit)

    assert not chained([first, second.model_copy(update={"subject": "other"}), third])
    assert not chained([first, third])
    assert not chained([second, first, third])


def test_the_hash_can_be_computed_by_anybody(tables: Tables) -> None:
    """From the JSON alone, as the operator's tool does."""
    entry = audit_on(tables).note("hunt", "c\u00e4", actor="oid", name="\u00c4na \ud800", details={"n": 1})
    shown = json.loads(entry.model_dump_json())
    claimed = shown.pop("hash")

    text = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    assert hashlib.sha256(text.encode()).hexdigest() == claimed


def test_a_cursor_that_is_none_of_ours_is_refused(tables: Tables) -> None:
    """It may come from anybody."""
    with pytest.raises(BadRequest):
        audit_on(tables).page(cursor="x")


def test_the_newest_hash_is_also_known_to_the_log(tables: Tables, caplog: pytest.LogCaptureFixture) -> None:
    """Who can write the table can cut off its end, but not what the log has."""
    with caplog.at_level(logging.INFO):
        entry = audit_on(tables).note("hunt", "c1", actor="oid", name="Ana", details={"query": "quoted"})

    assert f"audit 1 {entry.hash}" in caplog.messages
    assert "Ana" not in caplog.text
    assert "quoted" not in caplog.text
