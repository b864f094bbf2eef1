"""Reads a Bicep file into its declarations.

The grammar is tree-sitter's; what it cannot parse is refused with the line. Here is no meaning yet: what
symbols stand for is the business of expressions.py and template.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import tree_sitter
import tree_sitter_bicep
from tree_sitter import Node

_TYPED = re.compile(r"([\w.]+(?:/\w+)+)@(\d{4}-\d\d-\d\d(?:-preview)?)")


class NotBicepError(Exception):
    """The file is not Bicep, or not the part of Bicep that is understood here; the text says where and
    what."""


@dataclass(frozen=True)
class Declaration:
    """One `param`, `var`, `resource`, `module`, `output` or `metadata`. `body` is what stands behind the
    equals sign."""

    kind: str
    name: str
    node: Node
    body: Node | None
    decorators: Mapping[str, Node | None]
    type: str = ""
    version: str = ""
    existing: bool = False


@dataclass(frozen=True)
class BicepFile:
    """A parsed file."""

    path: Path
    scope: str
    declarations: tuple[Declaration, ...] = field(repr=False)

    def of(self, kind: str) -> list[Declaration]:
        """The declarations of one kind, in the file's order."""
        return [one for one in self.declarations if one.kind == kind]

    def trouble(self, node: Node, words: str) -> NotBicepError:
        """An error that says where."""
        return NotBicepError(f"{self.path.name}:{node.start_point.row + 1}: {words}")


def text(node: Node) -> str:
    """The source of a node."""
    return (node.text or b"").decode()


def parts(node: Node) -> list[Node]:
    """Its children that mean something: no comments, no punctuation."""
    return [c for c in node.named_children if c.type not in ("comment", "diagnostic_comment")]


def read_bicep(path: Path) -> BicepFile:
    """Parse a file. Raises NotBicepError."""
    source = path.read_bytes()
    root = tree_sitter.Parser(_language()).parse(source).root_node
    file = BicepFile(path, "resourceGroup", ())
    for broken in _broken(root):
        raise file.trouble(broken, "this is not Bicep")
    scope, declarations, decorators = "resourceGroup", [], dict[str, Node | None]()
    for node in parts(root):
        if node.type == "target_scope_assignment":
            scope = text(parts(node)[-1]).strip("'")
        elif node.type == "decorators":
            decorators = dict(_decorator(one) for one in parts(node))
        else:
            declarations.append(_declaration(file, node, decorators))
            decorators = {}
    return BicepFile(path, scope, tuple(declarations))


def literal(node: Node | None) -> Any:
    """The value of a literal: text, number, truth, or a list of them. Raises ValueError for anything else."""
    if node is None:
        raise ValueError("there is nothing")
    match node.type:
        case "string":
            if any(one.type == "interpolation" for one in node.children):
                raise ValueError("an interpolated text is no literal")
            return "".join(unescaped(one) for one in node.children if one.type != "'")
        case "number":
            return int(text(node))
        case "boolean":
            return text(node) == "true"
        case "array":
            return [literal(one) for one in parts(node)]
        case "object":
            return {key(one): literal(parts(one)[1]) for one in parts(node)}
    raise ValueError(f"{text(node)} is no literal")


def key(entry: Node) -> str:
    """The name of an object's property."""
    name = parts(entry)[0]
    return str(literal(name)) if name.type == "string" else text(name)


def unescaped(piece: Node) -> str:
    """A piece of a text, with its escapes resolved."""
    if piece.type != "escape_sequence":
        return text(piece)
    escapes = {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\$": "$"}
    return escapes[text(piece)]


def skips(node: Node) -> list[str]:
    """The comments in a declaration that explain to checkov why a check does not apply."""
    found = re.findall(r"^\s*//\s*(checkov:skip=.*)$", text(node), re.MULTILINE)
    return [one.strip() for one in found]


@cache
def _language() -> tree_sitter.Language:
    return tree_sitter.Language(tree_sitter_bicep.language())


def _broken(node: Node) -> Iterator[Node]:
    if node.type == "ERROR" or node.is_missing:
        yield node
    elif node.has_error:
        for child in node.children:
            yield from _broken(child)


def _decorator(node: Node) -> tuple[str, Node | None]:
    name, arguments = parts(parts(node)[0])
    inside = parts(arguments)
    return text(name), inside[0] if inside else None


_KINDS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
    "metadata_declaration": "metadata",
}


def _declaration(file: BicepFile, node: Node, decorators: Mapping[str, Node | None]) -> Declaration:
    kind = _KINDS.get(node.type)
    if kind is None:
        raise file.trouble(node, f"{node.type} is not used here")
    inside = parts(node)
    name, rest = text(inside[0]), inside[1:]
    type_, version, existing = "", "", any(c.type == "existing" for c in node.children)
    if kind in ("param", "output"):
        type_, rest = text(rest[0]), rest[1:]
    elif kind in ("resource", "module"):
        type_, rest = str(literal(rest[0])), rest[1:]
    if kind == "resource":
        typed = _TYPED.fullmatch(type_)
        if typed is None:
            raise file.trouble(node, f"'{type_}' is not a type with a version")
        type_, version = typed.groups()
    body = rest[0] if rest else None
    return Declaration(kind, name, node, body, decorators, type_, version, existing)
