"""What signing in and the vendors' API client share on the wire: whom we trust, what a broken connection is
called, and how the other side's words are made safe to show.
"""

from __future__ import annotations

import functools
import html
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import requests
from certifi import where as public_authorities
from requests.adapters import HTTPAdapter
from urllib3 import exceptions as http

from shared.errors import OperatorMustAct, TryLater


@functools.lru_cache(maxsize=4)
def trust(ca_bundle: str | None) -> ssl.SSLContext:
    """The public certificate authorities and those in `ca_bundle` (PEM). Read once: a changed file needs a
    restart.

    Raises OperatorMustAct if the file cannot be used.
    """
    context = ssl.create_default_context(cafile=public_authorities())
    if ca_bundle:
        try:
            context.load_verify_locations(ca_bundle)
        except OSError as error:  # ssl.SSLError is one
            raise OperatorMustAct(
                "POCKETSOC_CA_BUNDLE must name a readable PEM file with certificates of certificate "
                "authorities."
            ) from error
    return context


class _Trusting(HTTPAdapter):
    """requests can only replace its list of authorities; this adds ours to it."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        conn.cert_reqs = (
            "CERT_REQUIRED"  # the context holds all authorities; not loading them again per connection
        )


def trusting_session(ca_bundle: str | None) -> requests.Session:
    """A session that verifies against `trust(ca_bundle)` and takes nothing (proxy, .netrc, bundles) from the
    environment. Not thread-safe, as no requests session is."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _Trusting(trust(ca_bundle)))
    return session


def unreachable(error: BaseException, who: str) -> TryLater:
    """The error for an exchange with `who` that ended without a whole answer, in words that tell the reasons
    apart."""
    seen = list(_causes(error))

    def any_of(*kinds: type[BaseException]) -> bool:
        return any(isinstance(one, kinds) for one in seen)

    if any_of(ssl.SSLCertVerificationError):
        return TryLater(
            f"{who} showed a TLS certificate that is not trusted here. If a proxy looks into the traffic, "
            "put its certificate authority into a PEM file and name that in POCKETSOC_CA_BUNDLE."
        )
    if any_of(socket.gaierror):
        return TryLater(f"The name of {who} could not be resolved: check the network's DNS.")
    if any_of(ConnectionRefusedError):
        return TryLater(f"{who} refused the connection.")
    if any_of(http.ConnectTimeoutError, requests.ConnectTimeout):
        return TryLater(f"{who} did not take the connection in time: check that the network lets it through.")
    if any_of(TimeoutError, http.ReadTimeoutError, requests.ReadTimeout):
        return TryLater(f"{who} did not answer in time; polling tries again by itself.")
    if any_of(ssl.SSLError) and not any_of(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return TryLater(f"The TLS handshake with {who} failed.")
    return TryLater(
        f"{who} closed the connection before its answer was complete; polling tries again by itself."
    )


def dropped(error: BaseException) -> bool:
    """Whether the other side closed the connection without a word, as it does with one that was idle for
    long."""
    return any(
        isinstance(one, ConnectionResetError | BrokenPipeError | ssl.SSLEOFError) for one in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all it was made from. Libraries hide the origin in different places."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        hidden = (getattr(one, name, None) for name in ("reason", "inner_exception"))  # urllib3, azure-core
        inner = (one.__cause__, one.__context__, *hidden, *one.args)
        waiting.extend(each for each in inner if isinstance(each, BaseException))


_MARKUP = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_JWT = re.compile(r"eyJ[\w-]{5,}\.[\w-]+(\.[\w-]*)?")
_QUERY = re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*")


def quoted(text: str, *, limit: int = 300) -> str:
    """What the other side said, safe to show: no HTML, no query of an address, no token, no characters that a
    terminal obeys or that turn text, one line, at most `limit` characters."""
    words = html.unescape(_MARKUP.sub(" ", text[:20_000]))
    text = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    text = _QUERY.sub(r"\1", _JWT.sub("[removed]", text))
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
