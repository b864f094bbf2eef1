"""A vendor's no to what a person asked for, as that person's error.

Promise: only `Refused` changes, by its HTTP status: not found (404), changed meanwhile (409, 412), and
everything else is a request to correct. A missing permission, a throttle or an outage stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import BadRequest, Conflict, NotFound, PocketSOCError, Refused

_MEANING: dict[int, type[PocketSOCError]] = {404: NotFound, 409: Conflict, 412: Conflict}


@contextmanager
def told_to_the_caller() -> Iterator[None]:
    """Around a call that a person's request leads to. Raises NotFound, Conflict or BadRequest with the
    vendor's words in place of Refused."""
    try:
        yield
    except Refused as error:
        raise _MEANING.get(error.status, BadRequest)(str(error)) from error
