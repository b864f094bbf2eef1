"""Inventory, affiliation and hunting over the API."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.api import affiliation
from shared.api.app import create_app
from shared.errors import BadRequest, PermissionMissing, SignInFailed
from shared.nouns.configurations import CLOUDS, Configuration
from shared.nouns.inventory import InventoryKind, Item
from shared.vendors.abilities import Column, HuntingResult
from shared.vendors.vendor import Connection
from tests.vendor_double import DoubleVendor

READ = "2026-11-20T08:00:00.0000000Z"
HOST = Item(kind=InventoryKind.machine, id="m1", name="srv-1", dns_name="srv-1.contoso.example")


class Desk:
    """The API with two double vendors, each with one configuration."""

    def __init__(self, parts: Any, token: str) -> None:
        self.endpoint = DoubleVendor(slug="one", title="Endpoint")
        self.intune = DoubleVendor(slug="two", title="Intune")
        vendors = {**parts.vendors, "one": self.endpoint, "two": self.intune}
        self.parts = replace(
            parts,
            vendors=vendors,
            connect=lambda c: Connection(c, CLOUDS[c.cloud], None, parts.now),  # type: ignore[arg-type]
        )
        self.parts.inventory_ticker.vendors.update(vendors)  # type: ignore[attr-defined]
        self.client = TestClient(
            create_app(self.parts),
            base_url="https://soc.example.test",
            headers={"Authorization": f"Bearer {token}"},
        )
        for id, vendor in (("c1", "one"), ("c2", "two")):
            self.configure(id, vendor)

    def configure(self, id: str, vendor: str, **more: Any) -> None:
        made = Configuration(id=id, vendor=vendor, display_name=id.upper(), tenant_id="tenant-a")
        self.parts.configurations.save(made.model_copy(update=more))

    def store(self, id: str, items: list[Item], *, kind: InventoryKind = InventoryKind.machine) -> None:
        """As a complete reading does."""
        inventory = self.parts.inventory
        state = inventory.state(id, kind)
        reading = inventory.reading(state, READ)
        reading.take(items)
        reading.finish()
        inventory.save(replace(state, read=READ, attempted=READ, count=reading.count))

    def get(self, path: str, **params: Any) -> Any:
        return self.client.get(f"/api/v1/{path}", params=params)


@pytest.fixture
def desk(parts: Any, issuer: Any) -> Desk:
    """An Admin's."""
    return Desk(parts, issuer.token("Admin"))


def machine(number: int, **more: Any) -> Item:
    """One machine."""
    return Item(kind=InventoryKind.machine, id=f"m{number:03d}", name=f"srv-{number:03d}", **more)


def test_the_inventory_goes_over_all_configurations(desk: Desk) -> None:
    """Page by page, each thing once, with the time it was read."""
    desk.store("c1", [machine(n) for n in range(30)])
    desk.store("c2", [machine(n) for n in range(100, 125)])

    found, cursor = list[dict[str, Any]](), None
    while True:
        params = {"limit": 20} | ({"cursor": cursor} if cursor else {})
        page = desk.get("inventory/machine", **params).json()
        found += page["items"]
        cursor = page["cursor"]
        if cursor is None:
            break

    assert [i["name"] for i in found] == [f"srv-{n:03d}" for n in (*range(30), *range(100, 125))]
    assert {i["configuration"] for i in found} == {"C1", "C2"}
    assert [(r["configuration_id"], r["read"], r["count"]) for r in page["readings"]] == [
        ("c1", READ, 30),
        ("c2", READ, 25),
    ]


def test_the_inventory_can_be_searched(desk: Desk) -> None:
    """By words, machine, severity and configuration."""
    kind = InventoryKind.machine_vulnerability
    items = [
        Item(kind=kind, id=f"m{n}-CVE-2026-{n}", name=f"CVE-2026-{n}", machine_id=f"m{n}", severity=s)  # type: ignore[arg-type]
        for n, s in ((1, "critical"), (2, "low"))
    ]
    desk.store("c1", items, kind=kind)
    path = "inventory/machine_vulnerability"

    def names(**params: Any) -> list[str]:
        return [i["name"] for i in desk.get(path, **params).json()["items"]]

    assert names(machine="M1") == ["CVE-2026-1"]
    assert names(severity="low") == ["CVE-2026-2"]
    assert names(q="cve-2026-2") == ["CVE-2026-2"]
    assert names(configuration="c2") == []


def test_what_could_not_be_read_is_said(desk: Desk) -> None:
    """With the reason, and when it is tried again; what was read before is still there."""
    desk.store("c1", [machine(1)])
    state = desk.parts.inventory.state("c1", InventoryKind.machine)
    desk.parts.inventory.save(replace(state, error="Grant Machine.Read.All.", failures=2))

    page = desk.get("inventory/machine").json()
    overview = desk.get("inventory").json()["items"]

    assert ([i["id"] for i in page["items"]], page["readings"][0]["error"]) == (
        ["m001"],
        "Grant Machine.Read.All.",
    )
    assert [(r["kind"], r["failures"]) for r in overview] == [("machine", 2)]


def test_an_unknown_kind_or_cursor_is_refused(desk: Desk) -> None:
    """422 and 400."""
    assert desk.get("inventory/spaceship").status_code == 422
    assert desk.get("inventory/machine", cursor="abc").status_code == 400


def test_the_inventory_can_be_read_at_once(desk: Desk) -> None:
    """Each kind is queued, once; it is in the audit."""
    first = desk.client.post("/api/v1/configurations/c1/inventory")
    second = desk.client.post("/api/v1/configurations/c1/inventory")

    assert (first.status_code, second.status_code) == (202, 400)
    assert desk.parts.queues.depth("inventory") == 2
    assert {e.action for e in desk.parts.audit.page().entries} == {"read_inventory"}


