"""Incidents: each once for a tenant, whatever order views come in; lists that are exact and bounded."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import BadRequest
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Severity, Status, instant_of
from shared.nouns.incidents import Incident, IncidentView, KnownIncident
from shared.store.incident_list import IncidentList, IncidentQuery
from shared.store.incidents import Incidents
from shared.store.memory import MemoryBlobs, MemoryTables
from shared.store.stores import Blobs, Change, Row, Table, Tables

START = datetime(2026, 11, 20, 9, tzinfo=UTC)


def at(minutes: float) -> str:
    """A time of the day."""
    return instant_of(START + timedelta(minutes=minutes))


def configuration(id: str = "xdr-1", vendor: str = "defender_xdr", tenant: str = "tenant-a") -> Configuration:
    """One configured connection."""
    return Configuration(id=id, vendor=vendor, display_name=id, tenant_id=tenant)


SENTINEL = configuration("sentinel-1", "sentinel")


def incident(number: int = 437, minutes: float = 0, **more: Any) -> Incident:
    """One view of an incident as XDR gives it."""
    usual = {
        "native_id": str(number),
        "number": str(number),
        "title": f"Incident {number}",
        "severity": Severity.high,
        "created": at(0),
        "updated": at(minutes),
        "alert_ids": (f"da{number:08d}-dd4e-405c-8a3b-aa28596830dd_1",),
    }
    return Incident.model_validate(usual | more)


def copy_of(number: int = 437, minutes: float = 0, **more: Any) -> Incident:
    """The same incident as Sentinel gives it."""
    own = {"native_id": f"5e17{number:04d}-0000-4000-8000-000000000000", "description": "", "alert_ids": ()}
    return incident(number, minutes, **(own | more))


class Counted(MemoryTables):
    """Tables that count their calls."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.writes = 0

    def get(self, *place: Any) -> Row | None:
        self.reads += 1
        return super().get(*place)

    def scan(self, *place: Any, **more: Any) -> Any:
        self.reads += 1
        return super().scan(*place, **more)

    def write(self, table: str, changes: Any) -> list[str]:
        self.writes += 1
        return super().write(table, changes)


@pytest.fixture
def incidents(tables: Tables, blobs: Blobs) -> Incidents:
    """On memory and on Azurite."""
    return Incidents(tables=tables, blobs=blobs, clock=lambda: START + timedelta(hours=5))


def lines(tables: Tables, **query: Any) -> list[str]:
    """Titles of the whole list, page by page."""
    found, cursor = list[str](), None
    while True:
        page = IncidentList(tables=tables).page(IncidentQuery(**query), limit=3, cursor=cursor)
        found += [one.title for one in page.incidents]
        cursor = page.cursor
        if cursor is None:
            return found


def test_every_order_of_views_ends_with_the_same_incident(tables: Tables, blobs: Blobs) -> None:
    """Two products, two moments each; the newest view wins and an older copy never reopens it."""
    views = [
        (configuration(), incident(minutes=0)),
        (configuration(), incident(minutes=9, status=Status.resolved, title="Done")),
        (SENTINEL, copy_of(minutes=1, title="Old copy", assigned_to="ana@contoso.example")),
        (SENTINEL, copy_of(minutes=5, title="Newer copy")),
    ]
    for number, order in enumerate(itertools.permutations(views)):
        incidents = Incidents(tables=tables, blobs=blobs, clock=lambda: START + timedelta(hours=5))
        for source, view in order:
            tenant = source.model_copy(update={"tenant_id": f"tenant-{number}"})
            incidents.record(tenant, [view])

        found = incidents.get(f"xdr-437~tenant-{number}")

        assert found is not None
        assert (found.shown.title, found.shown.status) == ("Done", Status.resolved)
        assert [view.incident.title for view in found.views] == ["Newer copy", "Done"]
        assert len(found.shown.alert_ids) == 1


def test_what_only_one_view_knows_is_kept(incidents: Incidents) -> None:
    """Sentinel's copy is newer and has no description; alerts are those of all views."""
    incidents.record(configuration(), [incident(description="What happened")])
    incidents.record(SENTINEL, [copy_of(minutes=3, alert_ids=("another",), title="Newer")])

    found = incidents.get("xdr-437~tenant-a")

    assert found is not None
    assert (found.shown.title, found.shown.description) == ("Newer", "What happened")
    assert set(found.shown.alert_ids) == {"another", *incident().alert_ids}


