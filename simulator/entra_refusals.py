"""How Entra ID says no: an AADSTS number in a standard OAuth error, with what Microsoft's support asks for.

The codes and their HTTP status are collected from logs where such exist; 900023, 50059, 900144, 7000216,
1002012, 70016-70020, 50148, 700023, 1000502 and the status of 70011 and 500011 are from memory.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from simulator.world import World


class SignInRefused(Exception):
    """What the service says no with: AADSTS number, OAuth error, HTTP status, text."""

    def __init__(
        self, number: int, error: str, text: str, *, status: int = 400, suberror: str | None = None
    ) -> None:
        super().__init__(text)
        self.number = number
        self.error = error
        self.text = text
        self.status = status
        self.suberror = suberror


def missing_field(name: str) -> SignInRefused:
    """A request that lacks a field."""
    text = f"The request body must contain the following parameter: '{name}'."
    return SignInRefused(900144, "invalid_request", text)


def refusal_body(world: World, refused: SignInRefused, correlation: str) -> dict[str, Any]:
    """The error in Entra's shape; the description's trailer is separated as the world's switch says."""
    moment, trace = world.now().strftime("%Y-%m-%d %H:%M:%SZ"), str(uuid4())
    body: dict[str, Any] = {
        "error": refused.error,
        "error_description": described(world, refused, trace, correlation),
        "error_codes": [refused.number],
        "timestamp": moment,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"{world.origin}/error?code={refused.number}",
    }
    return body | ({"suberror": refused.suberror} if refused.suberror else {})


def described(world: World, refused: SignInRefused, trace: str, correlation: str) -> str:
    """The error's description with its trailer."""
    moment = world.now().strftime("%Y-%m-%d %H:%M:%SZ")
    trailer = (f"Trace ID: {trace}", f"Correlation ID: {correlation}", f"Timestamp: {moment}")
    return world.switches.aadsts_separator.join((f"AADSTS{refused.number}: {refused.text}", *trailer))
