"""The OpenAPI description is kept: made-up requests of every operation find no answer outside of it."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks

from shared.api.parts import ApiParts

OPERATIONS = [
    "GET /api/v1/health",
    "GET /api/v1/me",
    "GET /api/v1/vendors",
    "GET /api/v1/configurations",
    "POST /api/v1/configurations",
    "GET /api/v1/configurations/{id}",
    "PUT /api/v1/configurations/{id}",
    "PATCH /api/v1/configurations/{id}",
    "DELETE /api/v1/configurations/{id}",
    "POST /api/v1/configurations/{id}/check",
    "GET /api/v1/configurations/{id}/sign-in",
    "POST /api/v1/configurations/{id}/sign-in",
    "POST /api/v1/configurations/{id}/sign-in/complete",
    "GET /api/v1/detections",
    "GET /api/v1/detections/{id}",
    "POST /api/v1/detections/{id}/split",
    "POST /api/v1/detections/{id}/status",
    "GET /api/v1/templates/{name}",
    "POST /api/v1/webhooks/defender-for-cloud/{id}",
    "GET /api/v1/incidents",
    "GET /api/v1/incidents/{id}",
    "PATCH /api/v1/incidents/{id}",
    "GET /api/v1/inventory",
    "GET /api/v1/inventory/{kind}",
    "POST /api/v1/configurations/{id}/inventory",
    "GET /api/v1/affiliation",
    "POST /api/v1/configurations/{id}/hunt",
    "GET /api/v1/export/ocsf",
    "GET /api/v1/risks",
    "GET /api/v1/assets",
    "GET /api/v1/audit",
    "GET /api/v1/installations",
    "POST /api/v1/installations",
    "DELETE /api/v1/installations/{id}",
    "POST /api/v1/installations/{id}/test",
    "GET /api/v1/push/web",
    "GET /api/v1/status",
    "GET /api/v1/troubles",
    "GET /api/v1/ledger",
    "GET /api/v1/ledger/{configuration_id}",
    "GET /api/v1/quarantine",
    "GET /api/v1/quarantine/{id}",
    "DELETE /api/v1/quarantine/{id}",
    "POST /api/v1/quarantine/{id}/replay",
    "POST /api/v1/replays",
]
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


def test_every_operation_is_in_the_description(client: Any) -> None:
    """With an operation id and a tag, so that clients can be made from it."""
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    operations = {f"{m.upper()} {p}": o for p, methods in paths.items() for m, o in methods.items()}

    assert sorted(operations) == sorted(OPERATIONS)
    assert all(o["operationId"] and o["tags"] and o["responses"] for o in operations.values())
    assert len({o["operationId"] for o in operations.values()}) == len(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_made_up_request_finds_an_answer_outside_the_description(
    admin: Any, parts: ApiParts, configuration: dict[str, Any], name: str
) -> None:
    """As an Admin, with ids that exist and ids that do not."""
    method, path = name.split(" ")
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", admin.app)
    signed_in = {"Authorization": admin.headers["Authorization"]}
    ids = {"configurations": configuration["id"]}

    valid, wrong = (schema[path][method].as_strategy(generation_mode=mode) for mode in GenerationMode)

    @given(case=valid | wrong)
    @settings(
        max_examples=16,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case) -> None:
        if "id" in (case.path_parameters or {}) and len(case.path_parameters["id"]) % 2:
            case.path_parameters["id"] = ids.get(path.split("/")[3], "absent")
        case.call_and_validate(headers=signed_in, checks=CHECKS)

    ask()
