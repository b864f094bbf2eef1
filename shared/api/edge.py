"""The outermost layer of the API: correlation id, security headers, a limit on bodies, and the answer of
last resort.

Promises: every answer carries `X-Correlation-Id` (the caller's own, if it is sane) and is not stored by any
cache unless the route decided otherwise; an unforeseen error is answered and logged with its kind and
place, never with its message, because a message may quote what was being worked on."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.api.problems import path_of, problem
from shared.errors import place_of

MAX_BODY = 256 * 1024

_log = logging.getLogger(__name__)
# W3C Trace Context: version, trace id, parent id, flags.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def correlation_id(headers: Headers) -> str:
    """The trace id or correlation id that came with the request, or a new one."""
    trace = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    if trace and trace[1].strip("0"):
        return trace[1]
    sent = headers.get("x-correlation-id", "")
    return sent if _SANE.fullmatch(sent) else uuid4().hex


class Edge:
    """ASGI middleware. It does not raise again what it answered: the Functions bridge would lose the
    answer."""

    def __init__(self, app: ASGIApp, *, larger: Mapping[str, int] = {}) -> None:
        """`larger`: by the beginning of a path, how many bytes its bodies may have instead of MAX_BODY."""
        self._app = app
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request.state.correlation_id = correlation_id(request.headers)
        answer = _Answer(send, request.state.correlation_id)
        try:
            await self._app(scope, _limited(receive, self._most(scope)), answer)
        except (
            Exception
        ) as error:  # the last resort: whatever it was, the caller gets an answer and the log its place
            _log.error("%s %s: %s", request.method, path_of(request), place_of(error), extra=_extra(request))
            if answer.begun:
                raise
            await problem(
                request, 500, "Something went wrong here; the correlation id finds it in the logs."
            )(scope, receive, answer)
        else:
            _log.log(
                logging.WARNING if answer.status >= 500 else logging.INFO,
                "%s %s: %d (correlation id %s)",
                request.method,
                path_of(request),
                answer.status,
                request.state.correlation_id,
                extra=_extra(request),
            )

    def _most(self, scope: Scope) -> int:
        path = str(scope["path"])
        return next((most for prefix, most in self._larger.items() if path.startswith(prefix)), MAX_BODY)


class _Answer:
    def __init__(self, send: Send, correlation: str) -> None:
        self._send = send
        self._correlation = correlation
        self.begun = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Correlation-Id"] = self._correlation
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _limited(receive: Receive, most: int) -> Receive:
    so_far = 0

    async def counted() -> Message:
        nonlocal so_far
        message = await receive()
        so_far += len(message.get("body", b""))
        if so_far > most:
            raise HTTPException(413, f"Send at most {most // 1024} KiB.")
        return message

    return counted


def _extra(request: Request) -> dict[str, Any]:
    return {"correlation_id": request.state.correlation_id}
