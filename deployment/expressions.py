"""Bicep expressions as ARM writes them.

`value` gives JSON whose texts may be `[expressions]`, `text` one expression without its brackets. Every name
must be known, every function one of the list; what stands in the way is a NotBicepError with the line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tree_sitter import Node

from deployment.bicep import BicepFile, key, literal, parts, text, unescaped
from deployment.symbols import NoSuchMemberError, Symbol, Value

# The functions that infra/ uses, with what they give where that is always the same.
FUNCTIONS: dict[str, str | None] = {
    "concat": None,
    "empty": "bool",
    "environment": "object",
    "guid": "string",
    "length": "int",
    "listKeys": "object",
    "loadJsonContent": None,
    "loadTextContent": "string",
    "max": "int",
    "replace": "string",
    "resourceGroup": "object",
    "string": "string",
    "subscription": "object",
    "subscriptionResourceId": "string",
    "tenant": "object",
    "toLower": "string",
    "union": None,
    "uniqueString": "string",
    "uri": "string",
}
_AT_DEPLOYMENT = {"listKeys"}
_OPERATORS = {
    "==": "equals({0}, {1})",
    "!=": "not(equals({0}, {1}))",
    "<": "less({0}, {1})",
    "<=": "lessOrEquals({0}, {1})",
    ">": "greater({0}, {1})",
    ">=": "greaterOrEquals({0}, {1})",
    "&&": "and({0}, {1})",
    "||": "or({0}, {1})",
    "+": "add({0}, {1})",
    "-": "sub({0}, {1})",
    "*": "mul({0}, {1})",
    "/": "div({0}, {1})",
    "%": "mod({0}, {1})",
    "??": "coalesce({0}, {1})",
}
_TRUTHS = {"==", "!=", "<", "<=", ">", ">=", "&&", "||"}


@dataclass
class Watched:
    """What expressions have touched: symbols, and whether any of it is known only while deploying."""

    names: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)
    at_deployment: bool = False


@dataclass
class Expressions:
    """Translates the expressions of one file. `loaded` collects the contents of files that it loads."""

    file: BicepFile
    symbols: MutableMapping[str, Symbol]
    loaded: dict[str, Any] = field(default_factory=dict)
    _watched: list[Watched] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[Watched]:
        """What is translated inside is noted."""
        watched = Watched()
        self._watched.append(watched)
        yield watched
        self._watched.pop()
        for outer in self._watched:
            outer.names |= watched.names
            outer.uses |= watched.uses
            outer.at_deployment |= watched.at_deployment

    @contextmanager
    def bound(self, names: dict[str, Value]) -> Iterator[None]:
        """These names mean these values inside."""
        hidden = {name: self.symbols[name] for name in names if name in self.symbols}
        self.symbols.update(names)
        yield
        for name in names:
            del self.symbols[name]
        self.symbols.update(hidden)

    def value(self, node: Node) -> Any:
        """JSON for a node."""
        match node.type:
            case "object":
                return self.object(node)
            case "array":
                return [self.value(one) for one in parts(node)]
            case "string" if not _interpolated(node):
                plain = str(literal(node))
                return f"[{plain}" if plain.startswith("[") else plain
            case "number" | "boolean":
                return literal(node)
        return f"[{self.text(node)}]"

    def loop(self, node: Node, label: str) -> tuple[Node, str, dict[str, Value]]:
        """A `for`: its body, the expression of how often, and what its names mean."""
        inside = parts(node)
        names = [text(one) for one in (parts(inside[0]) if len(parts(inside[0])) else [inside[0]])]
        over = self.text(inside[1])
        index = f"copyIndex({label})"
        meanings = [Value(f"{over}[{index}]"), Value(index, "int")]
        return inside[2], f"length({over})", dict(zip(names, meanings, strict=False))

    def text(self, node: Node) -> str:
        """One expression."""
        ways: dict[str, Callable[[Node], str]] = {
            "string": self._text,
            "number": text,
            "boolean": lambda one: f"{text(one)}()",
            "null": lambda _: "null()",
            "parenthesized_expression": lambda one: self.text(parts(one)[0]),
            "array": lambda one: f"createArray({self._list(parts(one))})",
            "object": self._created,
            "unary_expression": self._unary,
            "binary_expression": self._binary,
            "ternary_expression": lambda one: f"if({self._list(parts(one))})",
            "call_expression": self._call,
            "identifier": self._path,
            "member_expression": self._path,
            "subscript_expression": self._path,
        }
        if node.type not in ways:
            raise self.file.trouble(node, f"{node.type} is not used here")
        return ways[node.type](node)

    def _list(self, nodes: list[Node]) -> str:
        return ", ".join(map(self.text, nodes))

    def _unary(self, node: Node) -> str:
        inner = self.text(parts(node)[0])
        return f"not({inner})" if text(node).startswith("!") else f"sub(0, {inner})"

    def _binary(self, node: Node) -> str:
        left, right = parts(node)
        return _OPERATORS[text(node.children[1])].format(self.text(left), self.text(right))

    def kind(self, node: Node) -> str | None:
        """Its type in ARM's words, None where that is not plain to see."""
        match node.type:
            case "string":
                return "string"
            case "number":
                return "int"
            case "boolean" | "unary_expression":
                return "bool"
            case "array" | "for_statement":
                return "array"
            case "object":
                return "object"
            case "binary_expression":
                return "bool" if text(node.children[1]) in _TRUTHS else None
            case "ternary_expression":
                kinds = {self.kind(one) for one in parts(node)[1:]}
                return kinds.pop() if len(kinds) == 1 else None
            case "call_expression":
                return FUNCTIONS.get(text(parts(node)[0]))
            case "identifier":
                return self.symbol(node).kind
        return None

    def object(self, node: Node, without: Collection[str] = ()) -> dict[str, Any]:
        """JSON for an object, without some of its properties; a `for` becomes a copy."""
        made: dict[str, Any] = {}
        copies = []
        for entry in parts(node):
            name, body = self._key(entry), parts(entry)[1]
            if name in without:
                continue
            if body.type != "for_statement":
                made[name] = self.value(body)
                continue
            inner, count, names = self.loop(body, f"'{name}'")
            with self.bound(names):
                copies.append({"name": name, "count": f"[{count}]", "input": self.value(inner)})
        return {"copy": copies, **made} if copies else made

    def _key(self, entry: Node) -> str:
        name = parts(entry)[0]
        return f"[{self._text(name)}]" if name.type == "string" and _interpolated(name) else key(entry)

    def _created(self, node: Node) -> str:
        pairs = [(key(entry), self.text(parts(entry)[1])) for entry in parts(node)]
        return f"createObject({', '.join(f'{quoted(name)}, {value}' for name, value in pairs)})"

    def _text(self, node: Node) -> str:
        """A text: as it is, or by format()."""
        form, values = "", list[str]()
        for piece in node.children:
            if piece.type == "interpolation":
                form += f"{{{len(values)}}}"
                values.append(self.text(parts(piece)[0]))
            elif piece.type != "'":
                plain = unescaped(piece)
                form += plain.replace("{", "{{").replace("}", "}}") if _interpolated(node) else plain
        return f"format({', '.join([quoted(form), *values])})" if values else quoted(form)

    def _call(self, node: Node) -> str:
        name, arguments = parts(node)
        called = text(name)
        if called not in FUNCTIONS:
            raise self.file.trouble(node, f"the function '{called}' is not known here")
        if called.startswith("load"):
            return self._load(node, called, str(literal(parts(arguments)[0])))
        if called in _AT_DEPLOYMENT:
            self._note(at_deployment=True)
        return f"{called}({self._list(parts(arguments))})"

    def _load(self, node: Node, called: str, name: str) -> str:
        path = self.file.path.parent / name
        if not path.is_file():
            raise self.file.trouble(node, f"there is no file '{name}'")
        content = path.read_text(encoding="utf-8")
        label = f"$fxv#{len(self.loaded)}"
        self.loaded[label] = json.loads(content) if called == "loadJsonContent" else content
        return f"variables('{label}')"

    def _path(self, node: Node) -> str:
        """A name and what is reached from it."""
        steps: list[Node] = []
        base = node
        while base.type in ("member_expression", "subscript_expression"):
            base, step = parts(base)
            steps.insert(0, step)
        if base.type.endswith("ary_expression"):
            # tree-sitter's grammar takes `a ? b : c.d` for `(a ? b : c).d`.
            raise self.file.trouble(node, "put what stands behind the operator into parentheses")
        if base.type != "identifier":
            return self.text(base) + "".join(map(self._step, steps))
        path = []
        for step in steps:
            if step.type != "property_identifier":
                break
            path.append(text(step))
        try:
            said, taken, at_deployment = self.symbol(base).member(path)
        except NoSuchMemberError as error:
            raise self.file.trouble(node, str(error)) from error
        self._note(at_deployment=at_deployment)
        return said + "".join(map(self._step, steps[taken:]))

    def _step(self, step: Node) -> str:
        return f".{text(step)}" if step.type == "property_identifier" else f"[{self.text(step)}]"

    def symbol(self, node: Node) -> Symbol:
        """What a name means; noted as used."""
        name = text(node)
        if name not in self.symbols:
            raise self.file.trouble(node, f"'{name}' is not declared")
        symbol = self.symbols[name]
        for watched in self._watched:
            watched.names.add(name)
            watched.uses |= symbol.uses
        return symbol

    def _note(self, *, at_deployment: bool) -> None:
        for watched in self._watched:
            watched.at_deployment |= at_deployment


def quoted(plain: str) -> str:
    """A text in an expression."""
    return "'" + plain.replace("'", "''") + "'"


def _interpolated(node: Node) -> bool:
    return any(one.type == "interpolation" for one in node.children)
