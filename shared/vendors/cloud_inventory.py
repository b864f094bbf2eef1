"""What Defender for Cloud says of a subscription: assessments, the secure score and its controls.

Promise: page by page; a row without an id is left out, everything else that is missing or unknown is kept or
left out, never an error. Source: the ARM reference of Microsoft.Security (`secureScores`,
`secureScoreControls`, `assessments`, `assessmentMetadata`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from shared.errors import BadRequest, PermissionMissing
from shared.nouns.detections import Severity
from shared.nouns.inventory import InventoryKind, Item
from shared.vendors.alert_words import severity_of
from shared.vendors.cloud_walk import WHO, path_of
from shared.vendors.listing import pages
from shared.vendors.loose_json import fields, https_link, leftovers, number, text, when
from shared.vendors.vendor import Connection

KINDS = (InventoryKind.assessment, InventoryKind.score, InventoryKind.control)
_SCORES = {"api-version": "2020-01-01"}
_ASSESSMENTS = {"api-version": "2021-06-01"}

_log = logging.getLogger(__name__)


def inventory(connection: Connection, kind: InventoryKind) -> Iterator[tuple[Item, ...]]:
    """Everything of one kind, page by page. Raises what `Api.get` raises, BadRequest for a kind that this
    product does not have."""
    if kind is InventoryKind.score:
        return _scores(connection, kind, "secureScores", _SCORES)
    if kind is InventoryKind.control:
        return _scores(connection, kind, "secureScoreControls", {**_SCORES, "$expand": "definition"})
    if kind is InventoryKind.assessment:
        return _assessments(connection)
    raise BadRequest(f"{WHO} has no inventory of kind '{kind}'.")


def _scores(
    connection: Connection, kind: InventoryKind, name: str, params: Mapping[str, str]
) -> Iterator[tuple[Item, ...]]:
    for rows in pages(connection.api, path_of(connection, name), params, who=WHO):
        yield tuple(item for row in rows if (item := score(row, kind)) is not None)


def _assessments(connection: Connection) -> Iterator[tuple[Item, ...]]:
    """The list has the severity only sometimes; the metadata, read when it is missed first, always."""
    known: dict[str, Mapping[str, Any]] | None = None
    for rows in pages(connection.api, path_of(connection, "assessments"), _ASSESSMENTS, who=WHO):
        items = [item for row in rows if (item := assessment(row)) is not None]
        if known is None and any(item.severity is None for item in items):
            known = _metadata(connection)
        yield tuple(_with_severity(item, known or {}) for item in items)


def _metadata(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """Each kind of assessment, by the name that its assessments' ids end with; none where a role of the
    customer's own allows assessments alone."""
    listed = pages(connection.api, path_of(connection, "assessmentMetadata"), _ASSESSMENTS, who=WHO)
    try:
        rows = [fields(row) for page in listed for row in page]
    except PermissionMissing as error:
        _log.warning("assessments are shown without their severities: %s", error)
        return {}
    return {name.lower(): fields(row.get("properties")) for row in rows if (name := text(row.get("name")))}


def _with_severity(item: Item, metadata: Mapping[str, Mapping[str, Any]]) -> Item:
    if item.severity is not None:
        return item
    found = metadata.get(item.id.rpartition("/")[2].lower(), {})
    return item.model_copy(update={"severity": _severity(found.get("severity"))})


def score(row: Any, kind: InventoryKind) -> Item | None:
    """The secure score, or one of the controls that it is made of."""
    known = fields(row)
    properties, row_id = fields(known.get("properties")), text(known.get("id"))
    if row_id is None:
        return None
    points = fields(properties.get("score"))
    return Item(
        kind=kind,
        id=row_id,
        name=text(properties.get("displayname")) or text(known.get("name")) or row_id,
        score=number(points.get("current")),
        maximum=number(points.get("max")),
        properties={
            **leftovers(known.get("properties"), ("displayname", "score")),
            **leftovers(properties.get("score"), ("current", "max")),
        },
    )


def assessment(row: Any) -> Item | None:
    """What was found about one resource. Its status is the vendor's (Healthy, Unhealthy, NotApplicable)."""
    known = fields(row)
    properties, row_id = fields(known.get("properties")), text(known.get("id"))
    if row_id is None:
        return None
    status, metadata = fields(properties.get("status")), fields(properties.get("metadata"))
    return Item(
        kind=InventoryKind.assessment,
        id=row_id,
        name=text(properties.get("displayname")) or text(metadata.get("displayname")) or row_id,
        status=text(status.get("code")),
        severity=_severity(metadata.get("severity")),
        updated=when(status.get("statuschangedate")) or when(status.get("firstevaluationdate")),
        link=_portal_link(fields(properties.get("links")).get("azureportal")),
        properties=leftovers(known.get("properties"), ("displayname", "links")),
    )


def _portal_link(value: object) -> str | None:
    """The service writes the address without its scheme."""
    address = text(value)
    return https_link(address if address is None or "://" in address else f"https://{address}")


def _severity(value: object) -> Severity | None:
    word = text(value)
    return None if word is None else severity_of(word)
