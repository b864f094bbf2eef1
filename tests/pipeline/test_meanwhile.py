"""What changes on the way: configurations, tenants, registrations, lost content, poison, late and odd
alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import BadRequest, TryLater
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, RawAlert, instant_of
from shared.nouns.notifications import Installation, Outcome
from shared.pipeline.messages import RawAlerts
from shared.push.transport import Delivery
from shared.store.feed import FeedQuery
from shared.store.quarantine import Kind
from shared.store.stores import Container, Message, Queue
from shared.vendors.vendor import WebhookItem
from tests.pipeline.mortal import NOW, Rig, noise


@pytest.fixture
def rig() -> Iterator[Rig]:
    """One configuration and one phone."""
    made = Rig()
    yield made
    made.close()


def send(rig: Rig, *alerts: dict[str, Any], minutes: int = 0, **more: Any) -> None:
    """Put a batch of polled alerts on the queue, received some minutes after noon."""
    received = instant_of(NOW + timedelta(minutes=minutes))
    raw = tuple(RawAlert(body=alert, received=received) for alert in alerts)
    message = RawAlerts(**{"configuration_id": "c1", "channel": Channel.poll, "alerts": raw, **more})
    rig.parts.mailbox.send(Queue.raw_alerts, message)


def taken(rig: Rig, queue: str) -> Message:
    """The one message of a queue."""
    [message] = rig.real_queues.receive(queue)
    return message  # type: ignore[no-any-return]


def statuses(rig: Rig) -> dict[str, str]:
    """What is stored."""
    return {c.title: c.status.value for c in rig.parts.feed.page(FeedQuery()).cards}


def changed(rig: Rig, **more: Any) -> Configuration:
    """Change the configuration."""
    return rig.parts.configurations.save(rig.configuration.model_copy(update=more))


def test_alerts_of_a_removed_configuration_wait_in_quarantine_until_it_is_there_again(rig: Rig) -> None:
    """Replaying too early loses nothing, however often."""
    send(rig, rig.vendor.put("a", severity="low"))
    rig.parts.configurations.remove("c1")
    for _ in range(3):
        rig.drain()
        [kept] = rig.parts.quarantine.all()
        rig.parts.quarantiner.replay(kept.id)
    rig.parts.configurations.save(rig.configuration.model_copy(update={"etag": ""}))
    rig.drain()
    assert rig.phones.shown == {("a", "first_sight"): 1}
    assert rig.parts.quarantine.count() == 0


def test_what_comes_back_before_its_replay_has_ended_stays(rig: Rig) -> None:
    """A worker may be faster than the one who takes it out of quarantine."""
    id = rig.parts.quarantine.put(Kind.alert, b'{"id": "odd"}', reason="r", source="c1")
    send_on = rig.parts.mailbox.send

    def send_and_work(*message: Any) -> None:
        send_on(*message)
        rig.drain()

    rig.parts.mailbox.send = send_and_work  # type: ignore[method-assign,assignment]
    rig.parts.quarantiner.replay(id)
    assert [q.id for q in rig.parts.quarantine.all()] == [id]
    assert rig.parts.quarantine.content(id) == b'{"id": "odd"}'


def test_alerts_on_their_way_keep_the_tenant_they_were_read_from(rig: Rig) -> None:
    """A configuration given another tenant brings no second card of what was under way."""
    alert = rig.vendor.put("a", severity="low")
    rig.vendor.put("b", severity="low")
    rig.poll()
    rig.vendor.put("a", severity="low", text="more")
    rig.now += timedelta(minutes=2)
    rig.parts.ticker.tick()
    rig.pump.step(Queue.polls)
    changed(rig, tenant_id="t2")
    rig.drain()
    assert sorted(statuses(rig)) == ["a", "b"]
    assert rig.phones.shown == {(id, "first_sight"): 1 for id in "ab"}
    assert alert["id"] == "a"


def test_a_page_fetched_earlier_and_stored_later_undoes_nothing(rig: Rig) -> None:
    """Nor is it said again."""
    older = rig.vendor.put("a", severity="low")
    newer = rig.vendor.put("a", severity="high", status="resolved")
    send(rig, newer, minutes=5)
    rig.drain()
    send(rig, older, minutes=1)
    rig.drain()
    assert statuses(rig) == {"a": "resolved"}
    assert rig.phones.shown == {("a", "first_sight"): 1}


def test_an_alert_replayed_from_quarantine_is_as_old_as_it_was(rig: Rig) -> None:
    """What has come since is not undone."""
    old = rig.vendor.put("a", severity="low")
    id = rig.parts.quarantine.put(Kind.alert, json.dumps(old).encode(), reason="r", source="c1")
    rig.now += timedelta(hours=1)
    rig.vendor.put("a", status="resolved")
    rig.poll()
    rig.parts.quarantiner.replay(id)
    rig.drain()
    assert statuses(rig) == {"a": "resolved"}
    assert rig.phones.shown == {("a", "first_sight"): 1}


@pytest.mark.parametrize("queue", [Queue.raw_alerts, Queue.notifications])
def test_content_that_is_lost_before_its_first_delivery_is_seen(rig: Rig, queue: str) -> None:
    """It cannot be worked on, but it does not vanish in silence."""
    send(rig, *(rig.vendor.put(f"{number:03}" + "ä" * 250, severity="low") for number in range(100)))
    rig.drain_to(queue)
    for container, name in list(rig.real_blobs._contents):
        if container == Container.messages and name.startswith(queue):
            rig.real_blobs.delete(container, name)
    rig.drain()
    [kept] = rig.parts.quarantine.all()
    assert "lost its content" in kept.reason
    with pytest.raises(BadRequest):
        rig.parts.quarantiner.replay(kept.id)


@pytest.mark.parametrize("queue", [Queue.raw_alerts, Queue.notifications])
def test_a_message_delivered_again_while_it_is_worked_on_changes_nothing(rig: Rig, queue: str) -> None:
    """Its visibility ran out in the middle; the second worker ends first."""
    send(rig, rig.vendor.put("a", severity="low", text=noise(70)), rig.vendor.put("b", severity="low"))
    rig.drain_to(queue)
    message = taken(rig, queue)
    handler = rig.pump.handler(queue)
    handler(message.body, True)
    handler(message.body, True)
    rig.real_queues.delete(queue, message)
    rig.drain()
    assert set(rig.phones.pushed.values()) == {1}
    assert rig.phones.shown == {("a", "first_sight"): 1, ("b", "first_sight"): 1}


def test_more_than_a_hundred_announcements_arrive(rig: Rig) -> None:
    """In several messages, some too large for a queue."""
    send(rig, *(rig.vendor.put(f"{number:03}" + "ä" * 250, severity="low") for number in range(240)))
    rig.drain()
    assert len(rig.phones.shown) == 240
    assert set(rig.phones.pushed.values()) == {1}
    assert not [name for container, name in rig.real_blobs._contents if container == Container.messages]


def test_a_poisoned_message_taken_twice_is_kept_once(rig: Rig) -> None:
    """And says all it said when it is replayed."""
    send(rig, rig.vendor.put("a", severity="low", text=noise(70)))
    message = taken(rig, Queue.raw_alerts)
    ids = {rig.parts.quarantiner.take(Queue.raw_alerts, message.body) for _ in range(2)}
    rig.real_queues.delete(Queue.raw_alerts, message)
    [id] = ids
    rig.parts.quarantiner.replay(id)
    rig.drain()
    assert rig.phones.shown == {("a", "first_sight"): 1}


def test_one_alert_nested_too_deeply_does_not_stop_its_page(rig: Rig) -> None:
    """It is quarantined; we could write it, and never read it again."""
    deep: Any = "x"
    for _ in range(250):
        deep = [deep]
    rig.vendor.put("deep", severity="low", more=deep)
    rig.vendor.put("a", severity="low")
    rig.poll()
    assert rig.phones.shown == {("a", "first_sight"): 1}
    assert [q.kind for q in rig.parts.quarantine.all()] == [Kind.alert]
    rig.webhook({"id": "deep", "severity": "low", "more": deep})
    rig.drain()
    assert [q.kind for q in rig.parts.quarantine.all()] == [Kind.event, Kind.alert]


def test_text_in_text_that_cannot_be_stored_is_made_storable(rig: Rig) -> None:
    """Half a character may be hidden in JSON that is inside of JSON."""
    rig.vendor.read_webhook = lambda body: (  # type: ignore[method-assign]
        WebhookItem("alert", json.loads(body["text"]), "", ""),
    )
    rig.webhook({"text": '{"id": "\\ud800", "at": 1, "severity": "low"}'})
    rig.drain()
    assert rig.phones.shown == {("?", "first_sight"): 1}


def test_one_broken_installation_does_not_keep_the_others_waiting() -> None:
    """Its transport fails in a way nobody foresaw."""
    rig = Rig(phones=3)
    send_on = rig.phones.send

    def break_one(notification: Any, installation: Installation) -> Delivery:
        if installation.id == "phone-1":
            raise KeyError("keys")
        return send_on(notification, installation)

    rig.phones.send = break_one  # type: ignore[method-assign]
    send(rig, rig.vendor.put("a", severity="low"))
    rig.drain()
    rig.close()
    assert sorted(installation for installation, _ in rig.phones.pushed) == ["phone-0", "phone-2"]


def test_a_phone_that_registers_anew_while_its_old_address_is_refused_is_told(rig: Rig) -> None:
    """The refusal was of the old registration; the new one stays and gets the push."""
    [old] = rig.parts.installations.all()
    send_on = rig.phones.send

    def refuse_old(notification: Any, installation: Installation) -> Delivery:
        if installation.registration == old.registration:
            rig.parts.installations.register(old.model_copy(update={"registration": {"endpoint": "2"}}))
            return Delivery(Outcome.gone)
        return send_on(notification, installation)

    rig.phones.send = refuse_old  # type: ignore[method-assign]
    send(rig, rig.vendor.put("a", severity="low"))
    rig.drain()
    assert [i.registration for i in rig.parts.installations.all()] == [{"endpoint": "2"}]
    assert rig.phones.shown == {("a", "first_sight"): 1}


def test_storage_that_is_away_for_long_poisons_and_a_replay_says_all_of_it_once(rig: Rig) -> None:
    """Five failed deliveries, quarantine, replay."""
    send(rig, rig.vendor.put("a", severity="low"))
    write, away = rig.real_tables.write, True

    def refuse(table: str, changes: Any) -> Any:
        if away and table == "detections":
            raise TryLater("away")
        return write(table, changes)

    rig.real_tables.write = refuse
    rig.drain()
    away = False
    [kept] = rig.parts.quarantine.all()
    assert rig.phones.shown == {}
    rig.parts.quarantiner.replay(kept.id)
    rig.drain()
    assert rig.phones.shown == {("a", "first_sight"): 1}
