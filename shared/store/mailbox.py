"""Messages of any size on queues that take 48 KiB: larger ones wait in a blob, a claim check in the queue.

The blob is written before the message and deleted after the work: no message whose work is still to be done
points at nothing.
"""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import timedelta
from uuid import uuid4

from pydantic import BaseModel

from shared.errors import Unreadable
from shared.store.stores import Blobs, Container, Queues

_INLINE_BYTES = 47 * 1024
_CLAIM = '{"claim_check":'


class ContentGone(Unreadable):
    """A claim check whose blob is not there: the work is done, or the blob was lost."""


class Mailbox:
    """Sends messages and opens what a queue delivers."""

    def __init__(self, queues: Queues, blobs: Blobs) -> None:
        self._queues, self._blobs = queues, blobs

    def send(self, queue: str, message: BaseModel, delay: timedelta = timedelta()) -> None:
        """Put a message; it becomes visible after `delay` (less than 7 days)."""
        text = message.model_dump_json()
        content = text.encode()
        if len(content) > _INLINE_BYTES:
            name = f"{queue}/{uuid4().hex}.json.gz"
            self._blobs.put(Container.messages, name, gzip.compress(content, compresslevel=1, mtime=0))
            # Should the next line fail, the blob stays: the queue may have taken the message all the same.
            text = f'{_CLAIM}"{name}"}}'
        self._queues.send(queue, text, delay=delay)

    def open(self, text: str) -> str:
        """The JSON that was sent. Raises ContentGone when its blob is gone, as after `discard`, Unreadable
        when it is damaged."""
        name = _claim(text)
        if name is None:
            return text
        content = self._blobs.get(Container.messages, name)
        if content is None:
            raise ContentGone(
                f"the content of a message is gone: blob {name} in container {Container.messages}"
            )
        try:
            return gzip.decompress(content or b"?").decode()
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise Unreadable(f"the content of a message is damaged: blob {name}") from error

    def give_up(self, queue: str, text: str) -> None:
        """Send a message of the queue to where the host sends what keeps failing."""
        self._queues.send(f"{queue}-poison", text)

    def discard(self, text: str) -> None:
        """Delete what a message left in a blob, once its work is done. No call for one without."""
        name = _claim(text)
        if name is not None:
            self._blobs.delete(Container.messages, name)


def _claim(text: str) -> str | None:
    """The blob's name if the text is a claim check."""
    if not text.startswith(_CLAIM):
        return None
    try:
        name = json.loads(text)["claim_check"]
    except (ValueError, TypeError) as error:
        raise Unreadable("a message is not JSON") from error
    return str(name)
