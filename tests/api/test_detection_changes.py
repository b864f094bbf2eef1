"""Changing a detection over the API: at the vendor whose view reaches furthest, once, and shown at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from fastapi.testclient import TestClient

from shared.api.app import create_app
from shared.errors import BadRequest, Conflict, NotFound, PermissionMissing, SignInFailed, Throttled, TryLater
from shared.nouns.alert_change import AlertChange
from shared.nouns.configurations import CLOUDS, Configuration
from shared.nouns.detections import Channel, Detection, RawAlert
from shared.pipeline.ingest import Ingester
from shared.store.detections import Source
from shared.store.stores import Queue
from shared.vendors.vendor import Connection
from tests.api.conftest import TENANT
from tests.vendor_double import DoubleVendor

MAY = {"roles": ["Incident.ReadWrite.All"]}
MAY_NOT = {"roles": ["Alert.Read.All"]}
BEFORE, AFTER = "2026-11-20T08:00:00.0000000Z", "2026-11-20T09:00:00.0000000Z"


@dataclass
class AlertDouble(DoubleVendor):
    """A vendor whose alerts can be changed; `changed` is what it answers."""

    authority: int = 0

    def change_alert(self, connection: Connection, detection: Detection, change: AlertChange) -> Any:
        self.asked.append((detection.native_id, change))
        if isinstance(self.changed, Exception):
            raise self.changed
        return self.changed


def raw(native_id: str, **more: Any) -> dict[str, Any]:
    """An alert of a double."""
    return {"native_id": native_id, "title": "Ransomware", "severity": "high", "updated": BEFORE, **more}


class Desk:
    """The API with three vendors that report the same alert, Graph's under a prefix."""

    AUTHORITY: ClassVar = {"graph": 2, "endpoint": 1, "cloud": 0}
    IDS: ClassVar = {
        "graph": "da637472900382838869_7",
        "endpoint": "da637472900382838869_7",
        "cloud": "2516_c",
    }

    def __init__(self, parts: Any, token: str, *vendors: str) -> None:
        self.vendors = {v: AlertDouble(slug=v, title=v.title(), authority=self.AUTHORITY[v]) for v in vendors}
        self.claims: dict[str, Any] = dict.fromkeys(vendors, MAY)
        self.parts = replace(parts, vendors={**parts.vendors, **self.vendors}, connect=self._connect)
        self._client = TestClient(
            create_app(self.parts),
            base_url="https://soc.example.test",
            headers={"Authorization": f"Bearer {token}"},
        )
        for vendor in vendors:
            named = {"id": vendor, "vendor": vendor, "display_name": vendor.title(), "tenant_id": TENANT}
            parts.configurations.save(Configuration.model_validate(named))
            self._read(vendor)
        (self.card,) = parts.detections.cards_of(TENANT.lower(), [self.IDS[vendors[0]]])

    def _read(self, vendor: str) -> None:
        others = [id for id in self.IDS.values() if id != self.IDS[vendor]]
        body = raw(self.IDS[vendor], other_ids=others)
        source = Source(self.parts.configurations.get(vendor).configuration, Channel.poll, f"b-{vendor}")
        detection = Detection.model_validate(body)
        self.parts.detections.record(source, [(detection, RawAlert(body=body, received=BEFORE))])

    def _connect(self, configuration: Configuration) -> Connection:
        claims = self.claims[configuration.id]

        def token_claims() -> Any:
            if isinstance(claims, Exception):
                raise claims
            return claims

        api: Any = SimpleNamespace(token_claims=token_claims)
        return Connection(configuration, CLOUDS[configuration.cloud], api, self.parts.now)

    def change(self, **wanted: Any) -> Any:
        return self._client.post(f"/api/v1/detections/{self.card.id}/status", json=wanted)

    def asked(self) -> dict[str, int]:
        """How often each vendor was asked to change something."""
        return {name: len(vendor.asked) for name, vendor in self.vendors.items() if vendor.asked}

    def queued(self) -> list[str]:
        """What waits to be ingested."""
        return [message.body for message in self.parts.queues.receive(Queue.raw_alerts)]


@pytest.fixture
def desk(parts, issuer):
    """Builds the API with these vendors, for somebody with a role."""
    return lambda *vendors, role="Responder": Desk(parts, issuer.token(role), *vendors)


def test_the_view_that_reaches_furthest_is_changed_and_no_other(desk):
    """Once, with what was asked for."""
    made = desk("cloud", "endpoint", "graph")
    answer = made.change(status="resolved", classification="FalsePositive", comment="Ours.")
    assert answer.status_code == 200, answer.text
    assert made.asked() == {"graph": 1}
    ((native_id, change),) = made.vendors["graph"].asked
    assert native_id == Desk.IDS["graph"]
    assert change == AlertChange(status="resolved", classification="FalsePositive", comment="Ours.")


def test_whose_sign_in_may_not_write_is_asked_last(desk):
    """Its product may be changed by another configuration."""
    made = desk("endpoint", "graph")
    made.claims["graph"] = MAY_NOT
    assert made.change(status="in_progress").status_code == 200
    assert made.asked() == {"endpoint": 1}


