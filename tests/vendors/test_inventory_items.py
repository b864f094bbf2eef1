"""What becomes of a row of Defender for Endpoint's and Defender for Cloud's lists."""

from __future__ import annotations

import pytest

from shared.errors import BadRequest, TryLater, Unreadable
from shared.nouns.inventory import InventoryKind
from shared.vendors import cloud_inventory, endpoint_inventory, listing
from shared.vendors.defender_endpoint import DefenderEndpoint
from shared.vendors.defender_for_cloud import DefenderForCloud


def _read(fixture, name, reader):
    return [reader(row) for row in fixture(name)["value"]]


def test_a_machine_has_what_identifies_it(fixture):
    """Name, own addresses, system, Entra device id, when it was seen; nothing is lost."""
    known, *_ = _read(fixture, "endpoint_machines", endpoint_inventory.machine)
    assert (known.name, known.dns_name) == ("ws-2041.tailspin.example",) * 2
    assert known.addresses == ("10.61.4.17", "2001:db8:61::17")
    assert known.operating_system == "Windows11 24H2"
    assert (known.status, known.severity) == ("Active", "high")
    assert known.joined_id == "c3a1f6d2-07be-4e59-9d30-6f4b2a81e7c5"
    assert known.updated == "2026-03-02T05:12:48.6331207Z"
    assert known.properties["machineTags"] == ["finance"]
    assert known.properties["lastExternalIpAddress"] == "198.51.100.24"


def test_a_machine_that_is_only_seen_says_so(fixture):
    """Without a name it goes by its id; that it could be onboarded is what matters about it."""
    _, seen, odd = _read(fixture, "endpoint_machines", endpoint_inventory.machine)
    assert seen.name == seen.id
    assert (seen.dns_name, seen.status, seen.severity) == (None, "CanBeOnboarded", None)
    assert seen.operating_system == "Other"
    assert (odd.operating_system, odd.status) == ("Plan9 4", "Dreaming")
    assert (odd.severity, odd.updated) == ("unknown", None)
    assert odd.properties["newField"] == {"inner": [1, 2]}


def test_a_machine_links_into_the_configurations_portal(fixture):
    """Whichever cloud it is."""
    row = fixture("endpoint_machines")["value"][0]
    assert endpoint_inventory.machine(row, "https://security.microsoft.us").link == (
        f"https://security.microsoft.us/machines/{row['id']}/overview"
    )


def test_a_vulnerability_has_its_score_and_severity(fixture):
    """CVSS is of ten; an unknown severity stays unknown."""
    known, odd = _read(fixture, "endpoint_vulnerabilities", endpoint_inventory.vulnerability)
    assert (known.id, known.severity, known.score, known.maximum) == ("CVE-2026-10417", "critical", 9.8, 10)
    assert known.updated == "2026-02-11T16:20:00.0000000Z"
    assert known.properties["EPSS"] == 0.42
    assert (odd.severity, odd.score, odd.maximum) == ("unknown", None, None)


def test_a_machines_vulnerability_is_read_in_both_shapes(fixture):
    """From the list, and from the export, whose times have no T and no Z."""
    listed, _, exported = _read(
        fixture, "endpoint_machine_vulnerabilities", endpoint_inventory.machine_vulnerability
    )
    assert (listed.name, listed.severity) == (exported.name, exported.severity)
    assert listed.machine_id == exported.machine_id == "5b1c0d7e9fa24463810d2c77e4a6b3f1905cd812"
    assert listed.properties["fixingKbId"] == "KB6000123"
    assert exported.dns_name == "ws-2041.tailspin.example"
    assert exported.updated == "2026-03-01T22:10:44.0000000Z"


def test_software_without_a_vulnerability_is_none():
    """The export lists it too."""
    row = {"id": "m_editor", "deviceId": "m", "softwareName": "editor", "cveId": None}
    assert endpoint_inventory.machine_vulnerability(row) is None


def test_a_recommendation_says_what_to_do(fixture):
    """By its name, or by its product where it has none."""
    known, odd = _read(fixture, "endpoint_recommendations", endpoint_inventory.recommendation)
    assert known.name == "Update Tailspin Viewer to version 7.3"
    assert (known.status, known.score, known.maximum) == ("Active", 8.0, 10)
    assert (odd.name, odd.status, odd.score) == ("windows_11", "SomethingNew", None)