def test_tenants_are_kept_apart(incidents: Incidents, tables: Tables) -> None:
    """Both have an incident 437."""
    incidents.record(configuration(), [incident(title="A")])
    incidents.record(configuration("other", tenant="tenant-b"), [incident(minutes=1, title="B")])

    assert lines(tables) == ["B", "A"]


def test_a_reading_again_without_news_writes_nothing() -> None:
    """And costs a call for a page of neighbours."""
    tables = Counted()
    incidents = Incidents(tables=tables, blobs=MemoryBlobs(), clock=lambda: START)
    page = [incident(number, number) for number in range(100, 150)]
    first = incidents.record(configuration(), page)
    tables.reads = tables.writes = 0

    again = incidents.record(configuration(), page)

    assert (first, again) == (50, 0)
    assert (tables.writes, tables.reads) == (0, 1)


def test_an_update_moves_the_incident_to_the_top_and_leaves_no_trace(
    incidents: Incidents, tables: Tables
) -> None:
    """Each incident is in the list exactly once."""
    incidents.record(configuration(), [incident(n, n) for n in range(1, 9)])

    incidents.record(configuration(), [incident(3, 60)])

    assert lines(tables) == [f"Incident {n}" for n in (3, 8, 7, 6, 5, 4, 2, 1)]


def test_the_list_joins_tenants_and_filters(incidents: Incidents, tables: Tables) -> None:
    """Newest update first over all of them, also across pages of three."""
    for number in range(1, 21):
        tenant = f"tenant-{number % 3}"
        severity = Severity.low if number % 2 else Severity.high
        incidents.record(configuration(tenant=tenant), [incident(number, number, severity=severity)])

    assert lines(tables) == [f"Incident {n}" for n in range(20, 0, -1)]
    assert lines(tables, severities=(Severity.low,)) == [f"Incident {n}" for n in range(19, 0, -2)]
    assert lines(tables, text="incident 1") == [f"Incident {n}" for n in (*range(19, 9, -1), 1)]


def test_a_cursor_that_is_none_of_ours_is_refused(tables: Tables) -> None:
    """It may come from anybody."""
    with pytest.raises(BadRequest):
        IncidentList(tables=tables).page(IncidentQuery(), cursor="0")


def test_an_alert_leads_to_its_incident(incidents: Incidents) -> None:
    """By any product's way to write the alert's id, or by the number that the alert names."""
    incidents.record(configuration(), [incident()])

    assert incidents.of_alert("tenant-a", ["00000437-DD4E-405C-8A3B-AA28596830DD_1"]) == "xdr-437~tenant-a"
    assert incidents.of_alert("tenant-a", ["unheard of"], number="437") == "xdr-437~tenant-a"
    assert incidents.of_alert("tenant-a", ["unheard of"], number="438") is None
    assert incidents.of_alert("tenant-b", incident().alert_ids) is None


def test_a_merged_incident_leads_to_the_survivor(incidents: Incidents, tables: Tables) -> None:
    """Also over several steps; a circle ends; the list shows the survivor only."""
    incidents.record(
        configuration(),
        [
            incident(1, 1, merged_into="2"),
            incident(2, 2, merged_into="3"),
            incident(3, 3),
            incident(8, 4, merged_into="9"),
            incident(9, 5, merged_into="8"),
        ],
    )
    first, eighth = incidents.get("xdr-1~tenant-a"), incidents.get("xdr-8~tenant-a")
    assert first is not None
    assert eighth is not None

    assert incidents.survivor(first).key == "xdr-3"
    assert incidents.survivor(eighth).key == "xdr-9"
    assert lines(tables) == ["Incident 3"]


def test_an_incident_that_gets_its_number_later_stays_one(incidents: Incidents, tables: Tables) -> None:
    """Sentinel's own incidents have none until they are taken over by XDR."""
    before = copy_of(minutes=1, title="Before", alert_ids=("a1",)).model_copy(update={"number": None})
    incidents.record(SENTINEL, [before])
    incidents.record(SENTINEL, [copy_of(minutes=2, title="After", alert_ids=("a1",))])
    incidents.record(configuration(), [incident(minutes=3)])

    assert lines(tables) == ["Incident 437"]
    assert incidents.of_alert("tenant-a", ["a1"]) == "xdr-437~tenant-a"


