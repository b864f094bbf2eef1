"""Messages larger than a queue takes, over memory and over Azurite."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from shared.errors import Unreadable
from shared.store.mailbox import Mailbox
from shared.store.memory import MemoryBlobs, MemoryQueues
from shared.store.stores import Blobs, Queues

Q = "raw-alerts"


class Letter(BaseModel):
    """A message of any length."""

    text: str


@pytest.mark.parametrize(
    "text",
    ["short", "x" * (47 * 1024 - 11), "x" * (47 * 1024 - 10), "é" * 2_000_000],
    ids=["short", "just inline", "just not", "4 MB"],
)
def test_a_message_arrives_whatever_its_size(queues: Queues, blobs: Blobs, text: str) -> None:
    """What is opened is what was sent."""
    mailbox = Mailbox(queues, blobs)
    mailbox.send(Q, Letter(text=text))

    (message,) = queues.receive(Q)

    assert Letter.model_validate_json(mailbox.open(message.body)) == Letter(text=text)


@pytest.mark.parametrize(("length", "inline"), [(47 * 1024 - 11, True), (47 * 1024 - 10, False)])
def test_only_what_does_not_fit_goes_by_claim_check(length: int, inline: bool) -> None:
    """The border is 47 KiB of UTF-8."""
    queues = MemoryQueues()
    Mailbox(queues, MemoryBlobs()).send(Q, Letter(text="x" * length))

    body = json.loads(queues.receive(Q)[0].body)

    assert list(body) == (["text"] if inline else ["claim_check"])


def test_a_discarded_message_cannot_be_opened_again() -> None:
    """The blob is gone; opening says so instead of giving nothing."""
    queues = MemoryQueues()
    mailbox = Mailbox(queues, MemoryBlobs())
    mailbox.send(Q, Letter(text="x" * 100_000))
    body = queues.receive(Q)[0].body

    mailbox.discard(body)
    mailbox.discard(body)

    with pytest.raises(Unreadable, match="gone"):
        mailbox.open(body)


def test_a_redelivered_message_can_be_opened_until_it_is_discarded() -> None:
    """Opening takes nothing away."""
    queues = MemoryQueues()
    mailbox = Mailbox(queues, MemoryBlobs())
    mailbox.send(Q, Letter(text="x" * 100_000))
    body = queues.receive(Q)[0].body

    assert mailbox.open(body) == mailbox.open(body)


def test_an_inline_message_costs_no_blob_call() -> None:
    """The usual message is small: sending, opening and discarding it never leave the queue."""
    queues = MemoryQueues()
    mailbox = Mailbox(queues, blobs=None)  # type: ignore[arg-type]

    mailbox.send(Q, Letter(text="short"))
    body = queues.receive(Q)[0].body

    assert mailbox.open(body) == body
    mailbox.discard(body)


@pytest.mark.parametrize("content", [b"not gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b""])
def test_a_damaged_blob_is_unreadable(content: bytes) -> None:
    """It goes to quarantine, rather than stopping the queue."""
    queues, blobs = MemoryQueues(), MemoryBlobs()
    mailbox = Mailbox(queues, blobs)
    mailbox.send(Q, Letter(text="x" * 100_000))
    body = queues.receive(Q)[0].body
    blobs.put("messages", json.loads(body)["claim_check"], content)

    with pytest.raises(Unreadable):
        mailbox.open(body)
