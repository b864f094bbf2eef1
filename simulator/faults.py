"""Errors on demand: what a cloud does on a bad day, before the part that was called sees the request.

A fault matches a path prefix and, with `times`, wears off. Nothing under `/_control` is ever harmed, so that
faults can be taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from simulator.world import World

KINDS = ("401", "403", "429", "500", "503", "garbage", "drop", "slow")


@dataclass
class Fault:
    """One kind of trouble for every request whose path begins with `match` (and, if given, method is
    `method`).

    `kind` is one of KINDS. `times` counts down, None: for ever; `skip` lets so many matching requests through
    first. `retry_after` (seconds, None: no header) belongs to 429 and 503, `seconds` to slow; `code` and
    `message` replace what the error body says.
    """

    match: str
    kind: str
    times: int | None = None
    skip: int = 0
    method: str | None = None
    retry_after: float | None = None
    seconds: float = 0.0
    code: str | None = None
    message: str | None = None
    id: str = field(default_factory=lambda: uuid4().hex[:8])

    def __post_init__(self) -> None:
        self.kind = str(self.kind)
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")

    def matches(self, method: str, path: str) -> bool:
        """Whether this fault concerns the request."""
        return path.startswith(self.match) and self.method in (None, method) and self.times != 0

    def as_json(self) -> dict[str, Any]:
        """The fault as the control API shows it."""
        return asdict(self)


def take(faults: list[Fault], method: str, path: str) -> Fault | None:
    """The first fault for this request, counted down; spent ones leave the list. The caller holds the
    lock."""
    for fault in faults:
        if not fault.matches(method, path):
            continue
        if fault.skip > 0:
            fault.skip -= 1
            continue
        if fault.times is not None:
            fault.times -= 1
            if fault.times == 0:
                faults.remove(fault)
        return fault
    return None


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The error body that Defender for Endpoint, ARM and Graph share; `target` is the correlation id."""
    body = {"error": {"code": code, "message": message, "target": str(uuid4())}}
    return JSONResponse(body, status_code=status, headers=headers)


def _throttled(fault: Fault) -> Response:
    # The documentation says code TooManyRequests; bodies seen in the field carry "429". `code` chooses.
    message = fault.message or "API calls quota exceeded! maximum allowed 45 per 00:01:00"
    return error(429, fault.code or "429", message, _retry_after(fault))


def _retry_after(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}


def _unavailable(fault: Fault) -> Response:
    page = "<html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>"
    return HTMLResponse(page, status_code=503, headers=_retry_after(fault))


_ANSWERS: dict[str, Callable[[Fault], Response]] = {
    "401": lambda f: error(401, f.code or "Unauthorized", f.message or "The bearer token is not accepted."),
    "403": lambda f: error(403, f.code or "Forbidden", f.message or "Access is denied."),
    "429": _throttled,
    "500": lambda f: error(500, f.code or "InternalServerError", f.message or ""),
    "503": _unavailable,
    "garbage": lambda _: PlainTextResponse("{'value': [<truncated", media_type="application/json"),
}


class FaultMiddleware:
    """Counts every request on the world, then answers with a fault where one matches."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        fault = self._fault(scope["method"], scope["path"])
        if fault is None:
            await self.app(scope, receive, send)
        elif fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await self.app(scope, receive, send)
        elif fault.kind == "drop":
            await _drop(scope)
        else:
            await _ANSWERS[fault.kind](fault)(scope, receive, send)

    def _fault(self, method: str, path: str) -> Fault | None:
        if path.startswith("/_control"):
            return None
        with self.world.lock:
            self.world.requests[f"{method} {path}"] += 1
            return take(self.world.faults, method, path)


async def _drop(scope: Scope) -> None:
    # The server puts this here (serve.py), because ASGI has no way to close a connection without an answer.
    close: Callable[[], Awaitable[None]] = scope["extensions"]["pocketsoc.close"]
    await close()
