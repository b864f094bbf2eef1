"""The API behind the Functions host's own ASGI bridge."""

from __future__ import annotations

import asyncio
from typing import Any

import azure.functions as func
import pytest

from shared.api.app import create_app


def _ask(parts: Any, method: str, path: str, body: bytes = b"", **headers: str) -> func.HttpResponse:
    request = func.HttpRequest(
        method=method, url=f"https://soc.example.test{path}", headers=headers, body=body
    )
    bridge = func.AsgiMiddleware(create_app(parts))
    answer: func.HttpResponse = asyncio.run(bridge.handle_async(request))
    return answer


def test_paths_are_complete(parts: Any) -> None:
    """The route has no prefix that the host would take away."""
    answer = _ask(parts, "GET", "/api/v1/health")

    assert (answer.status_code, answer.get_body()) == (200, b'{"status":"ok"}')


def test_an_unforeseen_error_is_still_our_answer(
    parts: Any, issuer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that reached the bridge would leave the caller an empty 500."""
    monkeypatch.setattr(parts.quarantine, "count", lambda: 1 // 0)

    answer = _ask(parts, "GET", "/api/v1/status", Authorization=f"Bearer {issuer.token('Reader')}")

    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert b"correlation_id" in answer.get_body()


def test_a_body_and_an_etag_pass_both_ways(parts: Any, issuer: Any) -> None:
    """Capital letters in header names, as clients send them."""
    bearer = {"Authorization": f"Bearer {issuer.token('Reader')}"}
    first = _ask(parts, "GET", "/api/v1/detections?limit=3", **bearer)
    again = _ask(
        parts, "GET", "/api/v1/detections?limit=3", **bearer, **{"If-None-Match": first.headers["ETag"]}
    )

    assert (first.status_code, again.status_code) == (200, 304)
