"""Joins the routers to the API. Made on the first request; mounted in one HTTP function by the ASGI bridge,
so that paths are complete (`/api/v1/...`)."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException

from shared.api import (
    VERSION,
    affiliation,
    audit,
    configurations,
    detection_changes,
    detections,
    docs,
    exports,
    hunting,
    incidents,
    installations,
    inventory,
    ledger,
    me,
    quarantine,
    replays,
    sign_in,
    status,
    templates,
    troubles,
    vendors,
    webhooks,
)
from shared.api.edge import Edge
from shared.api.parts import ApiParts
from shared.api.problems import (
    MEDIA_TYPE,
    Invalid,
    Problem,
    field_errors,
    headers_of,
    problem,
    status_of,
)
from shared.errors import PocketSOCError

_NOUNS = (
    me,
    vendors,
    configurations,
    sign_in,
    detections,
    detection_changes,
    incidents,
    inventory,
    affiliation,
    hunting,
    exports,
    installations,
    ledger,
    quarantine,
    replays,
    audit,
    status,
    templates,
    troubles,
    webhooks,
    docs,
)
_ANY_PROBLEM: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What went wrong (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
# FastAPI would hand messages and bodies that did not validate to whatever telemetry is installed.
_TELEMETRY: TelemetryConfig = {"logs": False, "operation_spans": False, "auto_configure": False}


def create_app(parts: ApiParts) -> FastAPI:
    """The API on these parts. Opens nothing."""
    app = FastAPI(
        title="PocketSOC",
        version=VERSION,
        description="Security detections of Microsoft's products, for the phone in an analyst's pocket.",
        openapi_url=None,  # served by docs.py, where the route says who may call it
        redirect_slashes=False,
        telemetry=_TELEMETRY,
    )
    app.state.parts = parts
    for noun in _NOUNS:
        app.include_router(noun.router, prefix="/api/v1", responses=_ANY_PROBLEM)
    app.add_middleware(Edge, larger={"/api/v1/webhooks/": parts.settings.webhook_max_bytes})
    app.add_exception_handler(PocketSOCError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    _describe_problems(app)
    return app


async def _on_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, PocketSOCError):
        raise error
    fields = error.fields if isinstance(error, Invalid) else None
    return problem(request, status_of(error), str(error), fields=fields, headers=headers_of(error))


async def _on_invalid(request: Request, error: Exception) -> Response:
    fields = field_errors(error.errors()) if isinstance(error, RequestValidationError) else None
    return problem(request, 422, "Something in the request is not right; see errors.", fields=fields)


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    detail = _DETAILS.get(error.status_code, str(error.detail))
    return problem(request, error.status_code, detail, headers=error.headers)


# In place of the framework's own words. 400 is what it says of JSON that is too deep or a number too long.
_DETAILS = {
    400: "The body cannot be read as JSON.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
}


def _describe_problems(app: FastAPI) -> None:
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generate()
        problem_schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = schema.setdefault("components", {}).setdefault("schemas", {})
        parts.update(problem_schema.pop("$defs", {}))
        parts["Problem"] = problem_schema
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
