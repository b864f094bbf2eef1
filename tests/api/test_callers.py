"""Who may call what: there is no default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant

from shared.api.app import create_app
from shared.api.caller import Allowed, Open

OPEN, READER, RESPONDER, ADMIN, SENDER = "anyone", "Reader", "Responder", "Admin", "Alerts.Send"
TABLE = {
    "GET /api/v1/health": OPEN,
    "GET /api/v1/docs": OPEN,
    "GET /api/v1/openapi.json": OPEN,
    "GET /api/v1/me": READER,
    "GET /api/v1/vendors": READER,
    "GET /api/v1/configurations": READER,
    "POST /api/v1/configurations": ADMIN,
    "GET /api/v1/configurations/{id}": READER,
    "PUT /api/v1/configurations/{id}": ADMIN,
    "PATCH /api/v1/configurations/{id}": ADMIN,
    "DELETE /api/v1/configurations/{id}": ADMIN,
    "POST /api/v1/configurations/{id}/check": ADMIN,
    "GET /api/v1/configurations/{id}/sign-in": ADMIN,
    "POST /api/v1/configurations/{id}/sign-in": ADMIN,
    "POST /api/v1/configurations/{id}/sign-in/complete": ADMIN,
    "GET /api/v1/detections": READER,
    "GET /api/v1/detections/{id}": READER,
    "POST /api/v1/detections/{id}/split": RESPONDER,
    "POST /api/v1/detections/{id}/status": RESPONDER,
    "GET /api/v1/templates/{name}": READER,
    "POST /api/v1/webhooks/defender-for-cloud/{id}": SENDER,
    "GET /api/v1/incidents": READER,
    "GET /api/v1/incidents/{id}": READER,
    "PATCH /api/v1/incidents/{id}": RESPONDER,
    "GET /api/v1/inventory": READER,
    "GET /api/v1/inventory/{kind}": READER,
    "POST /api/v1/configurations/{id}/inventory": ADMIN,
    "GET /api/v1/affiliation": READER,
    "POST /api/v1/configurations/{id}/hunt": RESPONDER,
    "GET /api/v1/export/ocsf": READER,
    "GET /api/v1/risks": READER,
    "GET /api/v1/assets": READER,
    "GET /api/v1/audit": ADMIN,
    "GET /api/v1/installations": READER,
    "POST /api/v1/installations": READER,
    "DELETE /api/v1/installations/{id}": READER,
    "POST /api/v1/installations/{id}/test": READER,
    "GET /api/v1/push/web": READER,
    "GET /api/v1/status": READER,
    "GET /api/v1/troubles": READER,
    "GET /api/v1/ledger": READER,
    "GET /api/v1/ledger/{configuration_id}": READER,
    "GET /api/v1/quarantine": ADMIN,
    "GET /api/v1/quarantine/{id}": ADMIN,
    "DELETE /api/v1/quarantine/{id}": ADMIN,
    "POST /api/v1/quarantine/{id}/replay": ADMIN,
    "POST /api/v1/replays": ADMIN,
}
TEMPLATE = "pocketsoc-logic-app.json"


def _routes(routes: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _routes(inner.routes, prefix + route.include_context.prefix)
        else:
            yield from ((f"{method} {prefix}{route.path}", route) for method in sorted(route.methods))


def _named(dependant: Dependant) -> list[str]:
    calls = [d.call for d in dependant.dependencies]
    return [str(c.role) if isinstance(c, Allowed) else OPEN for c in calls if isinstance(c, Allowed | Open)]


def test_every_route_names_exactly_one_kind_of_caller(parts: Any) -> None:
    """Walks all routes: one without a caller, or one that this table does not know, fails."""
    found = {name: _named(route.dependant) for name, route in _routes(create_app(parts).routes)}

    assert found == {name: [caller] for name, caller in TABLE.items()}


@pytest.mark.parametrize("name", [n for n, caller in TABLE.items() if caller is not OPEN])
def test_nobody_gets_in_without_a_token(client: Any, name: str) -> None:
    """401, with the way to sign in."""
    method, path = (
        name.replace("{id}", "some-id").replace("{name}", TEMPLATE).replace("{kind}", "machine").split(" ")
    )

    answer = client.request(method, path, json={"vendor": "x", "fields": {}})

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("name", [n for n, caller in TABLE.items() if caller is ADMIN])
@pytest.mark.parametrize("role", ["Reader", "Responder", SENDER])
def test_a_lesser_role_is_told_which_one_is_missing(signed_in: Any, name: str, role: str) -> None:
    """403 names the role, and nothing happens."""
    method, path = (
        name.replace("{id}", "some-id").replace("{name}", TEMPLATE).replace("{kind}", "machine").split(" ")
    )

    answer = signed_in(role).request(method, path, json={"vendor": "x", "fields": {}})

    assert (answer.status_code, "role Admin" in answer.json()["detail"]) == (403, True)


@pytest.mark.parametrize("name", [n for n, caller in TABLE.items() if caller is READER])
@pytest.mark.parametrize("roles", [(), ("reader",), ("Other",)])
def test_a_valid_token_alone_is_no_permission(signed_in: Any, name: str, roles: tuple[str, ...]) -> None:
    """Anybody of the tenant can have a token for the API; only a role says yes."""
    method, path = (
        name.replace("{id}", "some-id").replace("{name}", TEMPLATE).replace("{kind}", "machine").split(" ")
    )

    assert signed_in(*roles).request(method, path, json={}).status_code == 403


@pytest.mark.parametrize("role", ["Reader", "Responder", "Admin"])
def test_a_stronger_role_covers_the_weaker(signed_in: Any, role: str) -> None:
    """Admin and Responder may read."""
    answer = signed_in(role).get("/api/v1/me")

    assert (answer.status_code, answer.json()["role"]) == (200, role)


def test_what_admins_and_responders_change_is_in_the_audit(
    signed_in: Any, parts: Any, configuration: Any
) -> None:
    """Who, what and to what, before it is done; reading is not, nor is what was not allowed."""
    id = configuration["id"]
    signed_in("Admin").delete(f"/api/v1/configurations/{id}")
    signed_in("Admin").get("/api/v1/quarantine")
    signed_in("Reader").delete(f"/api/v1/configurations/{id}")

    removed, created = parts.audit.page().entries
    assert (removed.action, removed.subject, removed.name) == ("remove_configuration", id, "Ana Lyst")
    assert (created.action, created.subject) == ("create_configuration", id)


def test_the_audit_says_which_fields_were_changed_and_never_what_they_say(
    signed_in: Any, parts: Any, configuration: Any
) -> None:
    """A secret may be among them."""
    change = {"poll_interval": 90, "client_secret": "hush~hush"}
    signed_in("Admin").patch(f"/api/v1/configurations/{configuration['id']}", json={"fields": change})

    entry = parts.audit.page().entries[0]
    assert (entry.action, entry.subject) == ("change_configuration", configuration["id"])
    assert entry.details == {"vendor": "defender_endpoint", "fields": "client_secret, poll_interval"}
    assert "hush" not in repr(entry)


def test_another_tenants_token_is_refused(signed_in: Any) -> None:
    """With the reason, so that whoever signs in wrongly knows."""
    answer = signed_in("Admin", tid="7c1d9f50-0b51-4b6a-9d3e-2f5a60718293").get("/api/v1/me")

    assert (answer.status_code, "another tenant" in answer.json()["detail"]) == (401, True)


def test_while_the_tenant_is_away_the_caller_may_try_later(signed_in: Any, issuer: Any) -> None:
    """503 with the time to wait, not a refusal."""
    issuer.away = True

    answer = signed_in("Reader").get("/api/v1/me")

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
