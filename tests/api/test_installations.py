"""Installations over the API: one's own, told apart, tested, forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from shared.nouns.notifications import Outcome, Reason, Transport
from shared.push.transport import Delivery

URL = "/api/v1/installations"
ENDPOINT = "https://push.example.test/canary-endpoint"
PHONE = {"name": "Phone", "transport": "webpush", "registration": {"endpoint": ENDPOINT, "more": "x"}}


@pytest.fixture
def other(signed_in: Any) -> Any:
    """Another Reader."""
    return signed_in("Reader", oid="00000000-0000-4000-8000-00000000000b")


def test_registering_twice_is_one_installation(reader: Any) -> None:
    """The same registration of the same owner is the same installation, with its newest name."""
    first = reader.post(URL, json=PHONE)
    second = reader.post(URL, json=PHONE | {"name": "New name"})

    assert (first.status_code, second.status_code) == (201, 201)
    assert [(i["id"], i["name"]) for i in reader.get(URL).json()["items"]] == [
        (first.json()["id"], "New name")
    ]


def test_what_an_admin_registers_is_told_of_troubles(reader: Any, admin: Any) -> None:
    """A Reader's is not; who has become an Admin registers again."""
    made = reader.post(URL, json=PHONE).json()
    again = admin.post(URL, json=PHONE).json()

    assert (made["admin"], again["admin"], again["id"]) == (False, True, made["id"])


def test_a_registration_is_never_shown(reader: Any, admin: Any) -> None:
    """Who knows it can push to it."""
    made = reader.post(URL, json=PHONE)
    shown = [reader.get(URL), admin.get(f"{URL}?all=true"), reader.post(f"{URL}/{made.json()['id']}/test")]

    assert "canary-endpoint" not in "".join(a.text for a in (made, *shown))


@pytest.mark.parametrize(
    ("registration", "status"),
    [({}, 400), ({"endpoint": "https://elsewhere.example.test/canary-endpoint"}, 422)],
)
def test_a_registration_that_the_service_does_not_take_is_refused(
    reader: Any, registration: dict[str, Any], status: int
) -> None:
    """Nothing is stored, and the address is not repeated."""
    answer = reader.post(URL, json=PHONE | {"registration": registration})

    assert (answer.status_code, "canary-endpoint" in answer.text) == (status, False)
    assert reader.get(URL).json()["items"] == []


def test_a_push_service_that_is_off_is_refused(reader: Any) -> None:
    """APNs has no key here."""
    answer = reader.post(URL, json=PHONE | {"transport": "apns"})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.transport")


def test_everybody_sees_only_their_own(reader: Any, other: Any) -> None:
    """And `all` is the Admin's."""
    reader.post(URL, json=PHONE)

    assert other.get(URL).json()["items"] == []
    assert other.get(f"{URL}?all=true").status_code == 403


def test_an_admin_sees_all_and_whose_they_are(reader: Any, signed_in: Any) -> None:
    """`mine` tells them apart."""
    reader.post(URL, json=PHONE)
    admin = signed_in("Admin", oid="00000000-0000-4000-8000-00000000000c")

    assert [i["mine"] for i in admin.get(f"{URL}?all=true").json()["items"]] == [False]


def test_a_phone_that_changes_hands_belongs_to_the_new_owner_only(reader: Any, other: Any) -> None:
    """One registration: the one before must not be told things on somebody else's phone."""
    reader.post(URL, json=PHONE)
    other.post(URL, json=PHONE)

    assert (len(reader.get(URL).json()["items"]), len(other.get(URL).json()["items"])) == (0, 1)


@pytest.mark.parametrize("action", [("DELETE", ""), ("POST", "/test")])
def test_anothers_installation_does_not_exist_for_you(
    reader: Any, other: Any, action: tuple[str, str]
) -> None:
    """Neither removal nor a test push, nor the knowledge that it is there."""
    made = reader.post(URL, json=PHONE).json()["id"]

    assert other.request(action[0], f"{URL}/{made}{action[1]}").status_code == 404
    assert len(reader.get(URL).json()["items"]) == 1


@pytest.mark.parametrize("who", ["reader", "admin"])
def test_the_owner_and_an_admin_can_remove_it(reader: Any, signed_in: Any, who: str) -> None:
    """A lost phone is switched off by either."""
    made = reader.post(URL, json=PHONE).json()["id"]
    caller = reader if who == "reader" else signed_in("Admin", oid="00000000-0000-4000-8000-00000000000c")

    assert caller.delete(f"{URL}/{made}").status_code == 204
    assert reader.get(URL).json()["items"] == []


def test_a_test_push_is_sent_and_its_outcome_told(reader: Any, parts: Any) -> None:
    """It goes through the real transport, at once."""
    made = reader.post(URL, json=PHONE).json()["id"]

    answer = reader.post(f"{URL}/{made}/test")

    notification, installation = parts.transports[Transport.webpush].sent[0]
    assert (answer.status_code, answer.json()["outcome"]) == (200, "delivered")
    assert (notification.reason, installation.id) == (Reason.test, made)
    assert installation.registration == {"endpoint": ENDPOINT}


def test_a_dead_registration_is_forgotten_by_its_test(reader: Any, parts: Any) -> None:
    """The push service said that it will never work again."""
    made = reader.post(URL, json=PHONE).json()["id"]
    parts.transports[Transport.webpush].delivery = Delivery(Outcome.gone, "Unsubscribed.")

    answer = reader.post(f"{URL}/{made}/test")

    assert answer.json() == {"outcome": "gone", "reason": "Unsubscribed.", "retry_after": None}
    assert reader.get(URL).json()["items"] == []


def test_the_key_to_subscribe_with_is_shown(reader: Any) -> None:
    """The VAPID public key."""
    assert reader.get("/api/v1/push/web").json() == {"public_key": "BPublicKey"}


def test_one_persons_installations_are_bounded(reader: Any, other: Any) -> None:
    """Whatever is said is sent to each; the oldest gives way, and nobody else's."""
    other.post(URL, json=PHONE)
    for n in range(30):
        wanted = PHONE | {"name": f"Phone {n}", "registration": {"endpoint": f"{ENDPOINT}-{n}"}}
        assert reader.post(URL, json=wanted).status_code == 201

    names = {i["name"] for i in reader.get(URL).json()["items"]}
    assert len(names) == 25
    assert "Phone 29" in names
    assert len(other.get(URL).json()["items"]) == 1


def test_removing_anothers_installation_is_in_the_audit(reader: Any, admin: Any, signed_in: Any) -> None:
    """One's own is nobody's business."""
    admin = signed_in("Admin", oid="00000000-0000-4000-8000-00000000000c")
    own = admin.post(URL, json=PHONE).json()["id"]
    admin.delete(f"{URL}/{own}")
    theirs = reader.post(URL, json=PHONE).json()
    admin.delete(f"{URL}/{theirs['id']}")

    [entry] = admin.get("/api/v1/audit").json()["items"]
    assert (entry["action"], entry["subject"]) == ("remove_installation", theirs["id"])
    assert entry["details"] == {"owner": theirs["owner"]}
