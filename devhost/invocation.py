"""Runs one function once: sync functions in a pool of threads, async ones on the event loop, one log line
each.

A failed invocation raises `Failed`; what the function raised is its cause, and is logged here with its
traceback.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import azure.functions as func

from devhost.app_index import IndexedFunction

_log = logging.getLogger("devhost.invocations")
WriteOutput = Callable[[Mapping[str, Any], Any], Awaitable[None]]
"""Writes a value to an output binding."""


class Failed(Exception):
    """The invocation failed; it has been logged."""


@dataclass(frozen=True)
class Trace:
    """A trace context without a trace."""

    trace_state: str = ""
    trace_parent: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


class Context(func.Context):
    """What a function gets in a parameter named `context`."""

    def __init__(self, function: IndexedFunction, directory: Path, invocation_id: str, local: Any) -> None:
        self._values = (invocation_id, function.name, str(directory), local)

    @property
    def invocation_id(self) -> str:
        """A new id for each invocation."""
        return self._values[0]

    @property
    def function_name(self) -> str:
        """The function's name."""
        return self._values[1]

    @property
    def function_directory(self) -> str:
        """The folder of function_app.py."""
        return self._values[2]

    @property
    def thread_local_storage(self) -> Any:
        """Where the worker keeps the invocation id for each thread."""
        return self._values[3]

    @property
    def trace_context(self) -> Any:
        """Nothing is traced here."""
        return Trace()

    @property
    def retry_context(self) -> Any:
        """Retry policies are not run here."""
        return None


class _Out(func.Out[Any]):
    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        self._value = val

    def get(self) -> Any:
        return self._value


def thread_count(setting: str | None) -> int:
    """How many threads run sync functions: PYTHON_THREADPOOL_THREAD_COUNT, or what Python takes by itself."""
    if setting and setting.isdigit() and int(setting) >= 1:
        return int(setting)
    return min(32, (os.cpu_count() or 1) + 4)


class Invoker:
    """Runs functions. `write` writes the values of their queue outputs, after success only."""

    def __init__(self, *, directory: Path, threads: int, write: WriteOutput) -> None:
        self._directory, self._write = directory, write
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self._local = threading.local()

    async def invoke(self, function: IndexedFunction, value: Any, *, reason: str) -> Any:
        """Run a function with its trigger's value; what it returned for its trigger. Raises Failed."""
        invocation_id, began = str(uuid4()), time.perf_counter()
        _log.info("Executing '%s' (Reason='%s', Id=%s)", function.name, reason, invocation_id)
        outcome = "Failed"
        try:
            result = await self._run(function, value, invocation_id)
            outcome = "Succeeded"
        except (
            Exception
        ) as error:  # whatever a function raises is one failed invocation, never the host's end
            _log.error("Function '%s' raised %s", function.name, type(error).__name__, exc_info=error)
            raise Failed(function.name) from error
        finally:
            took = (time.perf_counter() - began) * 1000
            _log.info(
                "Executed '%s' (%s, Id=%s, Duration=%.0fms)", function.name, outcome, invocation_id, took
            )
        return result

    async def _run(self, function: IndexedFunction, value: Any, invocation_id: str) -> Any:
        outs = {one["name"]: _Out() for one in function.outputs if one["name"] != "$return"}
        arguments: dict[str, Any] = {function.trigger["name"]: value, **outs}
        if function.takes_context:
            arguments["context"] = Context(function, self._directory, invocation_id, self._local)
        result = await self._called(function, arguments, invocation_id)
        if result is not None and function.returns is None:
            raise TypeError("it returned a value, but has no $return binding")
        for one in function.outputs:
            given = result if one["name"] == "$return" else outs[one["name"]].get()
            if one["type"] == "queue" and given is not None:
                await self._write(one, given)
        return result

    async def _called(
        self, function: IndexedFunction, arguments: Mapping[str, Any], invocation_id: str
    ) -> Any:
        if function.is_async:
            return await function.call(**arguments)

        def call() -> Any:
            self._local.invocation_id = invocation_id
            return function.call(**arguments)

        run = functools.partial(contextvars.copy_context().run, call)
        return await asyncio.get_running_loop().run_in_executor(self._pool, run)

    def close(self) -> None:
        """Let go of the threads; those that still run are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
