"""What a card shows of several views: the newest says how the work stands, also where a vendor tells no
times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.nouns.cards import Announced, Card, Sighting
from shared.nouns.detections import Channel, Detection, Severity, Status, instant_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(minute: int) -> str:
    """So many minutes after noon."""
    return instant_of(NOON + timedelta(minutes=minute))


def view(
    vendor: str,
    status: Status,
    *,
    received: int,
    updated: int | None = None,
    channel: Channel = Channel.poll,
    severity: Severity = Severity.medium,
) -> Sighting:
    """A product's view, created at noon."""
    detection = Detection(
        native_id="a",
        title="t",
        status=status,
        severity=severity,
        created=at(0),
        updated=None if updated is None else at(updated),
    )
    return Sighting.of(detection, {}, at(received), by=vendor, vendor=vendor, channel=channel)


def card(first: Sighting, *others: Sighting) -> Card:
    """A card that has had these views, one after the other."""
    announced = Announced(number=1, reason="first_sight", severity=Severity.medium, by="b")
    made = Card(id="c", scope="t", sightings=(first,), announced=announced, changed=at(0))
    for seen in others:
        made = made.with_sighting(seen, at(0))
    return made


RESOLVED = view("defender_endpoint", Status.resolved, received=31, updated=30)
TIMELESS = view("defender_for_cloud", Status.active, received=60)


@pytest.mark.parametrize("order", [(RESOLVED, TIMELESS), (TIMELESS, RESOLVED)])
def test_an_older_copy_without_times_undoes_nothing_because_it_is_read_later(
    order: tuple[Sighting, Sighting],
) -> None:
    """It says what the alert said when it was made."""
    assert card(*order).detection.status is Status.resolved


def test_what_a_vendor_without_times_says_anew_counts_from_when_it_was_read() -> None:
    """It was one thing before, and is another now: that happened in between."""
    dismissed = view("defender_for_cloud", Status.dismissed, received=90)
    still = view("defender_for_cloud", Status.dismissed, received=120, severity=Severity.medium)
    reopened = view("defender_endpoint", Status.in_progress, received=101, updated=100)
    assert card(RESOLVED, TIMELESS, dismissed).detection.status is Status.dismissed
    assert card(RESOLVED, TIMELESS, dismissed, still, reopened).detection.status is Status.in_progress


def test_of_one_vendors_views_the_later_reading_counts() -> None:
    """A webhook's `New` of the beginning that comes once more reopens nothing that a poll has seen closed."""
    event = view("defender_for_cloud", Status.active, received=1, updated=0, channel=Channel.webhook)
    closed = view("defender_for_cloud", Status.resolved, received=20)
    again = view("defender_for_cloud", Status.active, received=40, updated=0, channel=Channel.webhook)
    assert card(event, closed, again).detection.status is Status.resolved


def test_an_unknown_severity_hides_no_known_one() -> None:
    """The newest that says one counts."""
    unknown = view("graph_security", Status.active, received=5, updated=5, severity=Severity.unknown)
    assert card(TIMELESS, unknown).detection.severity is Severity.medium
