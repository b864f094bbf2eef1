"""Incidents over the API: listed, read with their detections, changed at the vendor that can."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.api.app import create_app
from shared.errors import BadRequest, Conflict, NotFound, PermissionMissing, SignInFailed, Throttled, TryLater
from shared.nouns.configurations import CLOUDS, Configuration
from shared.nouns.detections import Channel, Detection, RawAlert
from shared.nouns.incidents import Incident
from shared.store.detections import Source
from shared.vendors.vendor import Connection
from tests.api.conftest import TENANT
from tests.vendor_double import DoubleVendor

XDR = Configuration(id="xdr-1", vendor="defender_xdr", display_name="XDR", tenant_id=TENANT)
SENTINEL = Configuration(id="sentinel-1", vendor="sentinel", display_name="Sentinel", tenant_id=TENANT)
ID = f"xdr-437~{TENANT}"
NATIVE = {"defender_xdr": "437", "sentinel": "5e170000-0000-4000-8000-000000000437"}


def incident(vendor: str = "defender_xdr", **more: Any) -> Incident:
    """A vendor's view of incident 437."""
    usual = {
        "native_id": NATIVE[vendor],
        "number": "437",
        "title": "Ransomware",
        "severity": "high",
        "updated": "2026-11-20T09:00:00.0000000Z",
        "alert_ids": ["da1", "unread"],
    }
    return Incident.model_validate(usual | more)


class Desk:
    """The API with two vendors that know the same incident; `claims` are what each one's token says."""

    def __init__(self, parts: Any, token: str) -> None:
        self.vendors = {v: DoubleVendor(slug=v, title=v.title()) for v in NATIVE}
        self.claims: dict[str, Any] = {
            "xdr-1": {"roles": ["Incident.ReadWrite.All"]},
            "sentinel-1": {"aud": "arm"},
        }
        self.parts = replace(parts, vendors={**parts.vendors, **self.vendors}, connect=self.connect)
        self.client = TestClient(
            create_app(self.parts),
            base_url="https://soc.example.test",
            headers={"Authorization": f"Bearer {token}"},
        )
        for configuration in (XDR, SENTINEL):
            parts.configurations.save(configuration)
        parts.incidents.record(SENTINEL, [incident("sentinel")])
        parts.incidents.record(XDR, [incident()])

    def connect(self, configuration: Configuration) -> Connection:
        claims = self.claims[configuration.id]

        def token_claims() -> Any:
            if isinstance(claims, Exception):
                raise claims
            return claims

        api: Any = SimpleNamespace(token_claims=token_claims)
        return Connection(configuration, CLOUDS[configuration.cloud], api, self.parts.now)

    def answers(self, vendor: str, answer: Any) -> None:
        """What a change at the vendor comes to."""
        self.vendors[vendor].changed = answer

    def change(self, **wanted: Any) -> Any:
        return self.client.patch(f"/api/v1/incidents/{ID}", json=wanted)

    def detection(self, native_id: str) -> str:
        """An alert that the XDR configuration has read; gives its card's id."""
        received = "2026-11-20T09:00:00.0000000Z"
        alert = Detection(native_id=native_id, title=native_id, created=received)
        source = Source(XDR, Channel.poll, batch="b")
        self.parts.detections.record(source, [(alert, RawAlert(body={}, received=received))])
        [card] = self.parts.detections.cards_of(XDR.scope, [native_id])
        return card.id

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Which configuration was asked to change which native id, in that order."""
        found = [one for v in self.vendors.values() for one in v.asked]
        return [(configuration, native) for configuration, native, _ in found]


@pytest.fixture
def desk(parts: Any, issuer: Any) -> Desk:
    """A Responder's."""
    return Desk(parts, issuer.token("Responder"))


RESOLVED = incident(status="resolved", updated="2026-11-20T09:30:00.0000000Z")


def test_an_incident_is_shown_with_its_detections(desk: Desk) -> None:
    """Those that were read here; the ids of the others are named. Every view is there."""
    card = desk.detection("da1")

    shown = desk.client.get(f"/api/v1/incidents/{ID}").json()

    assert (shown["number"], shown["title"], shown["severity"]) == ("437", "Ransomware", "high")
    assert [d["id"] for d in shown["detections"]] == [card]
    assert shown["alerts_without_detection"] == ["unread"]
    assert [(v["configuration"], v["native_id"]) for v in shown["views"]] == [
        ("Sentinel", NATIVE["sentinel"]),
        ("XDR", "437"),
    ]


def test_a_detection_leads_to_its_incident(desk: Desk) -> None:
    """By its alert's id; one of no incident leads nowhere."""
    member = desk.detection("da1")
    other = desk.detection("other")

    incidents = [desk.client.get(f"/api/v1/detections/{id}").json()["incident"] for id in (member, other)]

    assert incidents == [ID, None]


def test_the_list_filters_and_goes_on(desk: Desk) -> None:
    """Newest update first, with a cursor."""
    for n in range(5):
        updated = f"2026-11-20T09:1{n}:00.0000000Z"
        desk.parts.incidents.record(
            XDR,
            [incident(native_id=str(n), number=str(n), title=f"Low {n}", severity="low", updated=updated)],
        )

    first = desk.client.get("/api/v1/incidents", params={"limit": 4}).json()
    second = desk.client.get("/api/v1/incidents", params={"limit": 4, "cursor": first["cursor"]}).json()
    high = desk.client.get("/api/v1/incidents", params={"severity": "high", "q": "RANSOM"}).json()

    assert [i["title"] for i in first["items"]] == ["Low 4", "Low 3", "Low 2", "Low 1"]
    assert ([i["title"] for i in second["items"]], second["cursor"]) == (["Low 0", "Ransomware"], None)
    assert [i["id"] for i in high["items"]] == [ID]


