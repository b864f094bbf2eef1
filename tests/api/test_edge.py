"""What every answer has in common, whatever goes wrong."""

from __future__ import annotations

import logging
from typing import Any

import pytest

CANARY = "canary~8Q~never-to-be-shown"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_health_is_open_and_says_nothing_else(client: Any) -> None:
    """Anybody may ask, so there is nothing to learn."""
    answer = client.get("/api/v1/health")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nowhere", 404),
        ("GET", "/elsewhere", 404),
        ("GET", "/api/v1/detections/", 404),
        ("GET", "/api/v1/detections/absent", 404),
        ("GET", "/api/v1/detections/%00%0a", 422),
        ("DELETE", "/api/v1/me", 405),
        ("POST", "/api/v1/configurations", 422),
        ("GET", "/api/v1/detections?limit=201", 422),
        ("GET", "/api/v1/detections?from=yesterday", 422),
        ("GET", "/api/v1/detections?cursor=nonsense", 400),
        ("GET", "/api/v1/detections?cursor=%C3%A9", 422),
        ("GET", "/api/v1/detections?changed_since=2026-11-20T10:00:00Z&q=x", 422),
        ("GET", "/api/v1/detections?changed_since=2020-01-01T10:00:00Z", 400),
    ],
)
def test_every_error_is_a_problem(admin: Any, method: str, path: str, status: int) -> None:
    """One shape for all errors, the framework's own included."""
    answer = admin.request(method, path)

    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert problem["status"] == status
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    assert problem.keys() >= {"type", "title", "detail", "instance"}


def test_an_unforeseen_error_is_answered_and_its_message_stays_inside(
    admin: Any, parts: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the answer nor the log repeats a message that may quote anything."""

    def broken() -> int:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(parts.quarantine, "count", broken)
    with caplog.at_level(logging.INFO):
        answer = admin.get("/api/v1/status")

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert CANARY not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text
    assert any(getattr(r, "correlation_id", "") == answer.json()["correlation_id"] for r in caplog.records)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, TRACE),
        ({"x-correlation-id": "phone-1234.5"}, "phone-1234.5"),
    ],
)
def test_a_sane_correlation_id_is_kept(client: Any, headers: dict[str, str], expected: str) -> None:
    """The caller's trace goes on here."""
    assert client.get("/api/v1/health", headers=headers).headers["x-correlation-id"] == expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-correlation-id": "<script>"},
        {"x-correlation-id": "x" * 65},
        {"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"},
    ],
)
def test_any_other_correlation_id_is_replaced(client: Any, headers: dict[str, str]) -> None:
    """What is not sane is not repeated."""
    found = client.get("/api/v1/health", headers=headers).headers["x-correlation-id"]

    assert len(found) == 32
    assert found not in headers.values()


def test_no_cache_keeps_what_needs_a_sign_in(reader: Any) -> None:
    """Answers to somebody are not stored; those with an ETag only in their own browser."""
    plain, tagged = reader.get("/api/v1/me"), reader.get("/api/v1/detections")

    assert plain.headers["cache-control"] == "no-store"
    assert tagged.headers["cache-control"] == "private, no-cache"
    assert {a.headers["x-content-type-options"] for a in (plain, tagged)} == {"nosniff"}


def test_a_body_beyond_the_limit_is_refused(admin: Any) -> None:
    """Nothing that this API takes is large."""
    answer = admin.post("/api/v1/configurations", json={"vendor": "x", "fields": {"x": "x" * 300_000}})

    assert (answer.status_code, answer.json()["title"]) == (413, "Content Too Large")


def test_the_page_for_people_needs_no_script(client: Any) -> None:
    """It works under a policy that allows nothing, and names every operation."""
    page = client.get("/api/v1/docs")

    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert all(path in page.text for path in client.get("/api/v1/openapi.json").json()["paths"])


@pytest.mark.parametrize("host", ["[", "evil.example.test/x?y", ""])
def test_a_strange_host_header_changes_nothing(client: Any, host: str) -> None:
    """Nothing is put together from the Host header."""
    answer = client.get("/api/v1/me", headers={"host": host})

    assert (answer.status_code, answer.json()["instance"]) == (401, "/api/v1/me")