def test_an_assessment_is_about_a_resource(fixture):
    """With the vendor's state, and an address that a browser takes."""
    known, odd = _read(fixture, "cloud_assessments", cloud_inventory.assessment)
    assert (known.name, known.status, known.severity) == ("Disks should be encrypted", "Unhealthy", "high")
    assert known.updated == "2026-02-18T09:30:00.0000000Z"
    assert (known.link or "").startswith("https://portal.azure.com/#blade/")
    assert known.properties["resourceDetails"]["id"].endswith("/virtualMachines/shop-01")
    assert known.properties["status"]["cause"] == "OffByPolicy"
    assert (odd.status, odd.severity, odd.link) == ("SomethingNew", "unknown", None)


def test_a_control_has_points_of_points(fixture):
    """And how many resources it is about."""
    first, second = (
        cloud_inventory.score(row, InventoryKind.control) for row in fixture("cloud_controls")["value"]
    )
    assert (first.name, first.score, first.maximum) == ("Enable MFA", 10, 10)
    assert (second.score, second.maximum, second.properties["percentage"]) == (2.4, 6, 0.4)
    assert second.properties["unhealthyResourceCount"] == 6


@pytest.mark.parametrize("row", [None, 7, "text", [], {}, {"id": None}, {"id": " "}, {"properties": 1}])
def test_a_row_without_an_id_is_no_item(row):
    """Of no list."""
    readers = (
        endpoint_inventory.machine,
        endpoint_inventory.vulnerability,
        endpoint_inventory.machine_vulnerability,
        endpoint_inventory.recommendation,
        cloud_inventory.assessment,
    )
    assert [reader(row) for reader in readers] == [None] * 5
    assert cloud_inventory.score(row, InventoryKind.score) is None


@pytest.mark.parametrize(
    ("vendor", "kind"), [(DefenderEndpoint(), "assessment"), (DefenderForCloud(), "machine")]
)
def test_a_kind_that_the_product_does_not_have_is_refused(connect, scripted, vendor, kind):
    """Silence would look like an empty inventory."""
    with pytest.raises(BadRequest, match=kind):
        list(vendor.inventory(connect(scripted({"value": []})), InventoryKind(kind)))


def test_full_pages_without_a_link_are_followed_by_row_number(scripted):
    """Until one is short; not every service links what the client's own page size cut."""
    api = scripted({"value": [{"id": 1}, {"id": 2}]}, {"value": [{"id": 3}, {"id": 4}]}, {"value": []})
    pages = list(listing.pages(api, "/list", {"$top": "2"}, who="Somebody", page_size=2))
    assert [row["id"] for page in pages for row in page] == [1, 2, 3, 4]
    assert [params.get("$skip") for _, params in api.calls] == [None, "2", "4"]


def test_who_links_once_links_always(scripted):
    """A full last page without a link is the last one; its successor is not asked for."""
    first = {"value": [{"id": 1}, {"id": 2}], "@odata.nextLink": "https://here/next"}
    api = scripted(first, {"value": [{"id": 3}, {"id": 4}]})
    pages = list(listing.pages(api, "/list", {}, who="Somebody", page_size=2))
    assert [row["id"] for page in pages for row in page] == [1, 2, 3, 4]
    assert len(api.calls) == 2


def test_a_service_that_ignores_the_row_number_is_found_out(scripted):
    """It would send the first page for ever."""
    api = scripted({"value": [{"id": 1}, {"id": 2}]})
    with pytest.raises(TryLater, match="Somebody keeps sending the same page"):
        list(listing.pages(api, "/list", {}, who="Somebody", page_size=2))
    assert len(api.calls) == 2


def test_empty_pages_with_ever_new_links_end(scripted):
    """Some are normal; a hundred are not."""
    answers = [{"value": [], "nextLink": f"https://here/{n}"} for n in range(300)]
    with pytest.raises(TryLater):
        list(listing.pages(scripted(*answers), "/list", {}, who="Somebody"))


@pytest.mark.parametrize("answer", [{}, {"value": None}, {"value": {}}, {"error": {}}])
def test_an_answer_without_a_list_is_unreadable(answer):
    """It is never an empty list."""
    with pytest.raises(Unreadable, match="Somebody"):
        listing.read_page(answer, "Somebody")
