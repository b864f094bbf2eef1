"""How a simulated API says no: raise `Refused` anywhere, and the route answers it. Routes match in any
casing, as the real hosts do.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulator.faults import error


class Refused(Exception):
    """An HTTP error with the body that Microsoft's APIs share; `headers` go with it."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, headers

    def answer(self) -> Response:
        """The response."""
        return error(self.status, self.code, self.message, self.headers)


Handler = Callable[[Request], Awaitable[Response]]


def route(path: str, handler: Handler, method: str) -> Route:
    """A route for one method whose path matches in any casing and whose handler may raise Refused."""

    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as no:
            return no.answer()

    made = Route(path, answering, methods=[method], name=handler.__name__)
    made.path_regex = re.compile(made.path_regex.pattern, re.IGNORECASE)
    return made


async def json_object(request: Request, *, code: str, message: str) -> dict[str, Any]:
    """The body as a JSON object; anything else is 400 with this code and message."""
    try:
        body = await request.json()
    except ValueError as problem:
        raise Refused(400, code, message) from problem
    if not isinstance(body, dict):
        raise Refused(400, code, message)
    return body