@pytest.mark.parametrize(
    ("endpoint", "intune", "together"),
    [
        ([HOST], [], "yes"),
        ([], [HOST], "yes"),
        ([], [], "no"),
        ([], PermissionMissing("Grant it."), "could_not_ask"),
        ([HOST], SignInFailed("Expired."), "yes"),
        (KeyError("defect"), [], "could_not_ask"),
    ],
)
def test_no_and_could_not_ask_are_different_answers(
    desk: Desk, endpoint: Any, intune: Any, together: str
) -> None:
    """Yes if any says yes; no only if all could be asked and said no."""
    desk.endpoint.hosts, desk.intune.hosts = endpoint, intune

    answer = desk.get("affiliation", name="srv-1").json()

    assert answer["answer"] == together
    assert [s["configuration"] for s in answer["sources"]] == ["C1", "C2"]


def test_each_source_says_where_its_answer_is_from(desk: Desk) -> None:
    """With the matches, or the operator's words for why not."""
    desk.endpoint.hosts, desk.intune.hosts = [HOST], PermissionMissing("Grant it.")

    yes, unknown = desk.get("affiliation", address="10.0.0.4").json()["sources"]

    assert (yes["answer"], yes["source"], yes["found"][0]["dns_name"]) == (
        *("yes", "Endpoint, by name", "srv-1.contoso.example"),
    )
    assert (unknown["answer"], unknown["source"], unknown["reason"]) == (
        "could_not_ask",
        "Intune",
        "Grant it.",
    )


def test_who_is_late_could_not_be_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others' answers are not kept waiting."""
    over = threading.Event()
    desk.endpoint.hosts = lambda: over.wait(10) and []
    desk.intune.hosts = [HOST]
    monkeypatch.setattr(affiliation._asked, "__kwdefaults__", {"deadline": 0.3})

    answer = desk.get("affiliation", id="m1").json()
    over.set()

    assert (answer["answer"], answer["sources"][0]["answer"]) == ("yes", "could_not_ask")
    assert "within 0 seconds" in answer["sources"][0]["reason"]


@pytest.mark.parametrize("params", [{}, {"name": "a", "id": "b"}])
def test_exactly_one_question_is_asked(desk: Desk, params: dict[str, str]) -> None:
    """422 for none and for two."""
    assert desk.get("affiliation", **params).status_code == 422
    assert desk.endpoint.asked == []


@pytest.mark.parametrize("address", ["srv-1", "10.0.0", "10.0.0.4/24", "' or 1 eq 1"])
def test_what_is_no_address_is_not_asked_for(desk: Desk, address: str) -> None:
    """422, not "could not ask"."""
    answer = desk.get("affiliation", address=address)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "query.address")
    assert desk.endpoint.asked == []


def test_without_anybody_to_ask_there_is_no_answer(desk: Desk) -> None:
    """Least of all a no."""
    for id in ("c1", "c2"):
        desk.parts.configurations.remove(id)

    answer = desk.get("affiliation", name="srv-1").json()

    assert (answer["answer"], answer["sources"]) == ("could_not_ask", [])
    assert answer["reason"]


def hunt(desk: Desk, id: str = "c1", **body: Any) -> Any:
    """Run a query."""
    return desk.client.post(f"/api/v1/configurations/{id}/hunt", json={"query": "DeviceInfo"} | body)


def test_a_hunt_answers_with_a_table(desk: Desk) -> None:
    """Columns with the vendor's types, rows as it gave them."""
    rows = tuple({"N": n, "Odd": {"a": [None]}} for n in range(25))
    desk.endpoint.result = HuntingResult((Column("N", "Int64"), Column("Odd", "Dynamic")), rows)

    answer = hunt(desk, timespan="P7D", limit=10).json()

    assert answer["columns"][0] == {"name": "N", "type": "Int64"}
    assert (len(answer["rows"]), answer["total"], answer["truncated"]) == (10, 25, True)
    assert desk.endpoint.asked == [("DeviceInfo", "P7D")]


def test_a_bad_query_is_told_in_the_vendors_words(desk: Desk) -> None:
    """And it is the caller's to mend."""
    desk.endpoint.result = BadRequest("'DeviceInf' could not be resolved.")

    answer = hunt(desk, query="DeviceInf")

    assert (answer.status_code, answer.json()["detail"]) == (400, "'DeviceInf' could not be resolved.")


def test_neither_log_nor_audit_holds_the_query(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """It may quote what is being looked for."""
    with caplog.at_level(logging.DEBUG):
        hunt(desk, query="DeviceInfo | where Name == 'the-ceo'")

    assert "the-ceo" not in caplog.text
    [entry] = desk.parts.audit.page().entries
    assert "the-ceo" not in entry.model_dump_json()
    assert entry.details["characters"] == 36


@pytest.mark.parametrize("timespan", ["7 days", "P", "PT", "2026-11-20", "P7D/P7D", "P1D;drop"])
def test_a_timespan_is_iso_8601(desk: Desk, timespan: str) -> None:
    """What is none never reaches the vendor."""
    assert hunt(desk, timespan=timespan).status_code == 422


@pytest.mark.parametrize("timespan", ["P30D", "PT12H", "P1DT2H", "2026-11-19T00:00:00Z/2026-11-20T00:00:00Z"])
def test_durations_and_intervals_are_taken(desk: Desk, timespan: str) -> None:
    """As they are."""
    assert hunt(desk, timespan=timespan).status_code == 200


def test_only_a_vendor_with_hunting_hunts(desk: Desk, configuration: dict[str, Any]) -> None:
    """400 for another, 404 for none."""
    assert hunt(desk, configuration["id"]).status_code == 400
    assert hunt(desk, "absent").status_code == 404
