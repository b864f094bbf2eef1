"""The API's description of itself: OpenAPI for machines, and one plain page for people, without any
script."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from shared.api.caller import Anyone
from shared.api.problems import anchor_of, title_of

router = APIRouter(include_in_schema=False)

_METHODS = ("get", "post", "put", "patch", "delete")
_PROBLEMS = {
    400: "The request cannot be understood: change it.",
    401: "No access token, or one that is not valid here: sign in again.",
    403: "The access token lacks the role for this: ask for it in Entra ID.",
    404: "Nothing has that name, or it may not be known to the caller.",
    405: "This address does not know the method.",
    409: "Somebody else was first: read again, decide again.",
    410: "It is gone for good.",
    412: "If-Match names a version that is no longer the newest: read again, decide again.",
    413: "The body is too large.",
    422: "Some fields are not right: errors names each with the reason.",
    500: "A fault in the product: tell the operator the correlation id, which is in the log.",
    502: "The other side answered something that cannot be understood.",
    503: "Something needed is busy or away: come again after Retry-After seconds.",
}


@router.get("/openapi.json")
def get_openapi(request: Request, caller: Anyone) -> JSONResponse:
    """The OpenAPI description."""
    return JSONResponse(request.app.openapi())


@router.get("/docs")
def get_docs(request: Request, caller: Anyone) -> HTMLResponse:
    """The operations and the kinds of problems, readable in any browser under the strictest content
    policy."""
    return HTMLResponse(_page(request.app.openapi()))


def _page(schema: dict[str, Any]) -> str:
    title = escape(f"{schema['info']['title']} API {schema['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><h1>{title}</h1>'
        f'<p>Machines read <a href="/api/v1/openapi.json">openapi.json</a>.</p>'
        f"<h2>Operations</h2><dl>{''.join(_operations(schema))}</dl>"
        f"<h2>Problems</h2><ul>{''.join(_problems())}</ul></html>"
    )


def _operations(schema: dict[str, Any]) -> Iterator[str]:
    for path, methods in schema["paths"].items():
        for method in (m for m in _METHODS if m in methods):
            said = escape(methods[method].get("description", ""))
            yield f"<dt><code>{method.upper()} {escape(path)}</code></dt><dd>{said}</dd>"


def _problems() -> Iterator[str]:
    for status, means in _PROBLEMS.items():
        said = escape(f"{status} {title_of(status)}: {means}")
        yield f'<li id="{anchor_of(status)}">{said}</li>'