def test_an_unchanged_incident_is_not_sent_again(desk: Desk) -> None:
    """304 for its ETag."""
    tag = desk.client.get(f"/api/v1/incidents/{ID}").headers["etag"]

    assert desk.client.get(f"/api/v1/incidents/{ID}", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("id", ["xdr-438~" + TENANT, "437", "xdr-437~another-tenant"])
def test_an_unknown_incident_is_not_found(desk: Desk, id: str) -> None:
    """Whatever the id looks like."""
    assert desk.client.get(f"/api/v1/incidents/{id}").status_code == 404
    assert desk.client.patch(f"/api/v1/incidents/{id}", json={"status": "resolved"}).status_code == 404


def test_a_merged_incident_answers_with_its_survivor(desk: Desk) -> None:
    """Reading and changing alike."""
    merged = incident(native_id="400", number="400", title="Old", merged_into="437")
    desk.parts.incidents.record(XDR, [merged])
    desk.answers("defender_xdr", RESOLVED)

    read = desk.client.get(f"/api/v1/incidents/xdr-400~{TENANT}").json()
    changed = desk.client.patch(f"/api/v1/incidents/xdr-400~{TENANT}", json={"status": "resolved"}).json()

    assert (read["id"], changed["id"], changed["status"]) == (ID, ID, "resolved")
    assert desk.asked == [("xdr-1", "437")]


def test_a_change_goes_to_the_product_in_which_the_incident_lives(desk: Desk) -> None:
    """Its answer is stored at once and shown, without waiting for a poll."""
    desk.answers("defender_xdr", RESOLVED)

    answer = desk.change(status="resolved", classification="TruePositive", comment="Cleaned up.")

    assert (answer.status_code, answer.json()["status"]) == (200, "resolved")
    assert desk.asked == [("xdr-1", "437")]
    assert desk.client.get("/api/v1/incidents").json()["items"][0]["status"] == "resolved"


@pytest.mark.parametrize("claims", [{"roles": ["Incident.Read.All"]}, SignInFailed("Expired.")])
def test_who_may_not_write_is_asked_last(desk: Desk, claims: Any) -> None:
    """The token says what it may; Azure's tokens say nothing, and are tried before those that may not."""
    desk.claims["xdr-1"] = claims
    desk.answers("sentinel", incident("sentinel", status="resolved", updated="2026-11-20T09:31:00.0000000Z"))

    answer = desk.change(status="resolved")

    assert answer.json()["status"] == "resolved"
    assert desk.asked == [("sentinel-1", NATIVE["sentinel"])]


@pytest.mark.parametrize("error", [PermissionMissing("Grant it."), Throttled("Wait.", retry_after=9)])
def test_where_one_way_is_closed_the_other_is_tried(desk: Desk, error: Exception) -> None:
    """The first trouble is told only when every way is closed."""
    desk.answers("defender_xdr", error)
    desk.answers("sentinel", incident("sentinel", status="resolved", updated="2026-11-20T09:31:00.0000000Z"))
    assert desk.change(status="resolved").status_code == 200

    desk.answers("sentinel", PermissionMissing("No."))

    assert desk.change(status="resolved").json()["detail"] == str(error)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Conflict("Changed there."), 409),
        (NotFound("Gone there."), 404),
        (BadRequest("Determination does not fit."), 400),
        (TryLater("Out of order."), 503),
    ],
)
def test_what_the_vendor_says_no_to_is_said(desk: Desk, error: Exception, status: int) -> None:
    """In its words; nobody else is asked, since it may have been done."""
    desk.answers("defender_xdr", error)

    answer = desk.change(status="resolved")

    assert (answer.status_code, answer.json()["detail"]) == (status, str(error))
    assert len(desk.asked) == 1


def test_a_change_of_nothing_is_refused(desk: Desk) -> None:
    """And unknown fields are."""
    assert desk.change().status_code == 422
    assert desk.change(severity="low").status_code == 422
    assert desk.asked == []


def test_a_reader_may_not_change(desk: Desk, issuer: Any) -> None:
    """Responder is the least."""
    desk.client.headers["Authorization"] = f"Bearer {issuer.token('Reader')}"

    assert desk.change(status="resolved").status_code == 403


def test_a_change_is_in_the_audit_without_its_comment(desk: Desk) -> None:
    """Who changed what."""
    desk.answers("defender_xdr", RESOLVED)

    desk.change(status="resolved", tags=["one", "two"], comment="something private")

    [entry] = desk.parts.audit.page().entries
    assert (entry.name, entry.action, entry.subject) == ("Ana Lyst", "change_incident", ID)
    assert entry.details == {"status": "resolved", "tags": "one, two", "comment": True}


def test_a_configuration_that_is_off_changes_nothing(desk: Desk) -> None:
    """Neither does one that was removed."""
    for one in (XDR, SENTINEL):
        found = desk.parts.configurations.get(one.id)
        assert found is not None
        desk.parts.configurations.save(found.configuration.model_copy(update={"enabled": False}))

    assert desk.change(status="resolved").status_code == 400
