"""The entities of a Defender for Cloud alert: each in one line, with the references between them resolved.

Entities carry `$id` and point to each other with `{"$ref": id}`. The ids are numbers within one page of the
list or one event, so the same alert has others each time: they must never reach what we keep. In some
events ids collide; then a reference means the definition nearest before it. References may form circles.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from shared.nouns.detections import Evidence
from shared.vendors.endpoint_evidence import full_path
from shared.vendors.loose_json import each, fields, line, portable, text

_KINDS = {"account": "user", "registry-key": "registry", "registry-value": "registry"}
_DEEPEST = 20
_LONGEST_CHAIN = 3
Look = Callable[[str], str | None]


def last_segment(path: str | None) -> str | None:
    """The name at the end of an ARM id."""
    return path.rstrip("/").rpartition("/")[2] or None if path else None


class Entities:
    """An alert's entities, in the vendor's order, each once."""

    def __init__(self, entities: object) -> None:
        given = [row for row in each(entities) if isinstance(row, Mapping) and row]
        self._definitions: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        for place, row in enumerate(given):
            for defined in _objects(row):
                if (name := text(defined.get("$id"))) is not None:
                    self._definitions.setdefault(name, []).append((place, defined))
        self._given = tuple(self._resolved(given))

    def said(self) -> Iterator[tuple[dict[str, Any], str | None]]:
        """Each entity's fields under lower-case names, and the entity in one line."""
        for place, row in self._given:
            yield fields(row), self._say(row, place)

    def evidence(self) -> tuple[Evidence, ...]:
        """One piece of evidence for each entity."""
        return tuple(
            Evidence(
                kind=kind_of(row),
                summary=self._say(row, place) or kind_of(row),
                details=portable(row, reference=partial(self._say_reference, place=place)),
            )
            for place, row in self._given
        )

    def words(self, name: str) -> str | None:
        """What a reference outside the entities means, in one line."""
        return self._say_reference(name, len(self._given))

    def _resolved(self, given: list[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
        seen = {id(row) for row in given}
        for place, row in enumerate(given):
            pointer = text(row.get("$ref"))
            if pointer is None:
                yield place, row
                continue
            target = self._target(pointer, place)
            # A bare reference to an entity of the list repeats it; to a nested one, it lifts it up.
            if target is not None and "$ref" not in target[1] and id(target[1]) not in seen:
                seen.add(id(target[1]))
                yield target

    def _target(self, name: str, place: int) -> tuple[int, Mapping[str, Any]] | None:
        found = self._definitions.get(name, [])
        after = bisect_right(found, place, key=lambda definition: definition[0])
        return found[max(after - 1, 0)] if found else None

    def _say_reference(self, name: str, place: int, chain: int = 0) -> str | None:
        target = self._target(name, place)
        return None if target is None else self._say(target[1], target[0], chain)

    def _say(self, entity: Mapping[str, Any], place: int, chain: int = 0) -> str | None:
        if chain > _LONGEST_CHAIN:
            return None
        if (pointer := text(entity.get("$ref"))) is not None:
            return self._say_reference(pointer, place, chain + 1)
        known = fields(entity)

        def look(name: str) -> str | None:
            value = known.get(name)
            return self._say(value, place, chain + 1) if isinstance(value, Mapping) else text(value)

        own_kind = (text(known.get("type")) or "").lower()
        return line(_SAYINGS.get(own_kind, _anything)(look) or _anything(look))


def kind_of(entity: Mapping[str, Any]) -> str:
    """Our word for the entity's type, or the vendor's own in lower case."""
    own_word = (text(fields(entity).get("type")) or "unknown").lower()
    return _KINDS.get(own_word, own_word)


def account_name(look: Look) -> str | None:
    """`DOMAIN\\name`, `name@suffix`, or whatever names the account."""
    name, domain, suffix = look("name"), look("ntdomain"), look("upnsuffix")
    if name and suffix:
        return f"{name}@{suffix}"
    if name and domain:
        return f"{domain}\\{name}"
    return name or look("displayname") or look("aaduserid") or look("sid")


def _objects(value: object, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The object and all objects in it, in the order of the text."""
    if depth >= _DEEPEST:
        return
    if isinstance(value, Mapping):
        yield value
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        if isinstance(part, Mapping | list):
            yield from _objects(part, depth + 1)


def _file(look: Look) -> str | None:
    return full_path(look("directory"), look("name"))


def _host(look: Look) -> str | None:
    return look("hostname") or look("netbiosname") or last_segment(look("azureid"))


def _process(look: Look) -> str | None:
    number = look("processid")
    return look("commandline") or look("imagefile") or (f"process {number}" if number else None)


def _connection(look: Look) -> str | None:
    ends = " → ".join(end for end in (look("sourceaddress"), look("destinationaddress")) if end)
    protocol = look("protocol")
    return f"{ends} ({protocol})" if ends and protocol else ends or protocol


def _malware(look: Look) -> str | None:
    name, category = look("name"), look("category")
    return f"{name} ({category})" if name and category else name or category


def _joined(separator: str, *names: str) -> Callable[[Look], str | None]:
    return lambda look: separator.join(part for part in map(look, names) if part) or None


def _anything(look: Look) -> str | None:
    return next((found for name in _NAMING if (found := look(name))), None)


_NAMING = (
    *("name", "displayname", "friendlyname", "address", "url", "domainname", "resourcename", "hostname"),
    *("imageid", "containerid", "value", "commandline", "image", "cloudresource", "resourceid", "id"),
)
_SAYINGS: Mapping[str, Callable[[Look], str | None]] = {
    "account": account_name,
    "azure-resource": lambda look: last_segment(look("resourceid")),
    "blob": lambda look: look("url") or look("name"),
    "file": _file,
    "filehash": _joined(" ", "algorithm", "value"),
    "host": _host,
    "malware": _malware,
    "network-connection": _connection,
    "process": _process,
    "registry-key": _joined("\\", "hive", "key"),
    "registry-value": _joined(" = ", "name", "value"),
}
