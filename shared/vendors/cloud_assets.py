"""What a Defender for Cloud alert attacks: cloud resources first, then machines and accounts, each once.

Only what every dialect carries decides, so that the same alert names the same assets however it came. ARM
ids are shown as written and compared without regard to case: Azure itself writes them in both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared.nouns.detections import Asset, AssetKind
from shared.vendors.cloud_entities import Entities, last_segment
from shared.vendors.loose_json import each, fields, text

_ARM_TYPE = re.compile(r"/providers/([^/]+/[^/]+)(?:/[^/]+)?/?$", re.IGNORECASE)
_NO_ID = re.compile(r"^[0-]*$")  # sample alerts fill ids with zeros


def assets_of(known: Mapping[str, Any], entities: Entities) -> tuple[Asset, ...]:
    """The assets; the one that the alert calls compromised comes first. `known` has lower-case names."""
    found: dict[str, Asset] = {}
    names: set[str] = set()
    for asset in (*_resources(known), *_from_entities(entities)):
        # A virtual machine is a resource and a host; one of the two is enough.
        if asset.kind is not AssetKind.machine or asset.name.lower() not in names:
            found.setdefault((asset.id or asset.name).lower(), asset)
            names.add(asset.name.lower())
    compromised = text(known.get("compromisedentity"))
    if compromised and not found:
        return (resource_of(compromised),)
    first = (last_segment(compromised) or "").lower()
    return tuple(sorted(found.values(), key=lambda asset: asset.name.lower() != first))


def _resources(known: Mapping[str, Any]) -> Iterator[Asset]:
    ids = [text(fields(row).get("azureresourceid")) for row in each(known.get("resourceidentifiers"))]
    if not any(ids):  # events name the resource a second time, ARM does not: it only fills a gap
        ids = [text(known.get("azureresourceid"))]
    yield from (resource_of(arm_id) for arm_id in ids if arm_id)


def resource_of(arm_id: str) -> Asset:
    """A cloud resource by its ARM id, or by the name that stands in its place."""
    kind = _ARM_TYPE.search(arm_id)
    return Asset(
        kind=AssetKind.cloud_resource,
        name=last_segment(arm_id) or arm_id,
        id=arm_id if "/" in arm_id else None,
        details={"resourceType": kind[1]} if kind else {},
    )


def _from_entities(entities: Entities) -> Iterator[Asset]:
    makers = {
        "host": (AssetKind.machine, ("azureid", "omsagentid")),
        "account": (AssetKind.user, ("sid", "aaduserid")),
        "gcp-resource": (AssetKind.cloud_resource, ()),
        "aws-resource": (AssetKind.cloud_resource, ()),
    }
    for entity, name in entities.said():
        kind, id_fields = makers.get((text(entity.get("type")) or "").lower(), (None, ()))
        if kind and name and not _NO_ID.match(name):
            ids = (text(entity.get(field)) for field in id_fields)
            known_id = next((found for found in ids if found and not _NO_ID.match(found)), None)
            yield Asset(kind=kind, name=name, id=known_id)
