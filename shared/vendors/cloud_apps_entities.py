"""The entities of a Defender for Cloud Apps alert: each in one line, and which of them are attacked.

An entity is `{type, id, label, ...}`; accounts also have their sign-in name (`pa`) and address (`em`). Types
that are not known keep their own word in lower case. Source: payloads of the product's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.nouns.detections import Asset, AssetKind, Evidence
from shared.vendors.loose_json import each, fields, line, portable, text

_KINDS = {"account": "user"}
# In the order in which they matter to an analyst: who, on what, in which app.
_ASSETS = {
    "account": AssetKind.user,
    "user": AssetKind.user,
    "device": AssetKind.machine,
    "service": AssetKind.cloud_resource,
}
_ORDER = list(_ASSETS)


def evidence_of(rows: object) -> tuple[Evidence, ...]:
    """Every entity, in the vendor's order. Rows that are no objects are left out: they say nothing."""
    return tuple(_evidence(row) for row in each(rows) if isinstance(row, Mapping) and row)


def assets_of(rows: object) -> tuple[Asset, ...]:
    """Accounts, devices and apps, each once; among equals those that the alert comes from first."""
    entities = [fields(row) for row in each(rows)]
    entities.sort(key=lambda entity: (_rank(entity), _role(entity) != "source"))
    found: dict[tuple[AssetKind, str], Asset] = {}
    for entity in entities:
        kind, name = _ASSETS.get(_type(entity)), _name(entity)
        if kind and name:
            found.setdefault((kind, name.lower()), Asset(kind=kind, name=name, id=_id(entity)))
    return tuple(found.values())


def _evidence(row: Mapping[str, Any]) -> Evidence:
    entity = fields(row)
    own_word = _type(entity) or "unknown"
    kind = _KINDS.get(own_word, own_word)
    return Evidence(kind=kind, summary=line(_name(entity)) or kind, details=portable(row))


def _type(entity: Mapping[str, Any]) -> str:
    return (text(entity.get("type")) or "").lower()


def _role(entity: Mapping[str, Any]) -> str:
    return (text(entity.get("entityrole")) or "").lower()


def _rank(entity: Mapping[str, Any]) -> int:
    kind = _type(entity)
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _name(entity: Mapping[str, Any]) -> str | None:
    return next((found for name in ("pa", "em", "label", "id") if (found := text(entity.get(name)))), None)


def _id(entity: Mapping[str, Any]) -> str | None:
    return next((found for name in ("pa", "id", "em") if (found := text(entity.get(name)))), None)
