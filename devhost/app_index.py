"""Loads `function_app.py` and lists its functions, refusing what the real host and worker refuse.

An app may be indexed once only: the library's `get_functions` raises at a second call. So call `index_app`
once. Source of the checks: the Python worker's function registry, and the host's check of names and routes.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import azure.functions as func

from devhost.refused import Refused

TRIGGERS = ("httpTrigger", "timerTrigger", "queueTrigger")
OUTPUTS = ("http", "queue")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,126}")
_BUILT_IN_ROUTES = ("admin", "runtime")


@dataclass(frozen=True)
class IndexedFunction:
    """One function. `trigger` and `outputs` are the bindings as the host gets them; `trigger_type` is the
    annotation of the trigger's parameter, None without one."""

    name: str
    call: Callable[..., Any]
    trigger: Mapping[str, Any]
    outputs: tuple[Mapping[str, Any], ...]
    trigger_type: Any
    takes_context: bool

    @property
    def is_async(self) -> bool:
        """Whether it is a coroutine function, and so runs on the event loop."""
        return inspect.iscoroutinefunction(self.call)

    @property
    def returns(self) -> Mapping[str, Any] | None:
        """The binding of what it returns; None if it may return nothing."""
        return next((one for one in self.outputs if one["name"] == "$return"), None)


def index_app(root: Path) -> list[IndexedFunction]:
    """Import `function_app.py` of a folder and index it, once. Raises Refused, or whatever the import
    raises."""
    module = _load(root / "function_app.py")
    apps = {id(v): v for v in vars(module).values() if isinstance(v, func.FunctionApp)}
    if len(apps) != 1:
        raise Refused(f"function_app.py must have one FunctionApp at its top level; it has {len(apps)}.")
    try:
        found = next(iter(apps.values())).get_functions()
    except ValueError as error:
        raise Refused(f"function_app.py cannot be indexed: {error}") from error
    return [_indexed(one) for one in found]


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise Refused(f"There is no function_app.py in {path.parent}.")
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("function_app", path)
    if spec is None or spec.loader is None:
        raise Refused(f"{path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules["function_app"] = module
    spec.loader.exec_module(module)
    return module


def _indexed(function: Any) -> IndexedFunction:
    name, call = function.get_function_name(), function.get_user_function()
    bindings = [json.loads(raw) for raw in function.get_raw_bindings()]
    _check_bindings(name, bindings)
    trigger = next(one for one in bindings if one["type"] in TRIGGERS)
    types, takes_context = _check_signature(name, call, bindings)
    return IndexedFunction(
        name=name,
        call=call,
        trigger=trigger,
        outputs=tuple(one for one in bindings if one is not trigger),
        trigger_type=types.get(trigger["name"]),
        takes_context=takes_context,
    )


def _check_bindings(name: str, bindings: list[dict[str, Any]]) -> None:
    if not _NAME.fullmatch(name) or name.lower() == "host":
        raise Refused(
            f"'{name}' is not a function name: letters, digits, - and _, a letter first, not 'host'."
        )
    for one in bindings:
        if one["type"] not in (*TRIGGERS, *OUTPUTS):
            raise Refused(f"Function {name}: the local host does not know bindings of type '{one['type']}'.")
    if sum(one["type"] in TRIGGERS for one in bindings) != 1:
        raise Refused(f"Function {name} must have one trigger.")
    route = next((one.get("route") for one in bindings if one["type"] == "httpTrigger"), None)
    if route and route.lstrip("/").split("/")[0].lower() in _BUILT_IN_ROUTES:
        raise Refused(f"Function {name}: the route '{route}' is one of the host's own.")


def _check_signature(
    name: str, call: Callable[..., Any], bindings: list[dict[str, Any]]
) -> tuple[dict[str, Any], bool]:
    bound = {one["name"]: one for one in bindings if one["name"] != "$return"}
    parameters = set(inspect.signature(call).parameters)
    takes_context = "context" in parameters - set(bound)
    parameters -= {"context"} if takes_context else set()
    if parameters != set(bound):
        wrong = ", ".join(sorted(parameters ^ set(bound)))
        raise Refused(f"Function {name}: its parameters and its bindings differ in: {wrong}.")
    types = typing.get_type_hints(call)
    for parameter, binding in bound.items():
        if parameter in types:
            _check_type(name, parameter, types[parameter], binding)
    return types, takes_context


def _check_type(name: str, parameter: str, annotation: Any, binding: Mapping[str, Any]) -> None:
    is_out = (typing.get_origin(annotation) or annotation) is func.Out
    if is_out != (binding["direction"] == "OUT"):
        raise Refused(f"Function {name}: '{parameter}' must be func.Out if, and only if, it is an output.")
    if is_out or annotation in (str, bytes):
        return
    converter: Any = func.get_binding_registry().get(binding["type"])  # type: ignore[no-untyped-call]
    fits = isinstance(annotation, type) and converter.check_input_type_annotation(annotation)
    if not fits:
        raise Refused(f"Function {name}: '{parameter}' is a {binding['type']}; its annotation does not fit.")
