"""Deploys an ARM template to nowhere: evaluates its expressions and gives the resources as Azure would make
them.

Knows the functions that templates for workflow automation use, and no others (NotImplementedError names the
one that is missing). Source: "ARM template functions" and "Syntax and expressions" in the ARM reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_$][\w$]*)|(?P<sign>[()\[\],.]))"
)


class Deployment:
    """One deployment into a resource group. After `run`, `resources` are those whose condition holds."""

    def __init__(
        self,
        template: Mapping[str, Any],
        parameters: Mapping[str, Any],
        *,
        subscription_id: str,
        resource_group: str = "security",
        location: str = "westeurope",
    ) -> None:
        """Raises ValueError for a parameter that the template does not have, or that has no value."""
        declared = template.get("parameters", {})
        unknown = set(parameters) - set(declared)
        if unknown:
            raise ValueError(f"the template has no parameter {', '.join(sorted(unknown))}")
        self._template = template
        self._group = f"/subscriptions/{subscription_id}/resourceGroups/{resource_group}"
        self._subscription = f"/subscriptions/{subscription_id}"
        self._location = location
        self._loops: list[tuple[str, int]] = []
        self._parameters = dict(parameters)
        for name, one in declared.items():
            if name not in self._parameters:
                if "defaultValue" not in one:
                    raise ValueError(f"the parameter {name} needs a value")
                self._parameters[name] = self._value(one["defaultValue"])
        self.resources: list[dict[str, Any]] = []

    def run(self) -> list[dict[str, Any]]:
        """Evaluate everything; gives the resources, with `id`, in the template's order."""
        for resource in self._template["resources"]:
            copy = resource.get("copy")
            count = int(self._value(copy["count"])) if copy else 1
            for index in range(count):
                self._loops.append((copy["name"] if copy else "", index))
                if self._value(resource.get("condition", True)):
                    self.resources.append(self._resource(resource))
                self._loops.pop()
        return self.resources

    def _resource(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        left_out = ("copy", "condition", "dependsOn")
        made = {k: self._value(v) for k, v in resource.items() if k not in left_out}
        return {**made, "id": self._resource_id(made["type"], made["name"])}

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            if value.startswith("[[") or not (value.startswith("[") and value.endswith("]")):
                return value.replace("[[", "[", 1) if value.startswith("[[") else value
            return _Expression(value[1:-1], self).value()
        if isinstance(value, list):
            return [self._value(one) for one in value]
        if isinstance(value, dict):
            return {k: self._value(v) for k, v in value.items() if k != "copy"} | self._copies(value)
        return value

    def _copies(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """What `copy` inside an object adds to it."""
        made: dict[str, Any] = {}
        for copy in value.get("copy", []):
            made[copy["name"]] = items = []
            for index in range(int(self._value(copy["count"]))):
                self._loops.append((copy["name"], index))
                items.append(self._value(copy["input"]))
                self._loops.pop()
        return made

    def _variable(self, name: str) -> Any:
        variables = self._template.get("variables", {})
        for copy in variables.get("copy", []):
            if copy["name"] == name:
                return self._copies({"copy": [copy]})[name]
        return self._value(variables[name])

    def _copy_index(self, name: str = "") -> int:
        found = [i for loop, i in reversed(self._loops) if not name or loop == name]
        return found[0]

    def _resource_id(self, kind: str, *names: str, scope: str | None = None) -> str:
        namespace, *types = kind.split("/")
        parts = "/".join(f"{t}/{n}" for t, n in zip(types, names, strict=True))
        return f"{self._group if scope is None else scope}/providers/{namespace}/{parts}"

    def call(self, name: str, arguments: list[Any]) -> Any:
        """One template function. Raises NotImplementedError for one that is not known here."""
        functions: dict[str, Callable[..., Any]] = {
            "parameters": lambda name: self._parameters[name],
            "variables": self._variable,
            "concat": lambda *parts: "".join(map(str, parts)),
            "if": lambda condition, yes, no: yes if condition else no,
            "not": lambda value: not value,
            "empty": lambda value: not value,
            "length": len,
            "createarray": lambda *items: list(items),
            "union": lambda *parts: {k: v for part in parts for k, v in part.items()},
            "copyindex": self._copy_index,
            "resourceid": self._resource_id,
            "subscriptionresourceid": lambda kind, *n: self._resource_id(kind, *n, scope=self._subscription),
            "resourcegroup": lambda: {"id": self._group, "location": self._location},
            "subscription": lambda: {"id": self._subscription},
            "listcallbackurl": lambda id, version: {"value": f"https://logic.example{id}?sig=made-up"},
        }
        if name.lower() not in functions:
            raise NotImplementedError(f"the template function {name} is not known here")
        return functions[name.lower()](*arguments)


class _Expression:
    """One expression, read from left to right."""

    def __init__(self, text: str, deployment: Deployment) -> None:
        self._tokens = [m for m in _TOKEN.finditer(text) if m[0].strip()]
        if "".join(m[0] for m in self._tokens).replace(" ", "") != text.replace(" ", ""):
            raise ValueError(f"this is no template expression: {text}")
        self._at = 0
        self._deployment = deployment

    def value(self) -> Any:
        """What the expression gives."""
        found = self._one()
        while self._sign() in (".", "["):
            if self._take() == ".":
                found = found[self._take()]
            else:
                found = found[self.value()]
                self._take()
        return found

    def _one(self) -> Any:
        token = self._tokens[self._at]
        text = self._take()
        if token["text"]:
            return text[1:-1].replace("''", "'")
        if token["number"]:
            return int(text)
        self._take()  # the opening bracket
        arguments = []
        while self._sign() != ")":
            arguments.append(self.value())
            if self._sign() == ",":
                self._take()
        self._take()
        return self._deployment.call(text, arguments)

    def _sign(self) -> str | None:
        return self._tokens[self._at]["sign"] if self._at < len(self._tokens) else None

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][0].strip()
