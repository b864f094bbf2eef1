"""Which HTTP function a request is for: ASP.NET route templates as the Functions host uses them.

`{x}`, `{x?}`, `{x=default}`, `{*rest}`, constraints such as `{x:int}`, texts mixed with parameters in one
segment. Upper and lower case are the same, a slash at the end makes no difference. Where several match, the
more literal one wins. A method that a route does not name is no match, so it is a 404, never a 405.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from devhost.refused import Refused

_PARAMETER = re.compile(
    r"\{(\*{0,2})([^{}:=?]+)((?::[A-Za-z]+(?:\((?:[^()]|\([^()]*\))*\))?)*)(=[^}]*)?(\??)\}"
)
_CONSTRAINT = re.compile(r":([A-Za-z]+)(?:\(((?:[^()]|\([^()]*\))*)\))?")
_GUID = re.compile(r"\{?[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}\}?")
_Check = Callable[[str], bool]


def _integer(text: str, bits: int = 32) -> bool:
    return bool(re.fullmatch(r"[+-]?\d{1,19}", text)) and -(1 << bits - 1) <= int(text) < 1 << bits - 1


def _real(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text))


_CHECKS: dict[str, Callable[[str], _Check]] = {
    "int": lambda _: _integer,
    "long": lambda _: lambda text: _integer(text, 64),
    "bool": lambda _: lambda text: text.lower() in ("true", "false"),
    "alpha": lambda _: lambda text: bool(re.fullmatch(r"[A-Za-z]*", text)),
    "guid": lambda _: lambda text: bool(_GUID.fullmatch(text)),
    "decimal": lambda _: _real,
    "double": lambda _: _real,
    "float": lambda _: _real,
    "minlength": lambda n: lambda text: len(text) >= int(n),
    "maxlength": lambda n: lambda text: len(text) <= int(n),
    "length": lambda n: lambda text: int(n.split(",")[0]) <= len(text) <= int(n.split(",")[-1]),
    "min": lambda n: lambda text: _integer(text, 64) and int(text) >= int(n),
    "max": lambda n: lambda text: _integer(text, 64) and int(text) <= int(n),
    "range": lambda n: (
        lambda text: _integer(text, 64) and int(n.split(",")[0]) <= int(text) <= int(n.split(",")[1])
    ),
    "regex": lambda pattern: lambda text: bool(re.search(pattern, text, re.IGNORECASE)),
    "required": lambda _: bool,
}


@dataclass(frozen=True)
class Parameter:
    """One `{...}` of a template."""

    name: str
    checks: tuple[_Check, ...]
    default: str | None


@dataclass(frozen=True)
class Route:
    """One function's template, ready to match. `rank` sorts: smaller is more literal. `methods` None: all."""

    template: str
    methods: frozenset[str] | None
    pattern: re.Pattern[str] = field(repr=False)
    parameters: tuple[Parameter, ...]
    rank: tuple[int, ...]

    @classmethod
    def of(cls, template: str, methods: Sequence[str] | None = None) -> Route:
        """Read a template, the prefix included. Raises Refused for one that makes no sense."""
        parameters: list[Parameter] = []
        pieces, rank = [], []
        for segment in filter(None, template.strip("/").split("/")):
            piece, weight = _segment(segment, template, parameters)
            pieces.append(piece)
            rank.append(weight)
        pattern = re.compile("".join(pieces) + "/?", re.IGNORECASE | re.DOTALL)
        named = frozenset(m.upper() for m in methods) if methods else None
        return cls(template, named, pattern, tuple(parameters), tuple(rank))

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The route's values if the request is for it, else None. `path` as it came, still
        percent-encoded."""
        if self.methods is not None and method.upper() not in self.methods:
            return None
        found = self.pattern.fullmatch("/" + decoded(path).lstrip("/"))
        if not found:
            return None
        values: dict[str, str] = {}
        for parameter, value in zip(self.parameters, found.groups(), strict=True):
            if not value:
                if parameter.default is not None:
                    values[parameter.name] = parameter.default
            elif all(check(value) for check in parameter.checks):
                values[parameter.name] = value
            else:
                return None
        return values


def decoded(path: str) -> str:
    """The path without percent signs, but for an encoded slash, which the host leaves as it is."""
    return "%2F".join(unquote(part) for part in re.split("%2[fF]", path))


def _segment(text: str, template: str, parameters: list[Parameter]) -> tuple[str, int]:
    found = list(_PARAMETER.finditer(text))
    if "{" in _PARAMETER.sub("", text) or "}" in _PARAMETER.sub("", text):
        raise Refused(f"The route '{template}' is not a route template.")
    if not found:
        return "/" + re.escape(text), 1
    read = [_parameter(one, template) for one in found]
    parameters.extend(read)
    constrained = bool(read[0].checks)
    if len(found) == 1 and found[0].group() == text:
        stars, optional = found[0][1], found[0][5] or read[0].default is not None
        if stars:
            return "(?:/(.*))?", 4 if constrained else 5
        return ("(?:/([^/]+))?" if optional else "/([^/]+)"), 2 if constrained else 3
    literals = _PARAMETER.sub("\0", text).split("\0")
    return "/" + "([^/]+?)".join(map(re.escape, literals)), 2


def _parameter(found: re.Match[str], template: str) -> Parameter:
    checks = []
    for constraint in _CONSTRAINT.finditer(found[3]):
        make = _CHECKS.get(constraint[1].lower())
        if make is None:
            raise Refused(
                f"The route '{template}' has a constraint '{constraint[1]}' that is not supported here."
            )
        checks.append(make(constraint[2] or ""))
    return Parameter(found[2].strip(), tuple(checks), found[4][1:] if found[4] else None)
