"""Ticks and tickets: what is due is polled, by one poll at a time, whatever happens to one of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import BudgetSpent
from shared.pipeline.messages import PollDue
from shared.store.stores import Queue
from tests.pipeline.mortal import Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    """One configuration, due."""
    made = Rig()
    yield made
    made.close()


def waiting(rig: Rig) -> int:
    """How many polls are queued."""
    return rig.real_queues.depth(Queue.polls)  # type: ignore[no-any-return]


def test_five_hundred_configurations_are_all_queued_by_one_tick(rig: Rig) -> None:
    """Each once, and none again by the next tick."""
    for number in range(2, 501):
        copy = rig.configuration.model_copy(update={"id": f"c{number}", "etag": ""})
        rig.parts.configurations.save(copy)
    assert rig.parts.ticker.tick() == 500
    rig.now += timedelta(minutes=1)
    assert rig.parts.ticker.tick() == 0
    assert waiting(rig) == 500
    rig.drain()
    states = [c.state for c in rig.parts.configurations.all()]
    assert len([s for s in states if s.last_success and s.ticket is None]) == 500


def test_two_ticks_at_once_queue_one_poll(rig: Rig) -> None:
    """Whoever stores the ticket first."""
    for _ in range(20):
        with ThreadPoolExecutor(4) as pool:
            queued = list(pool.map(lambda _: rig.parts.ticker.tick(), range(4)))
        assert (sum(queued), waiting(rig)) == (1, 1)
        rig.drain()
        rig.now += timedelta(minutes=2)


def test_a_message_with_an_old_ticket_does_nothing(rig: Rig) -> None:
    """Another poll has taken over."""
    rig.parts.ticker.tick()
    rig.vendor.put("a", severity="low")
    rig.parts.poller.poll(PollDue(configuration_id="c1", ticket="an old one"))
    assert rig.real_queues.depth(Queue.raw_alerts) == 0
    rig.drain()
    assert rig.phones.shown == {("a", "first_sight"): 1}


def test_two_polls_with_one_ticket_disturb_nothing(rig: Rig) -> None:
    """A message may be delivered again while it is still worked on."""
    for number in range(9):
        rig.vendor.put(f"a{number}", severity="low")
    rig.parts.ticker.tick()
    [message] = rig.real_queues.receive(Queue.polls)
    due = PollDue.model_validate_json(message.body)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(rig.parts.poller.poll, [due] * 3))
    rig.drain()
    assert set(rig.phones.pushed.values()) == {1}
    assert len(rig.phones.shown) == 9
    assert rig.health.cursor == {"at": 9}


def test_a_configuration_that_is_disabled_or_removed_is_not_polled(rig: Rig) -> None:
    """Nor does its queued message stop anybody."""
    rig.parts.ticker.tick()
    off = rig.parts.configurations.save(rig.configuration.model_copy(update={"enabled": False}))
    rig.drain()
    assert rig.health.last_attempt is None
    rig.now += timedelta(minutes=12)
    assert rig.parts.ticker.tick() == 0
    rig.parts.configurations.save(off.model_copy(update={"enabled": True}))
    assert rig.parts.ticker.tick() == 1
    rig.parts.configurations.remove("c1")
    rig.drain()
    assert rig.pump.failures == []


def test_a_poll_state_as_large_as_a_vendor_makes_it_is_stored(rig: Rig) -> None:
    """The longest cursor and the longest error fit into their column, with room for a ticket."""
    hashes = [f"{number:012x}" for number in range(1500)]
    state = rig.health.model_copy(update={"cursor": {"seen_at": hashes}, "last_error": "ä" * 2000})
    rig.parts.configurations.save_state(state)
    assert rig.parts.ticker.tick() == 1
    assert rig.health.cursor == {"seen_at": hashes}


def test_what_has_no_calls_left_is_polled_later_and_has_not_failed(rig: Rig) -> None:
    """What was read before is queued; the rest comes when there are calls again."""
    for number in range(6):
        rig.vendor.put(f"a{number}", severity="low")
    fetch = rig.vendor.fetch

    def spent(connection: Any, cursor: Any) -> Iterator[Any]:
        yield next(fetch(connection, cursor))
        raise BudgetSpent("none left", retry_after=90)

    rig.vendor.fetch = spent  # type: ignore[method-assign]
    rig.parts.ticker.tick()
    rig.drain()
    state = rig.health
    assert (state.failing_since, state.last_error, state.last_success) == (None, None, None)
    assert (state.cursor, len(rig.phones.shown)) == ({"at": 2}, 2)
    rig.now += timedelta(seconds=80)
    assert rig.parts.ticker.tick() == 0
    rig.vendor.fetch = fetch  # type: ignore[method-assign]
    rig.now += timedelta(seconds=20)
    assert rig.parts.ticker.tick() == 1
    rig.drain()
    assert len(rig.phones.shown) == 6


def test_no_poll_is_queued_while_the_vendor_has_asked_somebody_to_wait(rig: Rig) -> None:
    """Of that tenant; it is due again when the time is over."""
    other = rig.configuration.model_copy(update={"id": "c2", "tenant_id": "t2", "etag": ""})
    rig.parts.configurations.save(other)
    rig.parts.budgets.of("t1|defender_for_cloud", ()).refused(100)
    assert rig.parts.ticker.tick() == 1
    rig.now += timedelta(seconds=101)
    assert rig.parts.ticker.tick() == 1
