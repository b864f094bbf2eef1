"""How push services know who sends: the product's own key pair and a short-lived signed token for each
service.

Source: RFC 8292 (VAPID). The pair is made on first use and kept for ever: a browser's registration is bound
to its public half.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from shared.errors import OperatorMustAct
from shared.push.encryption import encode64, point
from shared.push.signing import Secrets, StoredKey, sign_token

KEY_NAME = "web-push-vapid-key"

# Tokens change every six hours and are good for six to twelve; services accept at most 24 (RFC 8292,
# section 2).
_WINDOW_SECONDS = 6 * 3600
_SUBJECT = re.compile(r"mailto:[^\s@<>]+@[^\s@<>]+|https://[^\s<>]+")


class Vapid:
    """Signs for one installation of the product. Thread-safe; all instances send the same token in the same
    six hours."""

    def __init__(self, secrets: Secrets, subject: str, *, clock: Callable[[], datetime]) -> None:
        self._key = StoredKey(secrets, KEY_NAME, make=True)
        self._subject = subject
        self._clock = clock

    def public_key(self) -> str:
        """What a browser needs to subscribe: the public point, base64url. Raises what the secrets raise."""
        return encode64(point(self._key.get().public_key()))

    def authorization(self, origin: str) -> str:
        """The Authorization header for a push service's origin (`https://host[:port]`). Raises
        OperatorMustAct."""
        if not _SUBJECT.fullmatch(self._subject):
            raise OperatorMustAct(
                "POCKETSOC_WEB_PUSH_SUBJECT must be a mailto: or https: address at which you can be reached."
            )
        key = self._key.get()
        window = int(self._clock().timestamp()) // _WINDOW_SECONDS
        claims = {"aud": origin, "exp": (window + 2) * _WINDOW_SECONDS, "sub": self._subject}
        return f"vapid t={sign_token(key, claims)}, k={encode64(point(key.public_key()))}"
