"""The way to the collector: an https address of the operator's that takes risks and assets, one JSON object a
line, with a bearer token from the secret store.

A batch carries an `Idempotency-Key` that is the same whenever it is sent again. Redirects are not followed.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests

from shared.errors import HostNotAllowed, OperatorMustAct, Refused, Throttled, TryLater
from shared.push.outcomes import seconds_until
from shared.push.signing import Secrets
from shared.push.trust import https_session

_TIMEOUT = (5.0, 30.0)
_WHO = "The collector"
_TOKEN = re.compile(r"[\x21-\x7e]+")


class CollectorLink:
    """One collector. `token_reference` names the secret with its bearer token; empty: it wants none."""

    def __init__(
        self,
        url: str,
        secrets: Secrets,
        token_reference: str | None,
        *,
        ca_bundle: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = _checked(url)
        self._secrets = secrets
        self._token_reference = token_reference
        self._ca_bundle = ca_bundle
        self._clock = clock
        self._thread = threading.local()

    def send(self, lines: Sequence[str]) -> None:
        """Hand over some records; returns when the collector has taken them all. Raises Refused for what it
        does not take (4xx, redirects), TryLater when it is away or busy, OperatorMustAct without its
        token."""
        body = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        headers = {
            "Content-Type": "application/x-ndjson",
            "Idempotency-Key": hashlib.sha256(body).hexdigest()[:32],
            "X-PocketSOC-Records": str(len(lines)),
        }
        if self._token_reference:
            headers["Authorization"] = f"Bearer {self._token(self._token_reference)}"
        try:
            answer = self._session().post(
                self._url, data=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
            )
            answer.close()
        except (requests.RequestException, OSError) as error:
            # Only the error's kind: its text holds the address.
            raise TryLater(f"{_WHO} did not answer ({type(error).__name__}); it is tried again.") from error
        self._judge(answer.status_code, answer.headers.get("Retry-After"))

    def _judge(self, status: int, retry_after: str | None) -> None:
        wait = seconds_until(retry_after, self._clock())
        if 200 <= status < 300:
            return
        if status == 429:
            raise Throttled(f"{_WHO} asks to wait.", retry_after=wait or 60.0)
        if status in (408, 425) or status >= 500:
            raise TryLater(f"{_WHO} is out of order for the moment (HTTP {status}).", retry_after=wait)
        remedies = {401: "its bearer token", 403: "what its token may do", 404: "POCKETSOC_COLLECTOR_URL"}
        remedy = remedies.get(status, "its log")
        raise Refused(
            f"{_WHO} does not take what is sent (HTTP {status}): check {remedy}. Nothing is left out; "
            "it is sent again until it is taken.",
            status=status,
        )

    def _token(self, reference: str) -> str:
        token = (self._secrets.get(reference) or "").strip()
        if not token:
            raise OperatorMustAct(
                f"There is no secret {reference}, which POCKETSOC_COLLECTOR_TOKEN_REFERENCE names: put the "
                "collector's bearer token there."
            )
        if not _TOKEN.fullmatch(token):  # requests would quote it in its error
            raise OperatorMustAct(f"The secret {reference} is no bearer token: it must be one word.")
        return token

    def _session(self) -> requests.Session:
        # One for each thread: requests does not promise that a session may be shared.
        session: requests.Session | None = getattr(self._thread, "session", None)
        if session is None:
            session = self._thread.session = https_session(self._ca_bundle)
        return session


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise HostNotAllowed("POCKETSOC_COLLECTOR_URL must be a plain https address.")
    return url
