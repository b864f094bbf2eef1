"""Posts to a webhook as the HTTP action of a Logic App does: same body again on 408, 429, 5xx and silence,
not on other errors.

Source: the vendor's page on retry policies: by default 4 retries, about 7.5 s apart and growing, never
under 5 s nor over 45 s; a call may take 120 s. Retries repeat the run's id. That a 202 with `Location` is
then polled is general knowledge, and not done here.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

RETRIES = 4
TIMEOUT = 120.0
_RETRIED = {408, 429}


def forward(
    url: str,
    body: Any,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    retries: int = RETRIES,
    ca_bundle: str | None = None,
    pause: Callable[[float], None] = time.sleep,
    timeout: float = TIMEOUT,
) -> list[int]:
    """The status of each attempt, 0 for none; the last one is the outcome. `key` goes into `x-functions-key`,
    `headers` go along.

    `ca_bundle` is the file to trust; `pause` waits that many seconds. Raises ValueError for anything but
    http and https.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError("the address must begin with https:// or http://")
    sent = {"Content-Type": "application/json; charset=utf-8", "x-ms-workflow-run-id": uuid4().hex}
    sent |= headers or {}
    if key:
        sent["x-functions-key"] = key
    request = urllib.request.Request(url, json.dumps(body).encode(), sent, method="POST")  # noqa: S310 - checked above
    context = ssl.create_default_context(cafile=ca_bundle) if url.lower().startswith("https") else None
    statuses: list[int] = []
    for attempt in range(retries + 1):
        if attempt:
            pause(min(45.0, max(5.0, 7.5 * 2 ** (attempt - 1))))
        statuses.append(_status(request, context, timeout))
        if not _again(statuses[-1]):
            break
    return statuses


def _again(status: int) -> bool:
    return status == 0 or status in _RETRIED or status >= 500


def _status(request: urllib.request.Request, context: ssl.SSLContext | None, timeout: float) -> int:
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:  # noqa: S310 - checked above
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    except OSError:
        return 0
