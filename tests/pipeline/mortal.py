"""The pipeline with a vendor and a phone of a few lines, on storage that can fail at any call: quick enough
to try every one."""

from __future__ import annotations

import base64
import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from devhost.pump import Pump
from shared.bootstrap import Parts
from shared.errors import TryLater, Unreadable
from shared.nouns.configurations import CLOUDS, CloudName, Configuration, PollState
from shared.nouns.detections import Channel, Detection, instant_of
from shared.nouns.notifications import Installation, Notification, Outcome, Transport
from shared.push.transport import Delivery
from shared.settings import Settings
from shared.store.configurations import Configurations
from shared.store.memory import MemoryBlobs, MemoryQueues, MemorySecrets, MemoryTables
from shared.store.stores import QUEUES
from shared.vendors.vendor import Connection, Page, WebhookItem

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Crash(BaseException):
    """The process died. No `except Exception` survives that."""


class Fault(StrEnum):
    """What happens at the chosen call."""

    dies_before = "dies before"
    dies_after = "dies after"
    refused = "refused"
    ambiguous = "takes effect, and reports that it failed"


@dataclass
class Fate:
    """Counts calls and lets the chosen one fail, once. `calls` are the names of all so far."""

    at: int = 0
    fault: Fault = Fault.dies_before
    calls: list[str] = field(default_factory=list)
    armed: bool = True
    _lock: Any = field(default_factory=threading.Lock)

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        """Do one call, or what fate has chosen for it."""
        with self._lock:
            if self.armed:
                self.calls.append(name)
            chosen = self.armed and len(self.calls) == self.at
        if chosen and self.fault is Fault.dies_before:
            raise Crash
        if chosen and self.fault is Fault.refused:
            raise TryLater("no")
        answer = work()
        if chosen and self.fault is Fault.dies_after:
            raise Crash
        if chosen and self.fault is Fault.ambiguous:
            raise TryLater("who knows")
        return answer


class Mortal:
    """Storage whose calls are in the hands of fate."""

    def __init__(self, real: Any, fate: Fate, name: str) -> None:
        self._real, self._fate, self._name = real, fate, name

    def __getattr__(self, verb: str) -> Any:
        act = getattr(self._real, verb)
        return lambda *a, **k: self._fate.call(f"{self._name}.{verb} {a[0]}", lambda: act(*a, **k))


class Vendor:
    """A vendor with a list of alerts, each a small object with `id`, `at` (its place in time) and more; its
    pages hold two."""

    slug, title = "defender_for_cloud", "Vendor"
    page_size = 2

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] = []

    def put(self, id: str, **more: Any) -> dict[str, Any]:
        """A new alert, or a change of one; gives the alert as it is now."""
        before = next((a for a in self.alerts if a["id"] == id), {})
        at = 1 + max((a["at"] for a in self.alerts), default=0)
        alert = {**before, "id": id, "at": at, **more}
        self.alerts = [*(a for a in self.alerts if a["id"] != id), alert]
        return alert

    def fetch(self, connection: Connection, cursor: Any) -> Iterator[Page]:
        """Everything from the cursor on, that one included."""
        left = [a for a in self.alerts if a["at"] >= (cursor or {"at": 0})["at"]]
        while True:
            page, left = tuple(left[: self.page_size]), left[self.page_size :]
            at = page[-1]["at"] if page else (cursor or {"at": 0})["at"]
            yield Page(page, {"at": at}, done=not left)
            if not left:
                return

    def sweep(self, connection: Connection, since: str) -> Iterator[tuple[Any, ...]]:
        """Everything, older alerts too, in the order in which it was made."""
        alerts = sorted(self.alerts, key=lambda one: str(one.get("created")))
        for start in range(0, len(alerts), self.page_size):
            yield tuple(alerts[start : start + self.page_size])

    def hide(self, id: str, **more: Any) -> dict[str, Any]:
        """An alert that no poll will find: it lies behind what has been read."""
        alert = {"id": id, "at": -1, **more}
        self.alerts = [alert, *self.alerts]
        return alert

    def to_detection(self, raw: Any, *, channel: Channel = Channel.poll) -> Detection:
        """One alert; unreadable without a severity."""
        if "severity" not in raw:
            raise Unreadable("It has no severity.")
        when = instant_of(NOW - timedelta(hours=1) + timedelta(seconds=raw["at"]))
        return Detection(
            native_id=raw["id"],
            title=raw["id"],
            severity=raw["severity"],
            status=raw.get("status", "active"),
            description=raw.get("text", ""),
            updated=when,
            created=raw.get("created"),
        )

    def read_webhook(self, body: Any) -> tuple[WebhookItem, ...]:
        """One alert."""
        return (WebhookItem("alert", body, body["id"], body["id"]),)

    def api_root(self, *_: Any) -> str:
        """Nowhere."""
        return ""

    audience = check = api_root
    fields, permissions = Any, {}  # type: ignore[var-annotated]


