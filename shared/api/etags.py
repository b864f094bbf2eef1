"""Answers that are sent only when they changed (RFC 9110, conditional requests), and changes that respect
other people's.

A read's ETag is weak and made from the content; a configuration's is strong and made from its stored version.
"""

from __future__ import annotations

import hashlib
import re

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from shared.api.problems import Stale

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def conditional(request: Request, content: BaseModel) -> Response:
    """The content with its ETag, or 304 without content when the caller has it already. Browsers may keep
    it, proxies not."""
    body = content.model_dump_json().encode()
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    wanted = request.headers.get("if-none-match", "")
    if wanted.strip() == "*" or tag.removeprefix("W/") in {
        t.removeprefix("W/") for t in _TAG.findall(wanted)
    }:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def version_tag(version: str) -> str:
    """A strong ETag for a stored version. Storage's own are weak, which `If-Match` may not compare."""
    return f'"{hashlib.sha256(version.encode()).hexdigest()[:32]}"'


def check_version(if_match: str | None, version: str) -> None:
    """Raises Stale unless `If-Match` is absent, `*` or names this version."""
    if if_match is None or if_match.strip() == "*" or version_tag(version) in _TAG.findall(if_match):
        return
    raise Stale("Somebody has changed this since you read it: read it again, then decide again.")
