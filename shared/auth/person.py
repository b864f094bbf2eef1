"""Talks to Entra ID for a person, through MSAL: one conversation, with the service's last answer kept so that
it can be explained.

Every conversation has its own MSAL application, session and memory, for the reason that attempt.py gives.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from shared.auth import aadsts
from shared.auth.registration import TIMEOUT, WHO, client_of, tenant_of
from shared.auth.wire import trusting_session, unreachable
from shared.errors import SignInFailed, TryLater
from shared.nouns.configurations import Cloud, Configuration

if TYPE_CHECKING:
    from msal import ClientApplication, SerializableTokenCache

_DIGITS = re.compile(r"\d{1,6}")
_Answer = dict[str, Any]


class Conversation:
    """A person's app at Entra ID. `secret` is the app's own, for a redirect address of a web app; `cache` is
    where MSAL keeps what it is given. `status` and `body` are those of the last answer."""

    def __init__(
        self,
        configuration: Configuration,
        cloud: Cloud,
        *,
        ca_bundle: str | None,
        secret: str | None = None,
        cache: SerializableTokenCache | None = None,
    ) -> None:
        self._authority = f"{cloud.authority.rstrip('/')}/{tenant_of(configuration)}"
        self._client = client_of(configuration)
        self._secret = secret
        self._cache = cache
        self._line = _Line(ca_bundle, only_host=urlsplit(cloud.authority).netloc)

    def ask(self, question: Callable[[ClientApplication], _Answer | None], *, again: bool = False) -> _Answer:
        """MSAL's answer. Raises what Entra's refusal means (`again`: of a kept sign-in), TryLater."""
        answer = self.ask_openly(question)
        if "error" in answer:
            raise self.refusal(again=again)
        return answer

    def ask_openly(self, question: Callable[[ClientApplication], _Answer | None]) -> _Answer:
        """Likewise, with OAuth errors as they came. Raises SignInFailed and TryLater for all that is none."""
        try:
            answer = question(self._app())
        except SignInFailed:
            raise
        except Exception as error:
            # A decision: MSAL lets whatever an odd answer caused come out; the kept answer says what it was.
            raise self._failure(error) from error
        finally:
            self._line.close()
        return answer or {}

    def refusal(self, *, again: bool = False) -> SignInFailed | TryLater:
        """What the last answer means."""
        line = self._line
        return aadsts.explain(
            line.body, status=line.status, retry_after=line.retry_after, secret=self._secret, person=again
        )

    def _app(self) -> ClientApplication:
        # At debug level MSAL logs the codes that it redeems.
        logging.getLogger("msal").setLevel(logging.INFO)
        from msal import ConfidentialClientApplication, PublicClientApplication

        usual: dict[str, Any] = {
            "authority": self._authority,
            "instance_discovery": False,
            "http_client": self._line,
            "token_cache": self._cache,
        }
        if self._secret:
            return ConfidentialClientApplication(self._client, client_credential=self._secret, **usual)
        return PublicClientApplication(self._client, **usual)

    def _failure(self, error: Exception) -> SignInFailed | TryLater:
        line = self._line
        if line.refusal is not None:
            return line.refusal
        if line.status is None or isinstance(error, requests.ConnectionError | requests.Timeout):
            return unreachable(error, WHO)
        if line.status < 400:
            return TryLater(
                f"{WHO} answered with something that is not a token (a proxy or an outage page?)."
            )
        return self.refusal()


class _Line:
    """What MSAL needs of an HTTP client: over https to one host, with timeouts and without redirects."""

    def __init__(self, ca_bundle: str | None, *, only_host: str) -> None:
        self._session = trusting_session(ca_bundle)
        self._only_host = only_host.lower()
        self.status: int | None = None
        self.body = ""
        self.retry_after: float | None = None
        self.refusal: SignInFailed | None = None

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> requests.Response:
        """GET."""
        return self._send("GET", url, params=params, headers=headers)

    def post(
        self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any
    ) -> requests.Response:
        """POST a form."""
        return self._send("POST", url, params=params, data=data, headers=headers)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _send(self, method: str, url: str, **what: Any) -> requests.Response:
        self.status, self.body, self.retry_after = None, "", None
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2].lower()
        if host != self._only_host or parts.scheme != "https":
            self.refusal = SignInFailed(
                f"Sign-in failed: {WHO} points to another host ({host}). The tenant may live in another "
                "cloud: choose its cloud in this configuration."
            )
            raise self.refusal
        answer = self._session.request(method, url, timeout=TIMEOUT, allow_redirects=False, **what)
        self.status = answer.status_code
        self.body = answer.text if answer.status_code >= 400 else ""
        wait = _DIGITS.fullmatch(answer.headers.get("Retry-After", "").strip())
        self.retry_after = float(wait[0]) if wait else None
        return answer
