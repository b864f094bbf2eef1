"""Counts storage transactions where they cannot be missed: on the wire, as the SDKs send them, retries
included."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests.adapters

_VERBS = {
    "queue": {"POST": "queue put", "GET": "queue receive", "DELETE": "queue delete", "PUT": "queue update"},
    "blob": {"PUT": "blob put", "GET": "blob get", "DELETE": "blob delete", "HEAD": "blob get"},
}


@contextmanager
def counted(ports: tuple[int, int, int]) -> Iterator[Counter[str]]:
    """Requests of this process to the storage at these (blob, queue, table) ports, by kind. A transaction of
    a hundred rows is one."""
    services = dict(zip(ports, ("blob", "queue", "table"), strict=True))
    counts: Counter[str] = Counter()
    lock = threading.Lock()
    send = requests.adapters.HTTPAdapter.send

    def counting(self: Any, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        service = services.get(urlsplit(request.url or "").port or 0)
        if service:
            with lock:
                counts[_kind(service, request.method or "", str(request.url))] += 1
        return send(self, request, *args, **kwargs)

    requests.adapters.HTTPAdapter.send = counting  # type: ignore[method-assign]
    try:
        yield counts
    finally:
        requests.adapters.HTTPAdapter.send = send  # type: ignore[method-assign]


def _kind(service: str, method: str, url: str) -> str:
    if service == "table":
        return "table read" if method == "GET" else "table write"
    if service == "queue" and "comp=metadata" in url:
        return "queue look"
    return _VERBS[service].get(method, f"{service} {method.lower()}")


def told(counts: Counter[str]) -> str:
    """The counts in words."""
    return ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items())) or "none"
