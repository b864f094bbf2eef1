"""Sees everything that leaves the product's code, and searches it for secrets in any spelling."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from shared.store.memory import MemoryBlobs, MemoryQueues, MemoryTables
from shared.store.stores import Change, Delete

_LINE = 32


@dataclass
class Watch:
    """Everything seen, as (where, text). Where begins with the kind: table, queue, blob, answer, push, log,
    error, export, operate."""

    seen: list[tuple[str, str]] = field(default_factory=list)

    def saw(self, where: str, what: Any) -> None:
        """Remember a value: text, bytes (opened when compressed), or anything with a repr."""
        self.seen.extend((where, text) for text in _texts(what))

    def kinds(self) -> set[str]:
        """The kinds of places where something was seen."""
        return {where.split(" ")[0] for where, _ in self.seen}

    def places_of(self, secret: str) -> set[str]:
        """Where a secret was seen, in any spelling."""
        spellings = _spellings(secret)
        return {where for where, text in self.seen if any(one in text for one in spellings)}

    @contextmanager
    def logs(self) -> Iterator[None]:
        """Remember every log record of this process at DEBUG, but the simulator's own."""
        handler, root = _Handler(self), logging.getLogger()
        before = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.setLevel(before)
            root.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.DEBUG)
        self._watch = watch
        self._form = logging.Formatter("%(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        if record.threadName != "simulator":
            extra = {k: v for k, v in vars(record).items() if k not in ("msg", "args", "exc_info")}
            self._watch.saw(f"log {record.name}", f"{self._form.format(record)} {extra!r}")


def story(error: BaseException) -> str:
    """An exception as the host logs it: with its causes and its traceback."""
    return "".join(traceback.format_exception(error))


def _texts(what: Any) -> Iterator[str]:
    if isinstance(what, str):
        yield what
    elif isinstance(what, bytes):
        yield what.decode("latin-1")
        for opened in (zlib.decompress, gzip.decompress, base64.b64decode):
            with suppress(zlib.error, OSError, ValueError, EOFError):
                yield opened(what).decode("latin-1")
    elif isinstance(what, Mapping):
        yield repr(dict(what))
        for value in what.values():
            yield from _texts(value)
    else:
        yield repr(what)


def _spellings(secret: str) -> set[str]:
    """How a secret could be written; of one with several lines, each long line alone."""
    raw = secret.encode()
    found = {
        secret,
        json.dumps(secret)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }
    return found | {line for line in secret.splitlines() if len(line) >= _LINE and "-----" not in line}


class WatchedTables(MemoryTables):
    """Tables, every write seen."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def write(self, table: str, changes: Sequence[Change]) -> list[str]:
        for change in changes:
            if not isinstance(change, Delete):
                self._watch.saw(f"table {table}", f"{change.row.partition} {change.row.key}")
                self._watch.saw(f"table {table}", change.row.values)
        return super().write(table, changes)


class WatchedQueues(MemoryQueues):
    """Queues, every message seen."""

    def __init__(self, watch: Watch, clock: Callable[[], datetime]) -> None:
        super().__init__(clock=clock)
        self._watch = watch

    def send(self, queue: str, body: str, *, delay: timedelta = timedelta()) -> None:
        self._watch.saw(f"queue {queue}", body)
        super().send(queue, body, delay=delay)


class WatchedBlobs(MemoryBlobs):
    """Blobs, every write seen."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch

    def put(self, container: str, name: str, content: bytes) -> None:
        self._watch.saw(f"blob {container}", name)
        self._watch.saw(f"blob {container}", content)
        super().put(container, name, content)


class Issued:
    """Remembers every access token that the simulator gave out."""

    def __init__(self, issue: Callable[..., str]) -> None:
        self._issue, self._lock = issue, threading.Lock()
        self.tokens: list[str] = []

    def __call__(self, *arguments: Any, **named: Any) -> str:
        token = self._issue(*arguments, **named)
        with self._lock:
            self.tokens.append(token)
        return token
