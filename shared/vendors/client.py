"""The vendors' API client: one configuration's way to its vendor, over https and only to the configured host.

It adds the token, the timeouts and the manners, and turns what can go wrong into errors with words for the
operator (answers.py). It does not wait and repeat: the queue does. Only two requests are sent again at once,
because waiting would not help: after a 401, with a new token; and a GET on a kept connection that the other
side had closed meanwhile.
"""

from __future__ import annotations

import base64
import copy
import json
import logging
import re
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests

from shared.auth.tokens import TokenSource
from shared.auth.wire import dropped, trusting_session, unreachable
from shared.errors import HostNotAllowed, Throttled, Unreadable
from shared.nouns.budgets import Use
from shared.vendors.answers import Answer, read
from shared.vendors.budget import Budget

VERSION = "0.1.0"  # tests compare it with pyproject.toml, which is not deployed
USER_AGENT = f"MdatpPartner-PocketSOC-Backend/{VERSION}"  # the form that Microsoft asks its partners for
LARGEST_ANSWER = 100 * 1024 * 1024

_FULL_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_HOST = re.compile(r"[a-z]+://(?:[^/?#\\]*@)?([a-z0-9.:-]{1,100})", re.IGNORECASE)
# Parsers disagree about these characters, and one of the parsers decides where the token goes.
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_CHUNK = 64 * 1024

logger = logging.getLogger(__name__)


class ApiClient:
    """Keeps the `Api` protocol of vendor.py. Thread-safe; connections are opened on first use and kept per
    thread.

    `root` is the https origin and path prefix that paths are relative to; `allow_hosts` are further hosts
    (`host` or `host:port`) that full URLs may point to; `timeout` is (connect, read) in seconds;
    `largest_answer` is in bytes; `headers` go with every request. `budget` is asked before
    each. Raises HostNotAllowed for a root that is not a plain https address.
    """

    def __init__(
        self,
        *,
        root: str,
        tokens: TokenSource,
        audience: str,
        vendor_title: str,
        ca_bundle: str | None = None,
        timeout: tuple[float, float] = (10, 60),
        allow_hosts: tuple[str, ...] = (),
        largest_answer: int = LARGEST_ANSWER,
        headers: Mapping[str, str] | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._title = vendor_title
        self._root = root.rstrip("/")
        host = None if "?" in root or "#" in root else _authority(root)
        if host is None:
            raise HostNotAllowed(
                f"{vendor_title}'s base URL must be an https address without a user name or a query."
            )
        self._hosts = {host, *(_authority(f"https://{one}") for one in allow_hosts)} - {None}
        self._tokens = tokens
        self._audience = audience
        self._ca_bundle = ca_bundle
        self._timeout = timeout
        self._largest = largest_answer
        self._headers = dict(headers or {})
        self._budget = budget
        self._use = Use.user
        self._thread = threading.local()

    def used_for(self, use: Use) -> ApiClient:
        """The same client, whose calls count as being for this use."""
        other = copy.copy(self)
        other._use = use
        return other

    def _waiting(self, seconds: float) -> ApiClient:
        other = copy.copy(self)
        other._timeout = (self._timeout[0], seconds)
        return other

    def get(self, path_or_url: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET a JSON object. See Api."""
        return self._call("GET", path_or_url, params=params)

    def post(
        self,
        path_or_url: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        *,
        wait: float | None = None,
    ) -> dict[str, Any]:
        """POST JSON; an empty answer is `{}`. See Api."""
        client = self if wait is None else self._waiting(wait)
        return client._call("POST", path_or_url, params=params, body=body)

    def patch(self, path_or_url: str, body: Any) -> dict[str, Any]:
        """PATCH JSON; an empty answer is `{}`. See Api."""
        return self._call("PATCH", path_or_url, body=body)

    def put(self, path_or_url: str, body: Any, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        """PUT JSON; an empty answer is `{}`. See Api."""
        return self._call("PUT", path_or_url, params=params, body=body)

    def token_claims(self) -> dict[str, Any]:
        """The claims of the current token, read without trust; empty if they cannot be read. See Api."""
        parts = self._tokens.token(self._audience).split(".")
        try:
            claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (IndexError, ValueError, RecursionError):  # binascii.Error is a ValueError
            return {}
        return claims if isinstance(claims, dict) else {}

    def _call(
        self, method: str, path_or_url: str, *, params: Mapping[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        url = self._address(path_or_url, params)
        answer = self._exchange(method, url, body)
        if answer.status == 401:
            answer = self._exchange(method, url, body, refresh=True)
        try:
            return read(answer, self._title, may_be_empty=method != "GET")
        except Throttled as error:
            if self._budget is not None:
                self._budget.refused(error.retry_after)
            raise

    def _address(self, path_or_url: str, params: Mapping[str, str] | None) -> str:
        if _FULL_URL.match(path_or_url):
            url = self._allowed(path_or_url)
        else:
            url = f"{self._root}/{path_or_url.lstrip('/')}"
        if not params:
            return url
        # %20, because ARM and OData take a plus for a plus; `$` and times stay readable.
        query = urlencode(params, quote_via=quote, safe="$,:()'/*")
        return f"{url}{'&' if '?' in url else '?'}{query}"

    def _allowed(self, url: str) -> str:
        if _authority(url) in self._hosts:
            return url
        host = _HOST.match(url)
        raise HostNotAllowed(
            f"{self._title}'s answer points to another host, or away from https "
            f"({host[1] if host else 'none'}); it is not followed, because it would be sent the token."
        )

    def _exchange(self, method: str, url: str, body: Any, *, refresh: bool = False) -> Answer:
        token = self._tokens.token(self._audience, refresh=refresh)
        reused = getattr(self._thread, "used", False)
        try:
            return self._send(method, url, body, token)
        except requests.RequestException as error:
            if not (method == "GET" and reused and dropped(error)):
                raise unreachable(error, self._title) from error
        try:
            return self._send(method, url, body, token)
        except requests.RequestException as error:
            raise unreachable(error, self._title) from error

    def _send(self, method: str, url: str, body: Any, token: str) -> Answer:
        if self._budget is not None:
            self._budget.ask(self._use)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": USER_AGENT}
        headers = self._headers | headers
        began, status = time.monotonic(), "no answer"
        self._thread.used, session = False, self._session()
        try:
            with session.request(
                method,
                url,
                headers=headers,
                json=body,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                status = str(response.status_code)
                answer = Answer(response.status_code, response.headers, self._content(response))
        finally:
            parts = urlsplit(url)  # without the query, which may say whom a team is looking for
            spent = (time.monotonic() - began) * 1000
            logger.debug("%s %s%s: %s in %.0f ms", method, parts.netloc, parts.path, status, spent)
        self._thread.used = True
        return answer

    def _content(self, response: requests.Response) -> bytes:
        content = bytearray()
        for chunk in response.iter_content(_CHUNK):
            content += chunk
            if len(content) > self._largest:
                raise Unreadable(
                    f"{self._title} answered more than {self._largest // 1024:,} KiB; it was not read to its "
                    "end."
                )
        return bytes(content)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._thread, "session", None)
        if session is None:
            session = self._thread.session = trusting_session(self._ca_bundle)
        return session


def _authority(url: str) -> tuple[str, int] | None:
    """Host and port of a plain https address; None for anything else."""
    if _UNSAFE.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        return None
    plain = parts.scheme.lower() == "https" and parts.hostname and "@" not in parts.netloc
    return (parts.hostname.lower(), port) if plain and parts.hostname else None
