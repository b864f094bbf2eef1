"""From the vendors to the phone, in one process against the simulator: once each, whatever happens."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from shared.nouns.detections import Severity, Status
from shared.store.stores import Queue
from simulator import scenarios
from simulator.faults import Fault
from tests.pipeline.house import CLOUD, ENDPOINT, House

pytestmark = pytest.mark.peer
WEEK = timedelta(days=7)


def webhook(house: House, body: Any, configuration: str = CLOUD) -> int:
    """Post a body as the Logic App would; the status that it gets."""
    return house.parts.receiver.receive(configuration, "defender_for_cloud", json.dumps(body).encode()).status


def shown_titles(house: House) -> Counter[str]:
    """What the phone was sent, by title."""
    return Counter(push.payload["notification"]["title"] for push in house.pushes)


def test_both_vendors_alerts_become_one_card_and_one_push_each(house: House) -> None:
    """A first poll reads the configured week of Endpoint and everything of Cloud."""
    house.configure("defender_endpoint", ENDPOINT)
    house.configure("defender_for_cloud", CLOUD)
    scenarios.add_endpoint_alerts(house.world, count=30, within=timedelta(days=5))
    scenarios.add_cloud_alerts(house.world, count=20, within=timedelta(days=5))
    house.poll()
    assert len(house.cards()) == len(house.pushes) == 50
    assert house.pump.failures == []


def test_reading_again_changes_nothing_and_writes_nothing_but_the_poll_state(house: House) -> None:
    """An unchanged alert costs no write."""
    house.configure("defender_for_cloud", CLOUD)
    scenarios.add_cloud_alerts(house.world, count=150, within=timedelta(days=5))
    house.poll()
    before = house.parts.configurations.get(CLOUD)
    house.poll(after=timedelta(minutes=6))
    after = house.parts.configurations.get(CLOUD)
    assert before is not None
    assert after is not None
    assert after.state.read_until > before.state.read_until
    assert after.state.alerts_read == 300
    assert after.state.alerts_queued == 150
    assert len(house.pushes) == 150


def test_a_late_row_inside_the_overlap_is_found(house: House) -> None:
    """An alert that becomes visible ten minutes after its own update time is not skipped."""
    house.configure("defender_endpoint", ENDPOINT)
    scenarios.add_endpoint_alerts(house.world, lag=timedelta(minutes=10))
    scenarios.add_endpoint_alerts(house.world)
    house.poll()
    assert len(house.cards()) == 1
    house.poll(after=timedelta(minutes=11))
    assert len(house.cards()) == len(house.pushes) == 2


def test_a_raised_severity_is_pushed_once_more_and_churn_is_not(house: House) -> None:
    """Announced changes are pushed, others are stored in silence."""
    house.configure("defender_endpoint", ENDPOINT)
    [alert] = scenarios.add_endpoint_alerts(house.world, fields={"severity": "Low", "status": "New"})
    house.poll()
    scenarios.update_endpoint_alert(house.world, alert, fields={"assignedTo": "someone@contoso.example"})
    house.poll(after=timedelta(minutes=2))
    assert len(house.pushes) == 1
    scenarios.update_endpoint_alert(house.world, alert, fields={"severity": "High"})
    house.poll(after=timedelta(minutes=2))
    assert len(house.pushes) == 2
    assert [c.severity for c in house.cards()] == [Severity.high]


@pytest.mark.parametrize("dialect", ["pascal", "camel", "wrapped", "arm", "list"])
def test_a_webhook_alert_is_on_the_phone_and_polling_it_adds_a_sighting(house: House, dialect: str) -> None:
    """Every dialect is the same alert as in the ARM list."""
    house.configure("defender_for_cloud", CLOUD)
    body = scenarios.webhook_body(house.world, dialect=dialect)
    assert webhook(house, body) == 202
    house.pump.drain()
    assert len(house.cards()) == len(house.pushes) == 1
    house.poll(after=timedelta(minutes=6))
    [card] = house.cards()
    assert (card.number_of_sightings, len(house.pushes)) == (2, 1)


def test_the_same_webhook_call_five_times_is_one_push(house: House) -> None:
    """A Logic App repeats what it got no answer for."""
    house.configure("defender_for_cloud", CLOUD)
    body = scenarios.webhook_body(house.world)
    assert [webhook(house, body) for _ in range(5)] == [202] * 5
    house.pump.drain()
    assert len(house.cards()) == len(house.pushes) == 1


def test_a_webhook_repeated_after_a_poll_saw_it_resolved_does_not_reopen_it(house: House) -> None:
    """An event is a snapshot of its own time."""
    house.configure("defender_for_cloud", CLOUD)
    body = scenarios.webhook_body(house.world)
    [name] = scenarios.cloud_names(house.world)
    webhook(house, body)
    house.pump.drain()
    scenarios.update_cloud_alert(house.world, name, fields={"status": "Resolved"})
    house.poll(after=timedelta(minutes=6))
    webhook(house, body)
    house.pump.drain()
    assert [c.status for c in house.cards()] == [Status.resolved]
    assert len(house.pushes) == 1


@pytest.mark.parametrize("dialect", ["assessment", "sub_assessment", "secure_score", "compliance"])
def test_other_event_classes_are_kept_as_what_they_are(house: House, dialect: str) -> None:
    """A posture event is no detection and is not lost."""
    house.configure("defender_for_cloud", CLOUD)
    assert webhook(house, scenarios.webhook_body(house.world, dialect=dialect)) == 202
    house.pump.drain()
    kept = house.parts.tables.scan("postureevents").rows
    assert (len(kept), house.cards(), house.parts.quarantine.count()) == (1, (), 0)


@pytest.mark.parametrize("body", [{"hello": "world"}, [], [1, 2], "text", None, 7, {"body": {"x": "\ud800"}}])
def test_json_that_nobody_understands_is_quarantined(house: House, body: Any) -> None:
    """It is answered 202 and kept whole."""
    house.configure("defender_for_cloud", CLOUD)
    assert webhook(house, body) == 202
    house.pump.drain()
    assert house.pump.failures == []
    assert house.parts.quarantine.count() >= (0 if body == [] else 1)


def test_the_webhook_says_what_is_wrong(house: House) -> None:
    """400 for what is not JSON, 404 for an unknown configuration, 413 over the limit."""
    house.configure("defender_for_cloud", CLOUD)
    receive = house.parts.receiver.receive
    assert receive(CLOUD, "defender_for_cloud", b"not json").status == 400
    assert receive("nobody", "defender_for_cloud", b"{}").status == 404
    assert receive(CLOUD, "defender_for_cloud", b'"' + b"x" * 5_000_000 + b'"').status == 413


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("/api/alerts", "401"), "access token"),
        (Fault("/api/alerts", "403"), "permission"),
        (Fault("/api/alerts", "429", retry_after=30), "wait"),
        (Fault("/api/alerts", "500"), "500"),
        (Fault("/api/alerts", "garbage"), "not JSON"),
        (Fault("/api/alerts", "drop"), "connection"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else None,
)
def test_trouble_at_the_vendor_is_said_and_passes_by_itself(house: House, fault: Fault, words: str) -> None:
    """The health says what is wrong while it is wrong; then everything is there."""
    house.configure("defender_endpoint", ENDPOINT)
    scenarios.add_endpoint_alerts(house.world, count=5, within=timedelta(hours=1))
    house.world.faults.append(fault)
    house.poll()
    said = house.health(ENDPOINT)
    assert said is not None
    assert words.lower() in said.lower()
    house.world.faults.clear()
    house.poll(after=timedelta(minutes=16))
    assert house.health(ENDPOINT) is None
    assert len(house.cards()) == len(house.pushes) == 5


def test_an_endless_next_link_is_said_and_what_was_read_is_kept(house: House) -> None:
    """The walk stops instead of turning in circles."""
    house.configure("defender_for_cloud", CLOUD)
    scenarios.add_cloud_alerts(house.world, count=5, within=timedelta(hours=1))
    scenarios.endless_nextlink(house.world, "cloud")
    house.poll()
    assert "same page" in (house.health(CLOUD) or "")
    scenarios.endless_nextlink(house.world, "cloud", on=False)
    house.poll(after=timedelta(minutes=16))
    assert house.health(CLOUD) is None
    assert len(house.cards()) == len(house.pushes) == 5


def test_one_throttled_configuration_waits_and_the_other_goes_on(house: House) -> None:
    """Retry-After postpones whom it was said to."""
    house.configure("defender_endpoint", ENDPOINT)
    house.configure("defender_for_cloud", CLOUD)
    scenarios.add_cloud_alerts(house.world, count=3)
    house.world.faults.append(Fault("/api/alerts", "429", retry_after=600))
    house.poll()
    house.poll(after=timedelta(minutes=6))
    state = house.parts.configurations.get(ENDPOINT)
    assert state
    assert state.state.failures == 1
    assert len(house.cards()) == 3


def test_a_phone_that_is_gone_is_forgotten(house: House) -> None:
    """410 ends a registration, and nothing else."""
    house.configure("defender_endpoint", ENDPOINT)
    house.phone.gone = True
    scenarios.add_endpoint_alerts(house.world)
    house.poll()
    assert house.parts.installations.all() == []
    assert len(house.cards()) == 1


def test_a_busy_push_service_is_tried_later(house: House) -> None:
    """A push that could not be handed over goes out when the service is back, once."""
    house.configure("defender_endpoint", ENDPOINT)
    house.phone.answer, house.phone.times = 503, 1
    scenarios.add_endpoint_alerts(house.world)
    house.poll()
    assert house.pushes == []
    house.world.advance(60)
    house.pump.drain()
    assert len(house.pushes) == 1


def test_a_message_that_keeps_failing_is_quarantined_and_can_be_replayed(house: House) -> None:
    """Poison is kept whole; once the cause is gone it is sent on its way again."""
    configuration = house.configure("defender_for_cloud", CLOUD)
    body = scenarios.webhook_body(house.world)
    webhook(house, body)
    record, house.parts.detections.record = house.parts.detections.record, None  # type: ignore[method-assign,assignment]
    for _ in range(6):
        house.pump.drain()
        house.world.advance(31)
    [kept] = house.parts.quarantine.all()
    assert (kept.source, house.parts.queues.depth(f"{Queue.raw_alerts}-poison")) == (Queue.raw_alerts, 0)
    house.parts.detections.record = record  # type: ignore[method-assign]
    house.parts.quarantiner.replay(kept.id)
    house.pump.drain()
    assert len(house.cards(configuration_ids=(configuration.id,))) == len(house.pushes) == 1


def test_a_fault_in_a_vendors_file_is_that_configurations_trouble(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A programming error is shown as health, not left to poison queues."""
    house.configure("defender_endpoint", ENDPOINT)
    house.configure("defender_for_cloud", CLOUD)
    scenarios.add_cloud_alerts(house.world)
    monkeypatch.setattr("shared.vendors.keyset_walk.walk", lambda *_: 1 / 0)
    house.poll()
    assert "unexpectedly (ZeroDivisionError)" in (house.health(ENDPOINT) or "")
    assert len(house.cards()) == 1
