"""Compares the resources of an ARM template with the types that Azure's providers publish.

The types are those of the public repository Azure/bicep-types-az (its folder `generated`), which the Bicep
compiler uses, too. They are not kept here: the test that uses this is skipped unless POCKETSOC_BICEP_TYPES
names a copy. What is an expression fits every type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_REQUIRED, _READ_ONLY = 1, 2
_OF_ARM = {
    "name",
    "type",
    "apiVersion",
    "copy",
    "condition",
    "dependsOn",
    "scope",
    "metadata",
    "resourceGroup",
}
_PLAIN = {"StringType": str, "IntegerType": int, "BooleanType": bool}


@dataclass(frozen=True)
class _Type:
    """A type in one of the files."""

    file: Path
    content: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.content["$type"])

    def follow(self, reference: Mapping[str, str]) -> _Type:
        """The type that a reference names."""
        name, _, number = reference["$ref"].partition("#/")
        file = (self.file.parent / name).resolve() if name else self.file
        return _Type(file, _read(file)[int(number)])


def resources_of(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every resource of a template, also those of nested deployments."""
    for one in template["resources"]:
        yield one
        properties = one.get("properties")
        if isinstance(properties, dict) and "template" in properties:
            yield from resources_of(properties["template"])


def complaints(template: Mapping[str, Any], types: Path) -> Iterator[str]:
    """What of a template does not fit the types in that folder."""
    index = _index(types)
    for one in resources_of(template):
        name = f"{one['type']}@{one['apiVersion']}"
        known = index.get(name.lower())
        if known is None:
            yield f"{name}: no such type"
        else:
            body = {key: value for key, value in one.items() if key not in _OF_ARM - {"name"}}
            yield from _compare(_of_name(known, one), body, name)


def _of_name(known: _Type, resource: Mapping[str, Any]) -> _Type:
    """The resource's body; of types with fixed names, the one of its name."""
    body = known.follow(known.content["body"])
    if body.kind != "DiscriminatedObjectType":
        return body
    own = str(resource["name"]).rstrip("]) ").rstrip("'").rpartition("'")[2]
    return body.follow(body.content["elements"][own])


def _compare(wanted: _Type, value: Any, place: str) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("[") and not value.startswith("[["):
        return
    if wanted.kind in ("ObjectType", "DiscriminatedObjectType"):
        yield from _compare_object(wanted, value, place)
    elif wanted.kind == "ArrayType":
        if not isinstance(value, list):
            yield f"{place}: must be a list"
            return
        for number, one in enumerate(value):
            yield from _compare(wanted.follow(wanted.content["itemType"]), one, f"{place}[{number}]")
    elif wanted.kind in _PLAIN:
        if value is not None and not isinstance(value, _PLAIN[wanted.kind]):
            yield f"{place}: must be {wanted.kind}"
    elif wanted.kind == "UnionType":
        elements = [wanted.follow(one) for one in wanted.content["elements"]]
        open_ = any(one.kind == "StringType" for one in elements)
        if not open_ and value not in [one.content.get("value") for one in elements]:
            yield f"{place}: {value} is none of the values"


def _compare_object(wanted: _Type, value: Any, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: must be an object"
        return
    properties = dict(wanted.content.get("properties") or wanted.content.get("baseProperties") or {})
    if wanted.kind == "DiscriminatedObjectType":
        chosen = value.get(wanted.content["discriminator"])
        if chosen not in wanted.content["elements"]:
            yield f"{place}: {chosen} is no kind of it"
            return
        wanted = wanted.follow(wanted.content["elements"][chosen])
        properties |= wanted.content["properties"]
    more = wanted.content.get("additionalProperties")
    copied = {one["name"] for one in value.get("copy", [])}
    for name, one in value.items():
        here = f"{place}.{name}"
        if name == "copy" or name.startswith("["):
            continue
        if name not in properties:
            if more is None:
                yield f"{here}: there is no such property"
            continue
        if properties[name]["flags"] & _READ_ONLY:
            yield f"{here}: is read-only"
        yield from _compare(wanted.follow(properties[name]["type"]), one, here)
    missing = [n for n, p in properties.items() if p["flags"] & _REQUIRED and n not in value.keys() | copied]
    yield from (f"{place}.{name}: is missing" for name in missing)


@cache
def _read(file: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
    return content


@cache
def _index(types: Path) -> dict[str, _Type]:
    """Every resource type that a template here may name, by its lower-case name with its version."""
    found = {}
    for file in sorted(types.rglob("types.json")):
        for one in _read(file.resolve()):
            if one["$type"] == "ResourceType":
                found[one["name"].lower()] = _Type(file.resolve(), one)
    return found
