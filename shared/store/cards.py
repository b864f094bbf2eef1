"""A card as a table row: list columns for the feed, the whole as a compressed document, in a blob when it
is large."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import Any

from shared.errors import Unreadable
from shared.nouns.cards import Card
from shared.nouns.detections import Instant, Severity, Status, unique
from shared.store.keys import week_of
from shared.store.stores import Blobs, Container, Row, Value

_INLINE = 60 * 1024
LIST_COLUMNS = (
    "into",
    "vendor",
    "vendors",
    "configurations",
    "title",
    "severity",
    "status",
    "asset",
    "created",
    "changed",
    "first_seen",
    "sightings",
)


@dataclass(frozen=True)
class CardSummary:
    """What a list shows of a card. Times are Instants; `vendors` and `configuration_ids` are of all its
    sightings."""

    id: str
    vendor: str
    vendors: tuple[str, ...]
    configuration_ids: tuple[str, ...]
    title: str
    severity: Severity
    status: Status
    asset: str | None
    created: Instant | None
    changed: Instant
    first_seen: Instant
    number_of_sightings: int


def card_row(card: Card, blobs: Blobs, etag: str = "") -> Row:
    """The row of a card. A document over 60 KiB is written to a blob first, under a name made of its
    content."""
    document = zlib.compress(card.model_dump_json().encode(), 1)
    shown = card.detection
    values: dict[str, Value] = {
        "vendor": card.vendor,
        "vendors": ",".join(unique(s.vendor for s in card.sightings)),
        "configurations": ",".join(unique(s.configuration_id for s in card.sightings)),
        "title": shown.title[:1000],
        "severity": shown.severity.value,
        "status": shown.status.value,
        "asset": (shown.main_asset or "")[:500],
        "created": shown.created or "",
        "changed": card.changed,
        "first_seen": card.first_seen,
        "sightings": len(card.sightings),
    }
    if len(document) <= _INLINE:
        values["document"] = document
    else:
        name = f"{card.id}/{hashlib.sha256(document).hexdigest()[:16]}"
        blobs.put(Container.documents, name, document)
        values["document_blob"] = name
    return Row(week_of(card.id), card.id, values, etag)


def tombstone(row: Row, into: str, changed: Instant) -> Row:
    """What stays in the place of a card that was joined with another: no filter and no list finds it."""
    return Row(row.partition, row.key, {"into": into, "changed": changed}, row.etag)


def joined_into(row: Row) -> str | None:
    """The id of the card that this one was joined with, if it is not a card any more."""
    into = row.values.get("into")
    return str(into) if into else None


def document_blob(row: Row) -> str | None:
    """The name of the blob that holds the row's document, if it is in one."""
    name = row.values.get("document_blob")
    return str(name) if name else None


def card_of(row: Row, blobs: Blobs) -> Card:
    """The card of a row. Raises Unreadable when its document is missing or damaged."""
    name = document_blob(row)
    document: Any = blobs.get(Container.documents, name) if name else row.values.get("document")
    if not isinstance(document, bytes):
        raise Unreadable(f"The document of detection {row.key} is missing from storage.")
    try:
        return Card.model_validate_json(zlib.decompress(document))
    except (zlib.error, ValueError) as error:
        raise Unreadable(f"The document of detection {row.key} cannot be read; was it damaged?") from error


def summary_of(row: Row) -> CardSummary:
    """What a list shows, from the list columns alone."""
    text = {name: str(row.values.get(name, "")) for name in LIST_COLUMNS}
    return CardSummary(
        id=row.key,
        vendor=text["vendor"],
        vendors=tuple(text["vendors"].split(",")),
        configuration_ids=tuple(text["configurations"].split(",")),
        title=text["title"],
        severity=Severity(text["severity"]),
        status=Status(text["status"]),
        asset=text["asset"] or None,
        created=text["created"] or None,
        changed=text["changed"],
        first_seen=text["first_seen"],
        number_of_sightings=int(text["sightings"] or 0),
    )
