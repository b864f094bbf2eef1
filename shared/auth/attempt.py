"""One attempt to get a token through azure-identity, with the service's last answer kept so that it can be
explained.

Every attempt has its own credential, session and memory: MSAL would repeat a refusal from memory for 60
seconds and a token for its whole life, and neither can be told to forget.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.transport import RequestsTransport

from shared.auth.cache import IssuedToken
from shared.auth.wire import trusting_session, unreachable
from shared.errors import SignInFailed, TryLater

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_DIGITS = re.compile(r"\d{1,6}")


class Credential(Protocol):
    """What this needs of an azure-identity credential."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *args: Any) -> None: ...

    def get_token(self, *scopes: str) -> AccessToken:
        """A token, or an exception."""
        ...


class Attempt:
    """Made for one attempt. After it, `status`, `body` and `retry_after` are those of the last answer
    (`status` None: there was none)."""

    def __init__(
        self, *, who: str, ca_bundle: str | None, timeout: tuple[float, float], only_host: str | None = None
    ) -> None:
        """`only_host` (host, or host:port) is the one host that may be called; `timeout` is (connect, read)
        in seconds."""
        self.who = who
        self.status: int | None = None
        self.body = ""
        self.retry_after: float | None = None
        self._only_host = only_host
        self._refusal: SignInFailed | None = None
        self._transport = RequestsTransport(
            session=trusting_session(ca_bundle), connection_timeout=timeout[0], read_timeout=timeout[1]
        )

    def options(self) -> dict[str, Any]:
        """Keyword arguments for the credential. Retries are few, because the queue tries again."""
        return {
            "transport": self._transport,
            "raw_request_hook": self._before,
            "raw_response_hook": self._after,
            "retry_total": 1,
            "retry_status": 0,
            "retry_backoff_factor": 0.1,
        }

    def token(
        self,
        credential: AbstractContextManager[Any] | Credential,
        scope: str,
        *,
        explain: Callable[[Attempt], SignInFailed | TryLater],
    ) -> IssuedToken:
        """Run the attempt. What the service refused is raised as `explain` says; all else as TryLater."""
        try:
            with credential as entered:
                issued: AccessToken = entered.get_token(scope)
        except Exception as error:
            # A decision: MSAL lets whatever an odd answer caused come out (KeyError, JSONDecodeError, ...).
            # The kept answer, not the exception, says what happened.
            raise self._failure(error, explain) from error
        if not _VISIBLE.fullmatch(issued.token):
            raise TryLater(f"{self.who} answered with something that is not a token.")
        return IssuedToken(issued.token, issued.expires_on - time.time())

    def _failure(
        self, error: Exception, explain: Callable[[Attempt], SignInFailed | TryLater]
    ) -> SignInFailed | TryLater:
        if self._refusal is not None:
            return self._refusal
        if self.status is None:
            return unreachable(error, self.who)
        if self.status < 400:
            return TryLater(
                f"{self.who} answered with something that is not a token (a proxy or an outage page?)."
            )
        return explain(self)

    def _before(self, request: PipelineRequest[Any]) -> None:
        self.status, self.body, self.retry_after = None, "", None
        host = urlsplit(request.http_request.url).netloc.rpartition("@")[2].lower()
        if self._only_host and host != self._only_host.lower():
            self._refusal = SignInFailed(
                f"Sign-in failed: {self.who} points to another host ({host}). The tenant may live in another "
                "cloud: choose its cloud in this configuration."
            )
            raise self._refusal

    def _after(self, response: PipelineResponse[Any, Any]) -> None:
        self.status = response.http_response.status_code
        self.body = response.http_response.text() if self.status and self.status >= 400 else ""
        wait = _DIGITS.fullmatch(response.http_response.headers.get("Retry-After", "").strip())
        self.retry_after = float(wait[0]) if wait else None
