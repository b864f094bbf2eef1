"""Which certificate authorities push believes: the public ones, and the operator's further bundle (a
proxy's, the simulator's)."""

from __future__ import annotations

import ssl
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter

from shared.errors import OperatorMustAct


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """A context that checks certificates and names. Raises OperatorMustAct when the bundle cannot be read."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle:
        try:
            context.load_verify_locations(cafile=ca_bundle)
        except (OSError, ssl.SSLError) as error:
            raise OperatorMustAct(
                "POCKETSOC_CA_BUNDLE does not name a readable PEM file of certificates."
            ) from error
    return context


def https_session(ca_bundle: str | None) -> requests.Session:
    """A session that speaks https only, trusts as `tls_context` does, and takes nothing (proxy, .netrc,
    bundles) from the environment. Not thread-safe, as no requests session is."""
    session = requests.Session()
    session.trust_env = False
    session.adapters.clear()
    session.mount("https://", _Https(ca_bundle))
    return session


class _Https(HTTPAdapter):
    """https with our own certificate authorities."""

    def __init__(self, ca_bundle: str | None) -> None:
        self._context = tls_context(ca_bundle)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Give every connection the context."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to add: the context requires a certificate that it trusts, for the right name."""
