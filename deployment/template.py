"""A Bicep file as an ARM template: what `az bicep build` does, for the part of Bicep that infra/ uses.

Refuses, with the line, what the compiler refuses too: unknown names, unknown parameters of modules and
missing
ones, wrong types, names and conditions that are known only while deploying, what is declared and never used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tree_sitter import Node

from deployment.bicep import BicepFile, Declaration, key, literal, parts, read_bicep, skips, text
from deployment.expressions import Expressions, Watched, quoted
from deployment.symbols import DEPLOYMENTS, DEPLOYMENTS_VERSION, Module, Resource, Symbol, Value

_SCHEMAS = {
    "resourceGroup": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "subscription": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
}
_LIMITS = {name: name for name in ("minLength", "maxLength", "minValue", "maxValue")}
_NOT_PROPERTIES = ("name", "parent", "scope", "dependsOn")

Json = dict[str, Any]


def template_of(path: Path) -> Json:
    """The ARM template of a Bicep file, with its modules inside. Raises NotBicepError."""
    return _Template(read_bicep(path)).build()


@dataclass(frozen=True)
class _Shape:
    """A resource's or module's body, taken apart."""

    entries: Mapping[str, Node]
    body: Node
    condition: Node | None
    loop: Node | None


@dataclass
class _Template:
    file: BicepFile
    symbols: dict[str, Symbol] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.expressions = Expressions(self.file, self.symbols)

    def build(self) -> Json:
        """The whole."""
        with self.expressions.watching() as watched:
            parameters = {one.name: self._parameter(one) for one in self.file.of("param")}
            variables = self._variables()
            resources = self._resources()
            outputs = {one.name: self._output(one) for one in self.file.of("output")}
        self._all_used(watched.names)
        made = {
            "$schema": _SCHEMAS[self.file.scope],
            "contentVersion": "1.0.0.0",
            "metadata": {one.name: literal(one.body) for one in self.file.of("metadata")},
            "parameters": parameters,
            "variables": {**self.expressions.loaded, **variables},
            "resources": resources,
            "outputs": outputs,
        }
        return {name: value for name, value in made.items() if value or name == "resources"}

    def _parameter(self, one: Declaration) -> Json:
        secure = "secure" in one.decorators
        kind = f"secure{one.type.replace('object', 'Object')}" if secure else one.type
        made: Json = {"type": kind}
        if one.body is not None:
            made["defaultValue"] = self.expressions.value(one.body)
            self._same_kind(one.body, one.type)
        if "allowed" in one.decorators:
            made["allowedValues"] = literal(one.decorators["allowed"])
        made |= {n: literal(node) for n, node in one.decorators.items() if n in _LIMITS}
        more = one.decorators.get("metadata")
        made["metadata"] = (literal(more) if more else {}) | {"description": self._description(one)}
        self.symbols[one.name] = Value(f"parameters('{one.name}')", one.type)
        return made

    def _description(self, one: Declaration) -> str:
        if "description" not in one.decorators:
            raise self.file.trouble(one.node, f"'{one.name}' has no description")
        return str(literal(one.decorators["description"]))

    def _variables(self) -> Json:
        made: Json = {}
        copies = []
        for one in self.file.of("var"):
            assert one.body is not None
            with self.expressions.watching() as watched:
                if one.body.type == "for_statement":
                    inner, count, names = self.expressions.loop(one.body, f"'{one.name}'")
                    with self.expressions.bound(names):
                        made_of = self.expressions.value(inner)
                    copies.append({"name": one.name, "count": f"[{count}]", "input": made_of})
                else:
                    made[one.name] = self.expressions.value(one.body)
            self._beforehand(one.node, watched)
            kind = self.expressions.kind(one.body)
            self.symbols[one.name] = Value(f"variables('{one.name}')", kind, frozenset(watched.uses))
        return {"copy": copies, **made} if copies else made

    def _resources(self) -> list[Json]:
        made = []
        for one in (d for d in self.file.declarations if d.kind in ("resource", "module")):
            shape = self._shape(one)
            made.append(self._resource(one, shape) if one.kind == "resource" else self._module(one, shape))
        return [one for one in made if one]

    def _shape(self, one: Declaration) -> _Shape:
        body, loop, condition = one.body, None, None
        assert body is not None
        if body.type == "for_statement":
            loop, body = body, parts(body)[-1]
        if body.type == "if_statement":
            condition, body = parts(body)[0], parts(body)[1]
        return _Shape({key(e): parts(e)[1] for e in parts(body)}, body, condition, loop)

    def _resource(self, one: Declaration, shape: _Shape) -> Json:
        made: Json = {}
        with self.expressions.watching() as watched:
            names, count = self._loop(shape)
            with self.expressions.bound(names):
                symbol = self._known(one, shape)
                if one.existing:
                    self.symbols[one.name] = symbol
                    return {}
                made = self._head(one, shape, count, symbol.type, symbol.version)
                made["name"] = self._full_name(shape, symbol)
                if "scope" in shape.entries:
                    made["scope"] = f"[{symbol.at}]"
                made |= self.expressions.object(shape.body, without=_NOT_PROPERTIES)
        made["dependsOn"] = self._depends(shape, watched)
        if explained := skips(one.node):
            made["metadata"] = {"checkov": explained}
        self.symbols[one.name] = symbol
        return {name: value for name, value in made.items() if name != "dependsOn" or value}

    def _known(self, one: Declaration, shape: _Shape) -> Resource:
        """The symbol of a resource."""
        with self.expressions.watching() as watched:
            own = self.expressions.text(shape.entries["name"])
        self._beforehand(one.node, watched)
        names: tuple[str, ...] = (own,)
        if "parent" in shape.entries:
            parent = self._target(shape.entries["parent"])
            names = (*parent.names, own)
            if one.type.rpartition("/")[0] != parent.type:
                raise self.file.trouble(one.node, f"{one.type} is no child of {parent.type}")
        at = self._target(shape.entries["scope"]).id if "scope" in shape.entries else None
        return Resource(
            one.name,
            one.type,
            one.version,
            names,
            at,
            existing=one.existing,
            loop=shape.loop is not None,
            of_subscription=self.file.scope == "subscription",
            uses=frozenset() if one.existing else frozenset({one.name}),
        )

    def _module(self, one: Declaration, shape: _Shape) -> Json:
        inner = self._inner(one)
        with self.expressions.watching() as watched:
            names, count = self._loop(shape)
            with self.expressions.bound(names):
                name = self.expressions.text(shape.entries["name"])
                made = self._head(one, shape, count, DEPLOYMENTS, DEPLOYMENTS_VERSION)
                made["name"] = self.expressions.value(shape.entries["name"])
                group = None
                if "scope" in shape.entries:
                    group = self._target(shape.entries["scope"]).names[0]
                    made["resourceGroup"] = f"[{group}]"
                made["properties"] = {
                    "expressionEvaluationOptions": {"scope": "inner"},
                    "mode": "Incremental",
                    "parameters": self._arguments(one, shape.entries.get("params"), inner),
                    "template": inner,
                }
        made["dependsOn"] = self._depends(shape, watched)
        outputs = {n: str(o["type"]).lower() for n, o in inner.get("outputs", {}).items()}
        loop = shape.loop is not None
        self.symbols[one.name] = Module(one.name, name, outputs, group, loop, uses=frozenset({one.name}))
        return {name: value for name, value in made.items() if name != "dependsOn" or value}

    def _inner(self, one: Declaration) -> Json:
        path = (self.file.path.parent / one.type).resolve()
        if not path.is_file():
            raise self.file.trouble(one.node, f"there is no file '{one.type}'")
        if path.suffix == ".json":
            return dict(json.loads(path.read_text(encoding="utf-8")))
        return template_of(path)

    def _arguments(self, one: Declaration, given: Node | None, inner: Json) -> Json:
        wanted = inner.get("parameters", {})
        arguments = {key(e): parts(e)[1] for e in parts(given)} if given else {}
        unknown = arguments.keys() - wanted.keys()
        missing = {n for n, p in wanted.items() if "defaultValue" not in p} - arguments.keys()
        if unknown or missing:
            raise self.file.trouble(
                one.node, f"parameters unknown: {sorted(unknown)}, missing: {sorted(missing)}"
            )
        for name, node in arguments.items():
            self._same_kind(node, wanted[name]["type"].lower().removeprefix("secure"))
        return {name: {"value": self.expressions.value(node)} for name, node in arguments.items()}

    def _loop(self, shape: _Shape) -> tuple[dict[str, Value], str | None]:
        if shape.loop is None:
            return {}, None
        with self.expressions.watching() as watched:
            _, count, names = self.expressions.loop(shape.loop, "")
        self._beforehand(shape.loop, watched)
        return names, count

    def _head(self, one: Declaration, shape: _Shape, count: str | None, type_: str, version: str) -> Json:
        made: Json = {}
        if count is not None:
            made["copy"] = {"name": one.name, "count": f"[{count}]"}
        if shape.condition is not None:
            with self.expressions.watching() as watched:
                made["condition"] = f"[{self.expressions.text(shape.condition)}]"
            self._beforehand(shape.condition, watched)
        return made | {"type": type_, "apiVersion": version}

    def _full_name(self, shape: _Shape, symbol: Resource) -> Any:
        if len(symbol.names) == 1:
            return self.expressions.value(shape.entries["name"])
        form = "/".join(f"{{{number}}}" for number in range(len(symbol.names)))
        return f"[format({', '.join([quoted(form), *symbol.names])})]"

    def _depends(self, shape: _Shape, watched: Watched) -> list[str]:
        uses = set(watched.uses)
        if "dependsOn" in shape.entries:
            uses |= {text(one) for one in parts(shape.entries["dependsOn"])}
        known = [self.symbols[name] for name in sorted(uses)]
        found = [one for one in known if isinstance(one, Resource | Module)]
        return [one.symbol if one.loop else f"[{one.id}]" for one in found]

    def _target(self, node: Node) -> Resource:
        """The resource that a parent or scope names."""
        symbol = self.expressions.symbol(node)
        if not isinstance(symbol, Resource):
            raise self.file.trouble(node, f"'{text(node)}' is no resource declared above")
        return symbol

    def _output(self, one: Declaration) -> Json:
        assert one.body is not None
        self._same_kind(one.body, one.type)
        description = {"description": self._description(one)}
        return {"type": one.type, "metadata": description, "value": self.expressions.value(one.body)}

    def _same_kind(self, node: Node, wanted: str) -> None:
        kind = self.expressions.kind(node)
        if kind is not None and kind != wanted:
            raise self.file.trouble(node, f"this is {kind}, and {wanted} is wanted")

    def _beforehand(self, node: Node, watched: Watched) -> None:
        if watched.at_deployment:
            raise self.file.trouble(node, "this must be known before anything is deployed")

    def _all_used(self, names: set[str]) -> None:
        for one in self.file.declarations:
            if one.name not in names and (one.kind in ("param", "var") or one.existing):
                raise self.file.trouble(one.node, f"'{one.name}' is declared and never used")
