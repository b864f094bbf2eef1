"""What the push services were given, and what the phones show. `GET /_control/pushes` lets people look.

A phone that is offline gets what the service kept for it when it comes back: Web Push keeps one message per
Topic until its TTL ends, APNs keeps only the newest one per app. On the screen a notification replaces one
with the same key: `apns-collapse-id`, or the `tag` that the web app gives it. A Topic alone does not replace
what is already on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.world import World


@dataclass
class Push:
    """One accepted push. `stored_as` is what replaces it while the phone is offline, `shown_as` on the
    screen; None: nothing does. `expires` None: the service keeps it as long as it likes."""

    received: datetime
    payload: Any
    headers: dict[str, str]
    stored_as: str | None = None
    shown_as: str | None = None
    expires: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """For people: what came, and when."""
        return {"received": self.received.isoformat(), "headers": self.headers, "payload": self.payload}


@dataclass
class Phone:
    """A phone or browser: everything it was sent (`received`), what waits for it, and what is on its screen,
    oldest first."""

    name: str
    service: str
    online: bool = True
    received: list[Push] = field(default_factory=list)
    waiting: list[Push] = field(default_factory=list)
    screen: list[Push] = field(default_factory=list)

    def accept(self, push: Push) -> None:
        """Take one push from the service, now or when the phone is back."""
        self.received.append(push)
        if self.online:
            self._show(push)
            return
        if push.stored_as is not None:
            self.waiting = [one for one in self.waiting if one.stored_as != push.stored_as]
        self.waiting.append(push)

    def come_online(self, now: datetime) -> None:
        """Show what waited and has not expired."""
        self.online = True
        for push in self.waiting:
            if push.expires is None or push.expires > now:
                self._show(push)
        self.waiting = []

    def _show(self, push: Push) -> None:
        if push.shown_as is not None:
            self.screen = [one for one in self.screen if one.shown_as != push.shown_as]
        self.screen.append(push)

    def as_json(self) -> dict[str, Any]:
        """For people."""
        return {
            "name": self.name,
            "service": self.service,
            "online": self.online,
            "shows": [one.payload for one in self.screen],
            "received": [one.as_json() for one in self.received],
        }


@dataclass
class Inbox:
    """All phones, by the name that tests gave them."""

    phones: dict[str, Phone] = field(default_factory=dict)


def inbox(world: World) -> Inbox:
    """The world's inbox."""
    return world.part("inbox", Inbox)


def phone(world: World, name: str, service: str) -> Phone:
    """The phone with this name, added on first use."""
    with world.lock:
        return inbox(world).phones.setdefault(name, Phone(name, service))


def lifetime(world: World, seconds: int) -> datetime:
    """When something that came now and lives so many seconds ends."""
    return world.now() + timedelta(seconds=seconds)


def routes(world: World) -> list[BaseRoute]:
    """The view for people; DELETE empties it."""

    async def look(request: Request) -> Response:
        with world.lock:
            phones = [one.as_json() for one in inbox(world).phones.values()]
        return JSONResponse({"count": sum(len(one["received"]) for one in phones), "phones": phones})

    async def forget(request: Request) -> Response:
        with world.lock:
            for one in inbox(world).phones.values():
                one.received, one.waiting, one.screen = [], [], []
        return Response(status_code=204)

    return [
        Route("/_control/pushes", look, methods=["GET"]),
        Route("/_control/pushes", forget, methods=["DELETE"]),
    ]
