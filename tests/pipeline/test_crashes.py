"""A process may die, and storage may lie, at every single call: still each alert is one card, and each
announced change stands on the phone once."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.store.feed import FeedQuery
from tests.pipeline.mortal import Fault, Rig, noise

EXPECTED = {
    ("small", "first_sight"): 1,
    ("small", "severity_raised"): 1,
    ("large", "first_sight"): 1,
    ("sent", "first_sight"): 1,
    ("sent", "reopened"): 1,
}


def story(rig: Rig) -> None:
    """New alerts by poll and webhook, small and large; changes that are announced, and one that is not; a
    push service that is busy."""
    rig.vendor.put("small", severity="low")
    rig.vendor.put("large", severity="high", text=noise(70))
    rig.vendor.put("unreadable")
    rig.poll()
    rig.webhook(sent := rig.vendor.put("sent", severity="medium"))
    rig.drain()
    rig.vendor.put("sent", status="resolved")
    rig.vendor.put("small", severity="critical")
    rig.vendor.put("large", status="in_progress", text=noise(71))
    rig.phones.busy = 1
    rig.poll()
    rig.webhook(sent)  # once more, and old by now
    rig.webhook(rig.vendor.put("sent", status="active"))
    rig.poll()


def outcome(rig: Rig) -> tuple[Counter[tuple[str, str]], dict[str, str], int]:
    """What stands on the phone, what is stored, and how much is in quarantine."""
    cards = rig.parts.feed.page(FeedQuery()).cards
    assert len({c.title for c in cards}) == len(cards)
    return rig.phones.shown, {c.title: c.status.value for c in cards}, rig.parts.quarantine.count()


def chosen(fault: Fault) -> list[int]:
    """The calls to fail at. What happens after a read is as before the next call."""
    rig = Rig()
    story(rig)
    rig.close()
    everywhere = fault in (Fault.dies_before, Fault.refused)
    reads = (".get", ".scan", ".receive")
    calls = enumerate(rig.fate.calls, start=1)
    return [at for at, name in calls if everywhere or not name.split()[0].endswith(reads)]


@pytest.mark.parametrize("fault", list(Fault))
def test_no_failed_call_loses_or_repeats_anything(fault: Fault) -> None:
    """Every call of the story fails in turn. The phone shows the same in the end, only the alert that nobody
    can read is in quarantine, and a push goes out twice only if its outcome could not be noted: that gap
    cannot be closed."""
    wrong = []
    for at in chosen(fault):
        rig = Rig(at, fault)
        story(rig)
        rig.fate.armed = False
        shown, stored, quarantined = outcome(rig)
        again = [key for key, times in rig.phones.pushed.items() if times > 1]
        gap = rig.fate.calls[at - 1] in ("push.send", "tables.write deliveries")
        statuses = {"small": "active", "large": "in_progress", "sent": "active"}
        if (dict(shown), stored, quarantined) != (EXPECTED, statuses, 1) or len(again) > gap:
            wrong.append((at, rig.fate.calls[at - 1], shown, stored, quarantined, again))
        rig.close()
    assert wrong == []
