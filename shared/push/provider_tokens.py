"""The token with which we show APNs who sends, equal on all instances without their talking to each other.

APNs wants a provider to use one token for 20 to 60 minutes and answers TooManyProviderTokenUpdates to one
that changes it more often. Many instances that each sign their own look exactly like that. So the time of
issue is floored to 45 minutes and the signature is deterministic. Source: Apple, "Establishing a
token-based connection to APNs".
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from shared.push.signing import StoredKey, sign_token

_WINDOW_SECONDS = 45 * 60
_MINUTE = 60


class ProviderTokens:
    """Signs for one team with one key. Thread-safe."""

    def __init__(self, key: StoredKey, *, key_id: str, team_id: str, clock: Callable[[], datetime]) -> None:
        self._key = key
        self._key_id = key_id
        self._team_id = team_id
        self._clock = clock
        self._lock = threading.Lock()
        self._renewed: tuple[int, str] | None = None

    def token(self) -> str:
        """The token of this 45-minute window. Raises what the stored key raises."""
        window = self._seconds() // _WINDOW_SECONDS
        with self._lock:
            if self._renewed is not None and self._renewed[0] == window:
                return self._renewed[1]
        return self._sign(window * _WINDOW_SECONDS)

    def renewed(self, refused: str) -> str:
        """A token issued this minute, because APNs found `refused` expired (our clock may be behind its);
        kept to the window's end, and the same for all threads that were refused together."""
        now = self._seconds()
        with self._lock:
            if (
                self._renewed is None
                or self._renewed[1] == refused
                or self._renewed[0] != now // _WINDOW_SECONDS
            ):
                self._renewed = (now // _WINDOW_SECONDS, self._sign(now // _MINUTE * _MINUTE))
            return self._renewed[1]

    def _sign(self, issued: int) -> str:
        return sign_token(self._key.get(), {"iss": self._team_id, "iat": issued}, kid=self._key_id)

    def _seconds(self) -> int:
        return int(self._clock().timestamp())
