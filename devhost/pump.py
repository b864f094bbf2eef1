"""Drives the queues in this process, without a host: tests and benchmarks see the whole way in one place.

Keeps the host's rules that matter for correctness: a message that fails comes again after the visibility
timeout with a higher dequeue count, and after `max_dequeue` deliveries goes to the poison queue. It does not
wait: an empty queue is an answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from shared.bootstrap import Parts
from shared.pipeline.messages import InventoryDue, PollDue
from shared.store.stores import QUEUES, Message, Queue

Handler = Callable[[str, bool], object]


@dataclass
class Pump:
    """Takes messages and hands them to the parts, as function_app does. `failures` are the exceptions seen,
    newest last."""

    parts: Parts
    max_dequeue: int = 5
    visibility: timedelta = timedelta(seconds=30)
    failures: list[Exception] = field(default_factory=list)

    def handler(self, queue: str) -> Handler:
        """What is called for a message of the queue, with its text and whether it was delivered before."""
        if queue == Queue.polls:
            return lambda body, _: self.parts.poller.poll(PollDue.model_validate_json(body))
        if queue == Queue.sweeps:
            return lambda body, _: self.parts.sweeper.sweep(body)
        if queue == Queue.inventory:
            return lambda body, _: self.parts.inventory_reader.read(InventoryDue.model_validate_json(body))
        if queue in (Queue.raw_alerts, Queue.raw_alerts_backlog):
            return lambda body, again: self.parts.ingester.ingest(body, redelivered=again, queue=queue)
        if queue in (Queue.notifications, Queue.notifications_backlog):
            return lambda body, again: self.parts.notifier.notify(body, redelivered=again, queue=queue)
        return lambda body, _: self.parts.quarantiner.take(queue.removesuffix("-poison"), body)

    def step(self, queue: str, *, count: int = 32) -> int:
        """Handle what one receive gives; how many messages that was."""
        messages = self.parts.queues.receive(queue, count=count, visibility=self.visibility)
        for message in messages:
            self.handle(queue, message)
        return len(messages)

    def handle(self, queue: str, message: Message) -> None:
        """Handle one delivery to its end: deleted, left to come again, or moved to the poison queue."""
        try:
            self.handler(queue)(message.body, message.dequeue_count > 1)
        except Exception as error:  # the host's rule: whatever it is, the message comes again
            self.failures.append(error)
            if message.dequeue_count < self.max_dequeue:
                return
            self.parts.queues.send(f"{queue}-poison", message.body)
        self.parts.queues.delete(queue, message)

    def drain(self, queues: tuple[str, ...] = QUEUES) -> int:
        """Handle messages until every queue is empty of visible ones; how many that were."""
        handled = 0
        while True:
            step = sum(self.step(q) for q in (*queues, *(f"{q}-poison" for q in queues)))
            if not step:
                return handled
            handled += step
