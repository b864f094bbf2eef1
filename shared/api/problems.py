"""What goes wrong, as RFC 9457 problems: one shape for every error of the API, with no echo of what was sent.

Promises: an error of shared/errors.py says its own text, which is safe by that page's rule; anything
unforeseen says nothing but its correlation id. Values that did not validate are never repeated, nor field
names that are not ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError

from shared import errors

MEDIA_TYPE = "application/problem+json"
_OUR_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


class FieldError(BaseModel):
    """One field that is wrong: where (`body.fields.tenant_id`) and why."""

    field: str
    message: str


class Problem(BaseModel):
    """What went wrong. `type` names the kind of problem, `correlation_id` finds it in the logs."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    correlation_id: str
    errors: list[FieldError] | None = None


class Invalid(errors.BadRequest):
    """What was sent does not validate; `fields` say where."""

    def __init__(self, text: str, fields: Iterable[FieldError]) -> None:
        super().__init__(text)
        self.fields = list(fields)


class Stale(errors.Conflict):
    """`If-Match` names a version that is no longer the newest."""


# The first class that fits decides: more special ones stand first.
_STATUS: tuple[tuple[type[errors.PocketSOCError], HTTPStatus], ...] = (
    (Invalid, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (errors.Forbidden, HTTPStatus.FORBIDDEN),
    (errors.BadRequest, HTTPStatus.BAD_REQUEST),
    (Stale, HTTPStatus.PRECONDITION_FAILED),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.HostNotAllowed, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.SignInFailed, HTTPStatus.BAD_GATEWAY),
    (errors.PermissionMissing, HTTPStatus.BAD_GATEWAY),
    (errors.Refused, HTTPStatus.BAD_GATEWAY),
    (errors.TryLater, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.RegistrationGone, HTTPStatus.GONE),
    (errors.Unreadable, HTTPStatus.BAD_GATEWAY),
    (errors.PocketSOCError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


# RFC 9110's phrases; Python had older ones for these before 3.13.
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}


def title_of(status: int) -> str:
    """The status's usual phrase."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


def anchor_of(status: int) -> str:
    """Where the API's own page says what the status means."""
    return title_of(status).lower().replace(" ", "-")


def status_of(error: errors.PocketSOCError) -> HTTPStatus:
    """The HTTP status that says what the caller can do about it."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def path_of(request: Request) -> str:
    """The request's path as it may be logged and repeated: percent-encoded, without query and host."""
    # Not request.url: it is put together from the Host header, and fails on some of what a stranger may
    # send there.
    return quote(str(request.scope["path"]), errors="replace")


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    fields: list[FieldError] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for a problem. Its title is the status's usual phrase, its type an anchor in the API's own
    page."""
    body = Problem(
        type=f"/api/v1/docs#{anchor_of(status)}",
        title=title_of(status),
        status=status,
        detail=detail,
        instance=path_of(request),
        correlation_id=getattr(request.state, "correlation_id", ""),
        errors=fields,
    )
    content = body.model_dump_json(exclude_none=True)
    return Response(content, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def headers_of(error: errors.PocketSOCError) -> dict[str, str]:
    """What the status obliges us to send with it."""
    if isinstance(error, errors.Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, errors.TryLater):
        return {"Retry-After": str(max(1, round(error.retry_after or 30)))}
    return {}


def field_errors(found: ValidationError | Any, *prefix: str) -> list[FieldError]:
    """pydantic's complaints, without input, context and links. Takes a ValidationError or a list of its
    errors."""
    if isinstance(found, ValidationError):
        # With input or context included this fails on text that is not UTF-8, besides echoing it.
        found = found.errors(include_input=False, include_context=False, include_url=False)
    return [FieldError(field=_where((*prefix, *_place(e))), message=_why(e)) for e in found]


# pydantic's own words would show a pattern, or speak of "inputs".
_WORDS = {
    "json_invalid": "This is not JSON.",
    "string_pattern_mismatch": "This is not in the form that is asked for.",
    "extra_forbidden": "There is no such field.",
    "missing": "This field is required.",
    "date_from_datetime_parsing": "This is no date.",
    "date_parsing": "This is no date.",
}


def _place(error: Mapping[str, Any]) -> tuple[Any, ...]:
    # Where JSON breaks off, the place ends with a byte's number, which is no field.
    place: tuple[Any, ...] = tuple(error["loc"])
    return place[:-1] if error["type"] == "json_invalid" else place


def _where(path: Iterable[Any]) -> str:
    # A name that is not like ours was made up by the sender, and might be anything, even a secret in the
    # wrong place.
    return ".".join(
        str(p) if isinstance(p, int) or _OUR_NAME.fullmatch(str(p)) else "(unknown name)" for p in path
    )


def _why(error: Mapping[str, Any]) -> str:
    words = str(error["msg"]).removeprefix("Value error, ")
    return _WORDS.get(error["type"]) or f"{words[:1].upper()}{words[1:]}."
