"""What a name in a Bicep file stands for, and how ARM writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

DEPLOYMENTS, DEPLOYMENTS_VERSION = "Microsoft.Resources/deployments", "2022-09-01"


class NoSuchMemberError(Exception):
    """The symbol has nothing of that name."""


class Symbol(Protocol):
    """A name's meaning. `uses`: the resources that must be there first."""

    @property
    def kind(self) -> str | None: ...
    @property
    def uses(self) -> frozenset[str]: ...

    def member(self, path: Sequence[str]) -> tuple[str, int, bool]:
        """The expression for the symbol or, along `path`, for something in it; how many of the path's names
        it has taken; and whether it is known only while deploying. Raises NoSuchMemberError."""
        ...


@dataclass(frozen=True)
class Value:
    """A parameter, a variable or a loop's item: an expression as it is."""

    text: str
    kind: str | None = None
    uses: frozenset[str] = frozenset()

    def member(self, path: Sequence[str]) -> tuple[str, int, bool]:
        """The expression; members are ARM's own business."""
        return self.text, 0, False


@dataclass(frozen=True)
class Resource:
    """A resource, also an existing one. `names` are the expressions of its name's segments; `at` is the
    expression of what it extends."""

    symbol: str
    type: str
    version: str
    names: tuple[str, ...]
    at: str | None = None
    existing: bool = False
    loop: bool = False
    of_subscription: bool = False
    kind: str | None = None
    uses: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def id(self) -> str:
        """The expression of its id."""
        names = ", ".join((f"'{self.type}'", *self.names))
        if self.at is not None:
            return f"extensionResourceId({self.at}, {names})"
        return f"{'subscriptionResourceId' if self.of_subscription else 'resourceId'}({names})"

    def member(self, path: Sequence[str]) -> tuple[str, int, bool]:
        """id, name, type and apiVersion are known beforehand; all else is asked of the resource."""
        if self.loop:
            raise NoSuchMemberError("a member of a resource in a loop is not used here")
        known = {
            "id": self.id,
            "name": self.names[-1],
            "type": f"'{self.type}'",
            "apiVersion": f"'{self.version}'",
        }
        if not path:
            raise NoSuchMemberError("a resource as a whole is not used here")
        if path[0] in known:
            return known[path[0]], 1, False
        if path[0] == "properties":
            return f"reference({self.id}, '{self.version}')", 1, True
        return f"reference({self.id}, '{self.version}', 'full')", 0, True


@dataclass(frozen=True)
class Module:
    """A nested deployment. `outputs` are those of its template, with their types; `group` is the expression
    of the resource group that it is deployed to, where that is another."""

    symbol: str
    name: str
    outputs: Mapping[str, str]
    group: str | None = None
    loop: bool = False
    kind: str | None = None
    uses: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def id(self) -> str:
        """The expression of the nested deployment's id."""
        if self.group is None:
            return f"resourceId('{DEPLOYMENTS}', {self.name})"
        form = "'/subscriptions/{0}/resourceGroups/{1}'"
        group = f"format({form}, subscription().subscriptionId, {self.group})"
        return f"extensionResourceId({group}, '{DEPLOYMENTS}', {self.name})"

    def member(self, path: Sequence[str]) -> tuple[str, int, bool]:
        """Its outputs."""
        if len(path) < 2 or path[0] != "outputs" or self.loop:
            raise NoSuchMemberError("of a module only .outputs.<name> is used here")
        if path[1] not in self.outputs:
            raise NoSuchMemberError(f"the module has no output '{path[1]}'")
        return f"reference({self.id}, '{DEPLOYMENTS_VERSION}').outputs.{path[1]}.value", 2, True
