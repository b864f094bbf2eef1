"""What every implementation of Queues promises."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.queue import QueueClient

from shared.settings import Settings
from shared.store.memory import MemoryQueues
from shared.store.queues import azure_queues
from shared.store.stores import Message, Queues

Q = "raw-alerts"
SECOND = timedelta(seconds=1)


def wait_for(received: Callable[[], list[Message]]) -> list[Message]:
    """What a receive gives as soon as it gives something, at most 5 s from now."""
    until = time.monotonic() + 5
    while not (found := received()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(
    "body", ["", "{}", 'é "quotes" <xml> & 🙂\n', "a" * 48 * 1024], ids=["empty", "json", "odd", "largest"]
)
def test_a_body_is_received_as_it_was_sent(queues: Queues, body: str) -> None:
    """Up to 48 KiB of any text."""
    queues.send(Q, body)

    (message,) = queues.receive(Q)
    assert (message.body, message.dequeue_count) == (body, 1)


def test_a_message_in_work_is_hidden_from_others(queues: Queues) -> None:
    """Two workers do not get the same message."""
    queues.send(Q, "one")
    queues.receive(Q)

    assert queues.receive(Q) == []
    assert queues.depth(Q) == 1


def test_a_deleted_message_does_not_come_back(queues: Queues) -> None:
    """And deleting it again is fine."""
    queues.send(Q, "one")
    (message,) = queues.receive(Q, visibility=SECOND)

    queues.delete(Q, message)
    queues.delete(Q, message)

    assert queues.depth(Q) == 0


def test_a_message_that_nobody_deleted_is_delivered_again(queues: Queues) -> None:
    """The count tells a redelivery from the first delivery; the id stays."""
    queues.send(Q, "one")
    (first,) = queues.receive(Q, visibility=SECOND)

    (second,) = wait_for(lambda: queues.receive(Q, visibility=SECOND))

    assert (second.id, second.body, second.dequeue_count) == (first.id, "one", 2)
    assert second.receipt != first.receipt


def test_whoever_was_too_slow_cannot_delete_what_another_has_taken(queues: Queues) -> None:
    """The old receipt is worth nothing, and saying so is not an error."""
    queues.send(Q, "one")
    (slow,) = queues.receive(Q, visibility=SECOND)
    wait_for(lambda: queues.receive(Q))

    queues.delete(Q, slow)

    assert queues.depth(Q) == 1


def test_a_delayed_message_waits(queues: Queues) -> None:
    """It is not there at once, and there later."""
    queues.send(Q, "later", delay=SECOND)

    assert queues.receive(Q) == []
    assert [m.body for m in wait_for(lambda: queues.receive(Q))] == ["later"]


def test_messages_are_received_up_to_the_number_asked_for(queues: Queues) -> None:
    """Each is given out once."""
    for number in range(5):
        queues.send(Q, str(number))

    taken = [queues.receive(Q, count=2) for _ in range(4)]

    assert [len(messages) for messages in taken] == [2, 2, 1, 0]
    assert sorted(m.body for messages in taken for m in messages) == list("01234")


def test_a_missing_queue_is_empty(queues: Queues) -> None:
    """Reading does not need it; the first send makes it."""
    assert queues.receive(Q) == []
    assert queues.depth(Q) == 0
    queues.delete(Q, Message("00000000-0000-0000-0000-000000000000", "", 1, "MDAwMDAwMDA="))


def test_a_body_over_48_kib_is_refused(queues: Queues) -> None:
    """It is the UTF-8 that counts."""
    with pytest.raises(ValueError, match="mailbox"):
        queues.send(Q, "é" * (24 * 1024 + 1))


@pytest.mark.parametrize("delay", [timedelta(days=7), -SECOND])
def test_a_delay_that_the_service_refuses_is_refused(queues: Queues, delay: timedelta) -> None:
    """Less than seven days, and never into the past."""
    with pytest.raises(ValueError, match="7 days"):
        queues.send(Q, "x", delay=delay)


@pytest.mark.parametrize(
    ("count", "visibility"), [(0, SECOND), (33, SECOND), (1, timedelta()), (1, timedelta(days=8))]
)
def test_a_receive_that_the_service_refuses_is_refused(
    queues: Queues, count: int, visibility: timedelta
) -> None:
    """1 to 32 messages, for 1 second to 7 days."""
    with pytest.raises(ValueError, match="1"):
        queues.receive(Q, count=count, visibility=visibility)


@pytest.mark.azurite
def test_bodies_are_base64_on_the_wire_and_never_expire(storage: str) -> None:
    """The Functions host reads them so; a message in quarantine's way may wait longer than a week."""
    azure_queues(Settings(storage=storage)).send(Q, 'é{"a":1}')

    with QueueClient.from_connection_string(storage, Q) as client:
        (raw,) = client.receive_messages()
    assert base64.b64decode(raw.content).decode() == 'é{"a":1}'
    assert raw.expires_on.year == 9999


@pytest.mark.azurite
def test_what_the_host_or_a_person_put_there_can_be_read(storage: str) -> None:
    """Base64 as the host writes it, plain text as a person types it into the portal."""
    with QueueClient.from_connection_string(storage, f"{Q}-poison") as client:
        client.create_queue()
        client.send_message(base64.b64encode(b"from the host").decode())
        client.send_message("by hand: hello")

    bodies = [m.body for m in azure_queues(Settings(storage=storage)).receive(f"{Q}-poison")]

    assert sorted(bodies) == ["by hand: hello", "from the host"]


def test_memory_tells_the_time_by_its_clock() -> None:
    """Hours of delays and redeliveries pass at once in a test."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    queues = MemoryQueues(clock=lambda: now)
    queues.send(Q, "x", delay=timedelta(hours=5))
    assert queues.receive(Q) == []

    now += timedelta(hours=5)
    assert queues.receive(Q, visibility=timedelta(hours=1))[0].dequeue_count == 1
    assert queues.receive(Q) == []

    now += timedelta(hours=1)
    assert queues.receive(Q)[0].dequeue_count == 2
