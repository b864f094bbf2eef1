"""The kinds of values that several routes take, declared once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import AfterValidator, Field, WithJsonSchema

from shared.nouns.detections import instant


def _instant(text: str) -> str:
    found = instant(text)
    if found is None:
        raise ValueError("not a time; write it like 2026-11-20T10:15:30.1234567Z")
    return found


When = Annotated[
    str, AfterValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 40})
]
"""A time, up to seven fractional digits, normalised to an Instant."""

Id = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]*$")]
"""An id in a path."""

Cursor = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[A-Za-z0-9_=-]+$")]
"""Where a list goes on; opaque, as the list gave it."""

Word = Annotated[str, Query(min_length=1, max_length=100)]
"""One of the words that a list is asked for."""
