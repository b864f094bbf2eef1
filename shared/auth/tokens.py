"""What a way to sign in is to the rest: something that gives an access token for a resource."""

from __future__ import annotations

from typing import Protocol


class TokenSource(Protocol):
    """Access tokens of one configuration. Thread-safe; caches until shortly before expiry."""

    def token(self, audience: str, *, refresh: bool = False) -> str:
        """An access token for the resource `audience` (without `/.default`). `refresh` throws away what is
        cached, after a 401.

        Raises SignInFailed with what to do, TryLater when the sign-in service is busy or away.
        """
        ...