def test_a_large_incident_is_kept_whole(incidents: Incidents) -> None:
    """Hundreds of alerts are more than a transaction, megabytes more than a row."""
    ids = tuple(f"alert-{n}" for n in range(450))
    noise = {f"k{n}": f"{n * 7919 % 10007:x}-{n}" * 20 for n in range(4000)}
    incidents.record(configuration(), [incident(alert_ids=ids, properties=noise), incident(438)])
    incidents.record(configuration(), [incident(minutes=1, alert_ids=ids, properties=noise)])

    found = incidents.get("xdr-437~tenant-a")

    assert found is not None
    assert found.shown.alert_ids == ids
    assert found.shown.properties == noise
    assert incidents.of_alert("tenant-a", ["alert-449"]) == "xdr-437~tenant-a"


def test_writers_at_the_same_time_lose_nothing(tables: Tables, blobs: Blobs) -> None:
    """Four configurations report the same twenty incidents at once."""
    configurations = [configuration(f"xdr-{n}") for n in range(4)]

    def report(source: Configuration) -> None:
        incidents = Incidents(tables=tables, blobs=blobs, clock=lambda: START)
        incidents.record(source, [incident(n, n) for n in range(20)])

    threads = [threading.Thread(target=report, args=(source,)) for source in configurations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = [
        Incidents(tables=tables, blobs=blobs, clock=lambda: START).get(f"xdr-{n}~tenant-a") for n in range(20)
    ]
    assert [len(one.views) if one else 0 for one in found] == [4] * 20
    assert len(lines(tables)) == 20


def test_two_incidents_may_name_one_alert(incidents: Incidents) -> None:
    """As documentation samples and merges do; nobody fails, and the alert belongs to one of them."""
    incidents.record(configuration(), [incident(1, alert_ids=("a",)), incident(2, alert_ids=("a", "A"))])

    assert incidents.of_alert("tenant-a", ["a"]) in ("xdr-1~tenant-a", "xdr-2~tenant-a")


class Dying(MemoryTables):
    """Tables on which the process dies at the n-th write to incidents."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def write(self, table: str, changes: list[Change] | Any) -> list[str]:
        if table == Table.incidents:
            self.left -= 1
            if self.left == 0:
                raise ConnectionError
        return super().write(table, changes)


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_death_at_any_write_heals_when_the_page_comes_again(after: int) -> None:
    """Nothing is half there, whatever was written before."""
    tables, blobs = Dying(after), MemoryBlobs()
    many = tuple(f"alert-{n}" for n in range(250))
    page = [incident(1, 1, alert_ids=many), incident(2, 2)]
    with pytest.raises(ConnectionError):
        Incidents(tables=tables, blobs=blobs, clock=lambda: START).record(configuration(), page)

    again = Incidents(tables=tables, blobs=blobs, clock=lambda: START)
    again.record(configuration(), page)

    assert lines(tables) == ["Incident 2", "Incident 1"]
    assert again.of_alert("tenant-a", ["alert-249"]) == "xdr-1~tenant-a"


@pytest.mark.parametrize("number", ["a/b", "a?b#c", "x'y", "\x00", "a\\b", "n" * 2000, "\u00e9" * 600])
def test_an_alert_may_claim_any_incident(incidents: Incidents, number: str) -> None:
    """Webhooks are not signed: what no key can be is no incident, and not an error."""
    incidents.record(configuration(), [incident()])

    assert incidents.of_alert("tenant-a", ["nobody's"], number=number) is None
    assert incidents.of_alert("tenant-a", ["nobody's"], number="437") == "xdr-437~tenant-a"
    merged = KnownIncident(
        scope="tenant-a",
        key="xdr-1",
        views=(
            IncidentView(
                configuration_id="c",
                vendor="v",
                incident=incident(1, merged_into=number),
                received=at(0),
            ),
        ),
        first_seen=at(0),
        changed=at(0),
    )
    assert incidents.survivor(merged) is merged