class Phones:
    """A push service. `pushed` counts what came by (installation, notification); `busy` answers "later" so
    many times."""

    name = Transport.webpush

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self.pushed: Counter[tuple[str, str]] = Counter()
        self.said: dict[str, Notification] = {}
        self.busy = 0

    def send(self, notification: Notification, installation: Installation) -> Delivery:
        """Show it."""

        def show() -> Delivery:
            if self.busy:
                self.busy -= 1
                return Delivery(Outcome.later, "busy", 5)
            self.pushed[installation.id, notification.id] += 1
            self.said[notification.id] = notification
            return Delivery(Outcome.delivered)

        try:
            return self._fate.call("push.send", show)  # type: ignore[no-any-return]
        except TryLater as error:
            return Delivery(Outcome.later, str(error))

    @property
    def shown(self) -> Counter[tuple[str, str]]:
        """What stands on the first phone, by title and reason: a push with the id of an earlier one takes its
        place."""
        there = [self.said[n] for i, n in self.pushed if i == "phone-0"]
        return Counter((n.title, n.reason.value) for n in there)


class Rig:
    """The whole, with one configuration."""

    def __init__(
        self, at: int = 0, fault: Fault = Fault.dies_before, *, phones: int = 1, stores: Any = None
    ) -> None:
        self.now = NOW
        self.fate = Fate(at, fault, armed=False)
        self.vendor, self.phones = Vendor(), Phones(self.fate)
        tables, queues, blobs = stores or (MemoryTables(), MemoryQueues(clock=self.clock), MemoryBlobs())
        self.real_tables, self.real_queues, self.real_blobs = tables, queues, blobs
        self.parts = self.joined(tables, queues, blobs)
        for number in range(phones):
            self.parts.installations.register(
                Installation(
                    id=f"phone-{number}",
                    owner="analyst",
                    name="Phone",
                    transport=Transport.webpush,
                    registration={"endpoint": "1"},
                    registered="2026-01-01T00:00:00.0000000Z",
                    admin=number == 0,
                )
            )
        self.configuration = self.parts.configurations.save(
            Configuration(id="c1", vendor=self.vendor.slug, display_name="C1", tenant_id="t1")
        )
        self.pump = Pump(self.parts)
        self.fate.armed = True

    def joined(self, tables: Any, queues: Any, blobs: Any) -> Parts:
        """The product's parts on such storage."""
        parts = Parts(
            Settings(),
            tables=Mortal(tables, self.fate, "tables"),  # type: ignore[arg-type]
            queues=Mortal(queues, self.fate, "queues"),  # type: ignore[arg-type]
            blobs=Mortal(blobs, self.fate, "blobs"),  # type: ignore[arg-type]
            secrets=MemorySecrets(),
            clock=self.clock,
        )
        parts.__dict__["vendors"] = {self.vendor.slug: self.vendor}
        parts.__dict__["transports"] = {Transport.webpush: self.phones}
        parts.__dict__["connect"] = lambda c: Connection(c, CLOUDS[CloudName.commercial], None, self.clock)  # type: ignore[arg-type]
        parts.known_configurations._life = 0.0  # so that every call counts alike
        return parts

    def clock(self) -> datetime:
        """The time."""
        return self.now

    def survive(self, work: Callable[[], Any]) -> bool:
        """Do something; False when the process died or storage was away."""
        try:
            work()
        except (Crash, TryLater):
            return False
        return True

    def poll(self) -> None:
        """Tick and work until nothing is left, whatever dies."""
        begun = instant_of(self.now)
        while (self.health.last_success or "") <= begun:
            self.now += timedelta(minutes=12)  # a ticket that was lost costs its life
            self.survive(self.parts.ticker.tick)
            self.drain()

    @property
    def health(self) -> PollState:
        """The configuration's poll state."""
        found = Configurations(tables=self.real_tables).get("c1")
        assert found is not None
        return found.state

    def webhook(self, alert: dict[str, Any]) -> None:
        """Send an alert until it is taken, as a Logic App does."""
        body, answers = json.dumps(alert).encode(), [0]

        def post() -> None:
            answers.append(self.parts.receiver.receive("c1", self.vendor.slug, body).status)

        while answers[-1] != 202:
            self.survive(post)

    def drain(self) -> None:
        """Work until every queue is empty, hidden messages included: what a dead process held comes after
        the visibility timeout."""
        for _ in range(40):
            while not self.survive(self.pump.drain):
                pass
            names = [q for name in QUEUES for q in (name, f"{name}-poison")]
            if not any(self.real_queues.depth(q) for q in names):
                return
            self.now += timedelta(seconds=31)
        raise AssertionError("the queues do not become empty")

    def drain_to(self, queue: str) -> None:
        """Work until there is a message on that queue, and leave it there."""
        for before in ("polls", "raw-alerts", "notifications"):
            if before == queue:
                return
            while self.pump.step(before):
                pass

    def close(self) -> None:
        """End the threads."""
        self.parts.notifier._pool.shutdown()


def noise(kilobytes: int) -> str:
    """Text that does not compress."""
    return base64.b64encode(random.Random(kilobytes).randbytes(kilobytes * 768)).decode()
