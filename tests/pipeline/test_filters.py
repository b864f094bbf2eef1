"""What a configuration does not want is not stored, whichever way it comes, and is counted once; what a poll
may not bring comes with the next one; a backlog takes its own way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared.nouns.configurations import Filters
from shared.nouns.detections import Severity, Status
from shared.store.feed import FeedQuery
from shared.store.stores import Queue
from tests.pipeline.mortal import Fault, Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    """One configuration and one phone."""
    made = Rig()
    yield made
    made.close()


def want(rig: Rig, **filters: Any) -> None:
    """Give the configuration these filters."""
    found = rig.parts.configurations.get("c1")
    assert found is not None
    rig.parts.configurations.save(found.configuration.model_copy(update={"filters": Filters(**filters)}))


def stored(rig: Rig) -> dict[str, str]:
    """What is stored, with its status."""
    return {c.title: c.status.value for c in rig.parts.feed.page(FeedQuery()).cards}


def test_only_what_is_wanted_is_stored_and_the_rest_is_counted_once(rig: Rig) -> None:
    """However often it is read again; what nobody knows how bad it is always is."""
    want(rig, minimum_severity=Severity.medium)
    for name, severity in {"a": "low", "b": "high", "c": "unknown", "d": "informational"}.items():
        rig.vendor.put(name, severity=severity)
    rig.poll()
    rig.vendor.put("a", severity="low", text="changed")
    rig.poll()
    rig.poll()
    assert set(stored(rig)) == {"b", "c"}
    assert rig.phones.shown == {("b", "first_sight"): 1, ("c", "first_sight"): 1}
    assert rig.health.alerts_filtered == 2


def test_a_set_of_severities_is_no_minimum(rig: Rig) -> None:
    """High and medium, not critical."""
    want(rig, severities=(Severity.high, Severity.medium))
    for severity in ("low", "medium", "high", "critical"):
        rig.vendor.put(severity, severity=severity)
    rig.poll()
    assert set(stored(rig)) == {"medium", "high"}


def test_an_alert_that_becomes_wanted_is_news_and_one_that_is_known_is_followed(rig: Rig) -> None:
    """The filters ask only about what is not stored."""
    want(rig, minimum_severity=Severity.medium, statuses=(Status.active,))
    rig.vendor.put("grows", severity="low")
    rig.vendor.put("ends", severity="high")
    rig.poll()
    rig.vendor.put("grows", severity="high")
    rig.vendor.put("ends", severity="low", status="resolved")
    rig.poll()
    assert stored(rig) == {"grows": "active", "ends": "resolved"}


def test_the_webhook_is_filtered_alike(rig: Rig) -> None:
    """What came both ways counts once; what is known is followed."""
    want(rig, minimum_severity=Severity.medium)
    low, high = rig.vendor.put("low", severity="low"), rig.vendor.put("high", severity="high")
    for alert in (low, high, low):
        rig.webhook(alert)
    rig.drain()
    assert set(stored(rig)) == {"high"}
    rig.poll()
    assert (rig.health.alerts_filtered, set(stored(rig))) == (1, {"high"})
    rig.webhook(rig.vendor.put("high", severity="low", status="resolved"))
    rig.drain()
    assert stored(rig) == {"high": "resolved"}


def test_the_most_per_poll_delays_and_never_drops(rig: Rig) -> None:
    """In the vendor's order; the cursor never passes what was not queued, and the lag shows."""
    want(rig, most_per_poll=3)
    for number in range(8):
        rig.vendor.put(f"a{number}", severity="low")
    rig.poll()
    assert set(stored(rig)) == {"a0", "a1", "a2"}
    assert (rig.health.read_until, rig.health.failing_since) == (None, None)
    rig.poll()
    assert len(stored(rig)) == 6
    rig.poll()
    assert len(stored(rig)) == 8
    assert rig.health.read_until is not None
    assert set(rig.phones.pushed.values()) == {1}


@pytest.mark.parametrize("fault", list(Fault))
def test_no_crash_makes_a_capped_and_filtered_poll_lose_or_repeat_anything(fault: Fault) -> None:
    """Every call fails in turn."""

    def story(rig: Rig) -> None:
        rig.fate.armed = False
        want(rig, most_per_poll=3, minimum_severity=Severity.medium)
        for number in range(8):
            rig.vendor.put(f"a{number}", severity="low" if number % 4 == 1 else "high")
        rig.fate.armed = True
        for _ in range(4):
            rig.poll()

    calm = Rig()
    story(calm)
    calm.close()
    wrong = []
    for at, name in enumerate(calm.fate.calls, start=1):
        one = Rig(at, fault)
        story(one)
        gap = name in ("push.send", "tables.write deliveries")
        again = sum(times > 1 for times in one.phones.pushed.values())
        found = (len(stored(one)), len(one.phones.shown), one.health.alerts_filtered)
        if found != (6, 6, 2) or again > gap:
            wrong.append((at, name, found, again))
        one.close()
    assert wrong == []


def test_the_first_of_a_poll_goes_before_the_rest_of_its_backlog(rig: Rig) -> None:
    """So does what is said of it; nobody else waits for a backlog."""
    rig.vendor.alerts = [{"id": f"a{n}", "at": n, "severity": "low"} for n in range(1, 601)]
    rig.vendor.page_size = 100
    rig.parts.ticker.tick()
    rig.pump.step(Queue.polls)
    queues = rig.real_queues
    assert (queues.depth(Queue.raw_alerts), queues.depth(Queue.raw_alerts_backlog)) == (3, 3)
    rig.pump.drain((Queue.raw_alerts_backlog,))
    assert (queues.depth(Queue.notifications), queues.depth(Queue.notifications_backlog)) == (0, 3)
    rig.drain()
    assert len(stored(rig)) == 50  # a page of the feed
    assert len(rig.phones.shown) == 600
