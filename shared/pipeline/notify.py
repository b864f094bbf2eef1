"""Say it: each notification once to each installation. A delivery is claimed, sent, and its outcome noted,
in that order."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from shared.errors import place_of
from shared.nouns.notifications import Installation, Notification, Outcome, Transport
from shared.pipeline.messages import Announcements
from shared.push.transport import Delivery, PushTransport
from shared.store.deliveries import Deliveries
from shared.store.installations import Installations
from shared.store.mailbox import ContentGone, Mailbox
from shared.store.stores import Queue

_ATTEMPTS = 10
WORD = "pushes"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Notifier:
    """Delivers announcements. `senders` is how many pushes are under way at once."""

    installations: Installations
    deliveries: Deliveries
    mailbox: Mailbox
    transports: Mapping[Transport, PushTransport]
    senders: int = 8
    _pool: ThreadPoolExecutor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # One pool for good: each thread keeps its connections to the push services. It starts no thread yet.
        object.__setattr__(self, "_pool", ThreadPoolExecutor(self.senders, thread_name_prefix="push"))

    def notify(self, body: str, *, redelivered: bool, queue: str = Queue.notifications) -> Counter[Outcome]:
        """Handle one message of the queue; gives how many deliveries ended how. What must wait is queued
        again for the installation that waits."""
        try:
            content = self.mailbox.open(body)
        except ContentGone:
            if not redelivered:  # its content is deleted only after the work is done
                _log.error("announcements came without their content")
                self.mailbox.give_up(queue, body)
            return Counter()
        message = Announcements.model_validate_json(content)
        outcomes: Counter[Outcome] = Counter()
        for installation in self._concerned(message):
            outcomes += self._deliver(message, installation, queue)
        self.mailbox.discard(body)
        if outcomes:  # infra/ alerts on this line
            counts = {str(outcome): outcomes[outcome] for outcome in Outcome}
            _log.info("%s %s", WORD, json.dumps(counts, separators=(",", ":")))
        return outcomes

    def _concerned(self, message: Announcements) -> list[Installation]:
        known = self.installations.recent()
        return [i for i in known if message.only is None or i.id in message.only]

    def _deliver(self, message: Announcements, installation: Installation, queue: str) -> Counter[Outcome]:
        by_id = {n.id: n for n in message.notifications if n.concerns(installation)}
        mine = self.deliveries.claim(installation.id, by_id, by=message.batch)
        wanted = [n for n in message.notifications if n.id in mine]
        results = list(self._pool.map(lambda n: self._send(message, installation, n), wanted))
        waiting = [(n, d) for n, d in zip(wanted, results, strict=True) if d.outcome is Outcome.later]
        if waiting:
            self._queue_again(message, installation, waiting, queue)
        return Counter(d.outcome for d in results)

    def _send(
        self, message: Announcements, installation: Installation, notification: Notification
    ) -> Delivery:
        delivery = self._hand_over(installation, notification)
        if delivery.outcome is Outcome.later and message.attempt + 1 >= _ATTEMPTS:
            delivery = Delivery(Outcome.our_fault, f"Given up after {_ATTEMPTS} attempts. {delivery.reason}")
        if delivery.outcome is Outcome.our_fault:
            _log.error(
                "push %s to installation %s failed: %s", notification.id, installation.id, delivery.reason
            )
        if delivery.outcome is not Outcome.later:
            self.deliveries.note(
                installation.id, notification.id, delivery.outcome, by=message.batch, reason=delivery.reason
            )
        return delivery

    def _hand_over(self, installation: Installation, notification: Notification) -> Delivery:
        transport = self.transports.get(installation.transport)
        if transport is None:
            return Delivery(Outcome.our_fault, f"Push by {installation.transport} is not set up.")
        try:
            delivery = transport.send(notification, installation)
        except Exception as error:  # a fault with one installation must not keep the others waiting
            _log.error("push to installation %s failed unexpectedly: %s", installation.id, place_of(error))
            return Delivery(Outcome.our_fault, f"Sending failed unexpectedly ({type(error).__name__}).")
        if delivery.outcome is not Outcome.gone:
            return delivery
        if not self.installations.forget(installation):
            return Delivery(Outcome.later, "It has registered anew meanwhile.")
        _log.info("installation %s is gone and is forgotten", installation.id)
        return delivery

    def _queue_again(
        self,
        message: Announcements,
        installation: Installation,
        waiting: list[tuple[Notification, Delivery]],
        queue: str,
    ) -> None:
        """The same batch again, later, for what this installation is still owed: the claims stay its own."""
        asked = max((d.retry_after or 0) for _, d in waiting)
        delay = timedelta(seconds=max(asked, min(5 * 2**message.attempt, 1800)))
        again = message.model_copy(
            update={
                "notifications": tuple(n for n, _ in waiting),
                "only": (installation.id,),
                "attempt": message.attempt + 1,
            }
        )
        self.mailbox.send(queue, again, delay)
