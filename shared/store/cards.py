"""A card as a table row: list columns for the feed, the whole as a compressed document, in a blob when it
is large."""

from __future__ import annotations

from dataclasses import dataclass

from shared.nouns.cards import Card
from shared.nouns.detections import Instant, Severity, Status, unique
from shared.store.documents import document_columns, read_document
from shared.store.keys import week_of
from shared.store.stores import Blobs, Row, Value

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
    """The row of a card. A document that is too large for it is written to a blob first."""
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
        **document_columns(card.model_dump_json(), blobs, card.id),
    }
    return Row(week_of(card.id), card.id, values, etag)


def tombstone(row: Row, into: str, changed: Instant) -> Row:
    """What stays in the place of a card that was joined with another: no filter and no list finds it."""
    return Row(row.partition, row.key, {"into": into, "changed": changed}, row.etag)


def joined_into(row: Row) -> str | None:
    """The id of the card that this one was joined with, if it is not a card any more."""
    into = row.values.get("into")
    return str(into) if into else None


def card_of(row: Row, blobs: Blobs) -> Card:
    """The card of a row. Raises Unreadable when its document is missing or damaged."""
    return read_document(Card, row, blobs, f"detection {row.key}")


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
