"""Queue output bindings: what a function sets or returns, put on the queue after it succeeded.

Text and bytes are one message, a list is one message for each item. A dict is refused: the real worker
would send the list of its keys. The listener of the same queue in this host is woken, as the real host
does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import azure.functions as func

from devhost.options import QueueOptions, resolve
from devhost.storage_queues import StorageQueue, connect, encode


class QueueOutputs:
    """Writes to the queues that output bindings name. `added` is told the name of each queue written to."""

    def __init__(
        self,
        options: QueueOptions,
        environ: Mapping[str, str],
        threads: ThreadPoolExecutor,
        *,
        added: Callable[[str], None],
    ) -> None:
        self._options, self._environ, self._threads, self._added = options, environ, threads, added

    async def write(self, binding: Mapping[str, Any], value: Any) -> None:
        """Put a function's output. Raises TypeError for what cannot be a message, Refused for a wrong
        setting.
        """
        bodies = [_body(one) for one in (value if isinstance(value, list | tuple) else [value])]
        name = resolve(binding["queueName"], self._environ)
        service = connect(binding.get("connection") or "", self._environ)
        queue = StorageQueue(service.get_queue_client(name), self._threads)
        for body in bodies:
            await queue.add(encode(body, as_base64=self._options.base64))
        self._added(name)


def _body(value: Any) -> str | bytes:
    if isinstance(value, func.QueueMessage):
        return bytes(value.get_body())
    if isinstance(value, str | bytes):
        return value
    raise TypeError(f"a queue output takes str, bytes or a list of them, not {type(value).__name__}")
