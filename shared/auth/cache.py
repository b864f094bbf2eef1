"""Keeps tokens until five minutes before they expire, and failures for some seconds; one attempt at a time
per audience."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from shared.errors import SignInFailed, TryLater

_MARGIN = 300.0  # seconds before expiry at which a token counts as used up
_HOLD_REFUSED = 5.0  # an app that keeps sending a wrong secret is taken for an attack, and locked out
_HOLD_AWAY = 1.0  # only so long that threads waiting for the same attempt share its end


@dataclass(frozen=True)
class IssuedToken:
    """A new access token and how long it lasts from now, in seconds."""

    text: str = field(repr=False)
    lifetime: float


@dataclass
class _Kept:
    text: str = field(repr=False)
    good_until: float


@dataclass
class _Failed:
    error: (
        SignInFailed | TryLater
    )  # a copy that was never raised: a traceback would keep the secret's frame alive
    until: float


@dataclass
class _Slot:
    lock: Lock = field(default_factory=Lock)
    kept: _Kept | None = None
    failed: _Failed | None = None


class CachedTokens:
    """A TokenSource over `acquire`, which gets a new token for an audience. Thread-safe.

    `clock` gives seconds from any beginning. A token that lasts ten minutes or less is kept for half its
    life.
    """

    def __init__(
        self, acquire: Callable[[str], IssuedToken], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._acquire = acquire
        self._clock = clock
        self._slots: dict[str, _Slot] = {}
        self._lock = Lock()

    def token(self, audience: str, *, refresh: bool = False) -> str:
        """See TokenSource. Threads that ask to refresh at the same time share one new token."""
        with self._lock:
            slot = self._slots.setdefault(audience, _Slot())
        seen = slot.kept
        if seen is not None and not refresh and self._good(seen):
            return seen.text
        with slot.lock:
            kept = slot.kept
            if kept is not None and kept is not seen and self._good(kept):
                return kept.text  # another thread got it while this one waited
            slot.kept = None
            self._raise_recent_failure(slot)
            return self._renew(slot, audience)

    def _good(self, kept: _Kept) -> bool:
        return self._clock() < kept.good_until

    def _raise_recent_failure(self, slot: _Slot) -> None:
        failed, slot.failed = slot.failed, None
        if failed is not None and (left := failed.until - self._clock()) > 0:
            slot.failed = failed
            raise _copy(failed.error, left)

    def _renew(self, slot: _Slot, audience: str) -> str:
        try:
            issued = self._acquire(audience)
        except SignInFailed as error:
            slot.failed = _Failed(_copy(error, None), self._clock() + _HOLD_REFUSED)
            raise
        except TryLater as error:
            slot.failed = _Failed(_copy(error, None), self._clock() + (error.retry_after or _HOLD_AWAY))
            raise
        good_for = max(issued.lifetime - _MARGIN, issued.lifetime / 2)
        slot.kept = _Kept(issued.text, self._clock() + good_for)
        return issued.text


def _copy(error: SignInFailed | TryLater, left: float | None) -> SignInFailed | TryLater:
    if isinstance(error, SignInFailed):
        return type(error)(str(error), code=error.code, meaning=error.meaning, remedy=error.remedy)
    wait = error.retry_after if left is None or error.retry_after is None else left
    return type(error)(str(error), retry_after=wait)
