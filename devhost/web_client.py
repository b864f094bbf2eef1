"""JSON over HTTP for what runs on this machine: small, with one authority to trust, and no proxy between."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SECONDS = 15


class CallFailed(Exception):
    """No answer (`status` 0), or one that says no. The text is what the other side said."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class WebClient:
    """Calls below one address. `ca_bundle` is the file with the authority of an https address."""

    def __init__(self, url: str, *, ca_bundle: Path | None = None) -> None:
        self._url = url.rstrip("/")
        context = ssl.create_default_context(cafile=str(ca_bundle)) if ca_bundle else None
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        form: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Any:
        """One call; the answer's JSON, None if it is empty. Raises CallFailed."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = None
        if form is not None:
            content = urllib.parse.urlencode(form).encode()
        elif body is not None:
            content, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self._url + path, content, headers, method=method)  # noqa: S310 - our own
        try:
            with self._opener.open(request, timeout=_SECONDS) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                said = refused.read().decode(errors="replace")[:1000]
            raise CallFailed(refused.code, said) from refused
        except OSError as error:
            raise CallFailed(0, str(error)) from error
        return json.loads(text) if text else None