@pytest.mark.parametrize(
    "trouble", [PermissionMissing("Grant it."), SignInFailed("Expired."), Throttled("Wait.", retry_after=9)]
)
def test_what_was_refused_is_tried_another_way(desk, trouble):
    """It was certainly not done."""
    made = desk("endpoint", "graph")
    made.vendors["graph"].changed = trouble
    assert made.change(status="resolved").status_code == 200
    assert made.asked() == {"graph": 1, "endpoint": 1}


@pytest.mark.parametrize(
    "trouble", [TryLater("Away."), NotFound("Gone."), Conflict("Meanwhile."), BadRequest("No.")]
)
def test_what_may_be_done_already_or_is_wrong_is_not_tried_again(desk, trouble):
    """Twice would comment twice."""
    made = desk("endpoint", "graph")
    made.vendors["graph"].changed = trouble
    assert made.change(status="resolved").status_code >= 400
    assert made.asked() == {"graph": 1}


@pytest.mark.parametrize(
    ("trouble", "status", "words"),
    [
        (PermissionMissing("Grant Alert.ReadWrite.All."), 502, "Grant Alert.ReadWrite.All."),
        (Conflict("Changed meanwhile."), 409, "Changed meanwhile."),
        (NotFound("It is gone."), 404, "It is gone."),
        (BadRequest("Alerts cannot be dismissed."), 400, "cannot be dismissed"),
        (Throttled("Wait.", retry_after=9), 503, "Wait."),
    ],
)
def test_a_refusal_says_what_the_vendor_says(desk, trouble, status, words):
    """With the status that tells what to do next."""
    made = desk("endpoint")
    made.vendors["endpoint"].changed = trouble
    answer = made.change(status="resolved")
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True)
    assert made.queued() == []


def test_the_answer_shows_the_detection_as_it_will_be(desk):
    """And what the vendor answered is on its way into the store."""
    made = desk("endpoint")
    made.vendors["endpoint"].changed = raw(Desk.IDS["endpoint"], status="resolved", updated=AFTER)
    answer = made.change(status="resolved").json()
    assert (answer["status"], answer["number_of_sightings"]) == ("resolved", 1)
    assert made.parts.detections.get(made.card.id).detection.status == "active"
    (message,) = made.queued()
    assert '"resolved"' in message
    assert '"poll"' in message


def test_what_the_vendor_answered_is_stored_and_said_as_if_it_had_been_polled(desk):
    """By the queue, like everything else."""
    made = desk("endpoint")
    answered = raw(Desk.IDS["endpoint"], other_ids=[Desk.IDS["cloud"]], status="resolved", updated=AFTER)
    made.vendors["endpoint"].changed = answered
    shown = made.change(status="resolved").json()
    (message,) = made.queued()
    receiver: Any = made.parts.receiver
    unused: Any = None
    Ingester(
        configurations=receiver.configurations,
        detections=made.parts.detections,
        posture=unused,
        quarantine=made.parts.quarantine,
        filtered=unused,
        ledger=unused,
        mailbox=receiver.mailbox,
        vendors=made.parts.vendors,
    ).ingest(message, redelivered=False)
    stored = made.parts.detections.get(made.card.id)
    assert stored.detection.status == shown["status"] == "resolved"
    assert len(stored.sightings) == shown["number_of_sightings"] == 1


def test_a_change_that_could_not_be_read_again_is_still_one(desk):
    """The next poll brings it."""
    made = desk("endpoint")
    answer = made.change(status="resolved")
    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert made.queued() == []


def test_every_change_is_noted_before_it_is_made(desk):
    """With who and what, but not the comment's words."""
    made = desk("endpoint")
    made.vendors["endpoint"].changed = TryLater("Away.")
    made.change(status="resolved", comment="secret words")
    [entry] = made.parts.audit.page().entries
    assert (entry.action, entry.subject) == ("change_detection", made.card.id)
    assert entry.details["status"] == "resolved"
    assert "secret words" not in repr(entry)


@pytest.mark.parametrize(
    ("role", "body", "status"),
    [
        ("Reader", {"status": "resolved"}, 403),
        ("Responder", {}, 422),
        ("Responder", {"status": "closed"}, 422),
        ("Responder", {"status": "resolved", "surprise": 1}, 422),
        ("Admin", {"status": "resolved"}, 200),
    ],
)
def test_who_may_not_and_what_is_wrong_reaches_no_vendor(desk, role, body, status):
    """Admins may what Responders may."""
    made = desk("endpoint", role=role)
    assert made.change(**body).status_code == status
    assert made.asked() == ({"endpoint": 1} if status == 200 else {})


def test_a_detection_that_nobody_can_change_says_so(desk, parts):
    """Its configuration is switched off, or its vendor has no way."""
    made = desk("endpoint")
    off = made.parts.configurations.get("endpoint").configuration.model_copy(update={"enabled": False})
    parts.configurations.save(off)
    answer = made.change(status="resolved")
    assert (answer.status_code, "switched on" in answer.json()["detail"]) == (400, True)


def test_an_unknown_detection_is_404(desk):
    """Before anybody is asked."""
    made = desk("endpoint")
    made.card = made.card.model_copy(update={"id": f"{made.card.id[:-1]}0"})
    assert made.change(status="resolved").status_code == 404
    assert made.asked() == {}
