"""The product on memory stores in processes that die and are started again, with the simulator around it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from benchmarks.rig.crashes import Crash, DyingBlobs, DyingQueues, DyingTables, DyingTransport, Life, Plan
from benchmarks.rig.storage import configure
from devhost.pump import Pump
from shared.auth.sign_in import token_source
from shared.bootstrap import Parts
from shared.nouns.detections import instant_of
from shared.nouns.notifications import Installation, Transport
from shared.push.web_push import WebPushTransport
from shared.settings import Settings
from shared.store.memory import MemoryBlobs, MemoryQueues, MemorySecrets, MemoryTables
from shared.store.stores import QUEUES, Message
from simulator.inbox import Phone
from simulator.serve import Simulator
from simulator.web_push import subscribe

_HIDDEN = timedelta(minutes=10)  # how long the host hides a message that it has handed out
_MOST_DEQUEUES = 5
_AT_ONCE = 8
PHONES = ("first", "second")


@contextmanager
def simulated_token_life(now: Callable[[], datetime]) -> Iterator[None]:
    """Let tokens, and the waits after a refused sign-in, age by the simulated clock: nothing hands the parts
    one for that, and by the machine's a second is more than a simulated hour."""
    defaults = token_source.__kwdefaults__
    assert defaults is not None
    kept, defaults["clock"] = defaults["clock"], lambda: now().timestamp()
    try:
        yield
    finally:
        defaults["clock"] = kept


@dataclass
class MortalHouse:
    """`threads` is how many messages of a queue, and how many pushes, are under way at once. `failures`
    counts the errors that a host would have logged, by their words."""

    simulator: Simulator
    plan: Plan
    vendor: str
    poll_minutes: int
    threads: int = 4
    failures: Counter[str] = field(default_factory=Counter)
    phones: list[Phone] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._tables, self._blobs, self._secrets = MemoryTables(), MemoryBlobs(), MemorySecrets()
        self._queues = MemoryQueues(clock=self.simulator.world.now)
        self._workers = ThreadPoolExecutor(self.threads)
        url = self.simulator.url
        host = url.removeprefix("https://")
        self._settings = Settings(
            simulator_url=url, ca_bundle=str(self.simulator.ca_bundle), push_hosts=(host,)
        )
        self.afterlife = self._parts()
        now = instant_of(self.simulator.world.now())
        configure(self.afterlife, self.vendor, poll_interval=60 * self.poll_minutes, created=now)
        for name in PHONES:
            self._register(name)
        self._begin()

    def _parts(self, life: Life | None = None) -> Parts:
        """Parts of one life, or of none: for looking at what is stored."""
        clock = self.simulator.world.now
        if life is None:
            stores: dict[str, Any] = {"tables": self._tables, "queues": self._queues, "blobs": self._blobs}
            return Parts(
                self._settings,
                secrets=self._secrets,
                clock=clock,
                **stores,
                sleep=self.simulator.world.advance,
            )
        parts = Parts(
            self._settings,
            tables=DyingTables(life, self._tables),
            queues=DyingQueues(life, self._queues),
            blobs=DyingBlobs(life, self._blobs),
            secrets=self._secrets,
            clock=clock,
            sleep=self.simulator.world.advance,
        )
        parts.__dict__["transports"] = {Transport.webpush: DyingTransport(life, self._web_push())}
        parts.__dict__["notifier"] = replace(parts.notifier, senders=self.threads)
        return parts

    def _web_push(self) -> WebPushTransport:
        settings = self._settings
        return WebPushTransport(
            self._secrets,
            settings.web_push_subject,
            settings.push_hosts,
            public_url=settings.public_url,
            ca_bundle=settings.ca_bundle,
            clock=self.simulator.world.now,
        )

    def _register(self, name: str) -> None:
        browser = subscribe(self.simulator.world, name)
        self.phones.append(browser.phone)
        self.afterlife.installations.register(
            Installation(
                id=name,
                owner="bench",
                name=name,
                transport=Transport.webpush,
                registration=browser.as_browser(self.simulator.world),
                registered="2026-01-01T00:00:00.0000000Z",
            )
        )

    def _begin(self) -> None:
        self._life = Life(self.plan)
        self._alive = self._parts(self._life)
        self._pump = Pump(self._alive)

    def _bury(self) -> None:
        pool = self._alive.__dict__["notifier"].__dict__.get("_pool")
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        self._life.bury()
        self._begin()

    def webhook(self, body: Any) -> bool:
        """Post an event as a Logic App does; whether it was answered 202."""
        try:
            answer = self._alive.receiver.receive(self.vendor, self.vendor, json.dumps(body).encode())
        except Crash:
            self._bury()
            return False
        return answer.status == 202

    def minute(self, number: int) -> None:
        """What the timers start in this minute, then work until nothing is left that is visible. Deaths in
        between are survived."""
        self._survive(lambda: self._alive.timers.tick())
        if number % 5 == 0:
            self._survive(lambda: self._alive.timers.watch())
        if number % 60 == 7:
            self._survive(lambda: self._alive.timers.run("sweep", self._alive.sweeper.queue))
        queues = (*QUEUES, *(f"{queue}-poison" for queue in QUEUES))
        while any([self._step(queue) for queue in queues]):
            pass

    def _survive(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Crash:
            self._bury()

    def _step(self, queue: str) -> int:
        messages = self._queues.receive(queue, count=_AT_ONCE, visibility=_HIDDEN)
        self._life.spared = any(message.dequeue_count > 2 for message in messages)
        list(self._workers.map(lambda message: self._hand(queue, message), messages))
        self._life.spared = False
        if self._life.dead:
            self._bury()
        return len(messages)

    def _hand(self, queue: str, message: Message) -> None:
        """One delivery, with the host's rules."""
        life = self._life
        try:
            try:
                self._pump.handler(queue)(message.body, message.dequeue_count > 1)
            except Exception as error:  # the host's rule: whatever it is, the message comes again
                self.failures[f"{queue}: {type(error).__name__} {error}"] += 1
                if message.dequeue_count < _MOST_DEQUEUES:
                    return
                self._queues.send(f"{queue}-poison", message.body)
            life.call(f"the host deletes from {queue}", lambda: self._queues.delete(queue, message))
        except Crash:
            return

    def waiting(self) -> int:
        """Messages in all queues, hidden ones included."""
        return sum(self._queues.depth(queue) for queue in QUEUES)

    def each_card(self, do: Callable[[Any], None]) -> None:
        """Call with every stored card."""
        from shared.store.cards import card_of

        token: str | None = None
        while True:
            page = self._tables.scan("detections", token=token)
            for row in page.rows:
                do(card_of(row, self._blobs))
            token = page.token
            if token is None:
                return
