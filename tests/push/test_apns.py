"""APNs, against a stand-in that speaks HTTP/2 over TLS and checks the provider token as Apple does."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import jwt
import pytest

from shared.errors import BadRequest
from shared.nouns.detections import Severity, Status
from shared.nouns.notifications import Outcome, Privacy, Reason, Transport
from shared.push.signing import new_key

pytestmark = pytest.mark.peer

TOKEN = "ab12" * 16


@pytest.fixture
def send(make_apns: Callable[..., Any], make_notification: Any, make_installation: Any) -> Callable[..., Any]:
    """Send one notification to the phone through APNs; gives the Delivery."""

    def send(
        *, transport: Any = None, token: str = TOKEN, privacy: Any = Privacy.full, **changes: Any
    ) -> Any:
        registered = {"registered": changes.pop("registered")} if "registered" in changes else {}
        installation = make_installation({"token": token}, Transport.apns, privacy=privacy, **registered)
        return (transport or make_apns()).send(make_notification(**changes), installation)

    return send


def answering(apns: Any, status: int, reason: str, **more: Any) -> None:
    """Let APNs answer so for the phone."""
    apns.answers[TOKEN] = apns.Answer.saying(status, reason, **more)


def test_a_push_arrives_with_all_that_apns_wants(send: Any, apns: Any, clock: Any) -> None:
    """Over HTTP/2 (the stand-in refuses anything else), with the headers of Apple's page."""
    assert send().outcome is Outcome.delivered

    request = apns.requests[0]
    wanted = {"apns-topic": apns.topic, "apns-push-type": "alert", "apns-priority": "10"}
    assert request.path == f"/3/device/{TOKEN}"
    assert wanted.items() <= request.headers.items()
    assert int(request.headers["apns-expiration"]) == int((clock.now + timedelta(days=1)).timestamp())
    assert len(request.headers["apns-collapse-id"].encode()) <= 64


def test_the_phone_gets_words_and_facts(send: Any, apns: Any) -> None:
    """What iOS shows, and what the app opens."""
    send()

    payload = json.loads(apns.requests[0].body)
    assert payload["aps"]["alert"]["title"] == "Credential dumping with comsvcs.dll"
    assert (payload["aps"]["sound"], payload["aps"]["category"]) == ("default", "detection")
    assert payload["aps"]["thread-id"] == "ws-finance-07"
    assert payload["pocketsoc"]["link"] == "https://soc.example.net/portal/#/detections/7f3a-0c21"
    assert payload["pocketsoc"]["severity"] == "high"


@pytest.mark.parametrize(
    ("severity", "status", "level", "priority"),
    [
        (Severity.critical, Status.active, "time-sensitive", "10"),
        (Severity.high, Status.active, "time-sensitive", "10"),
        (Severity.medium, Status.active, "active", "5"),
        (Severity.unknown, Status.active, "active", "5"),
        (Severity.low, Status.active, "passive", "5"),
        (Severity.informational, Status.active, "passive", "5"),
        (Severity.critical, Status.resolved, "passive", "5"),
    ],
)
def test_interruption_follows_severity(
    send: Any, apns: Any, severity: Severity, status: Status, level: str, priority: str
) -> None:
    """Never `critical`, which would sound through a phone's silence."""
    send(severity=severity, status=status)

    request = apns.requests[0]
    aps = json.loads(request.body)["aps"]
    assert (aps["interruption-level"], request.headers["apns-priority"]) == (level, priority)
    assert ("sound" in aps) == (level != "passive")


def test_a_later_push_about_the_same_detection_replaces_the_earlier(send: Any, apns: Any) -> None:
    """The collapse id is the detection's."""
    send()
    send(id="7f3a-0c21.2", reason=Reason.reopened)
    send(detection_id="other")

    first, second, other = (request.headers["apns-collapse-id"] for request in apns.requests)
    assert first == second != other


@pytest.mark.parametrize("where", ["installation", "settings"])
def test_privacy_none_leaks_nothing_to_apple(send: Any, make_apns: Any, apns: Any, where: str) -> None:
    """APNs payloads are readable on their way, so this is where privacy matters most."""
    levels = {"installation": Privacy.full, "settings": Privacy.full} | {where: Privacy.none}

    send(transport=make_apns(privacy=levels["settings"]), privacy=levels["installation"])

    text = apns.requests[0].body.decode() + str(apns.requests[0].headers)
    assert "New detection" in text
    assert not [word for word in ("Credential", "ws-finance", "defender", "Head office") if word in text]


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        (400, "BadDeviceToken", Outcome.gone),
        (400, "DeviceTokenNotForTopic", Outcome.gone),
        (400, "TopicDisallowed", Outcome.our_fault),
        (400, "PayloadEmpty", Outcome.our_fault),
        (403, "InvalidProviderToken", Outcome.our_fault),
        (403, "BadCertificate", Outcome.our_fault),
        (404, "BadPath", Outcome.our_fault),
        (405, "MethodNotAllowed", Outcome.our_fault),
        (410, "Unregistered", Outcome.gone),
        (410, "ExpiredToken", Outcome.gone),
        (413, "PayloadTooLarge", Outcome.our_fault),
        (429, "TooManyRequests", Outcome.later),
        (429, "TooManyProviderTokenUpdates", Outcome.later),
        (500, "InternalServerError", Outcome.later),
        (503, "Shutdown", Outcome.later),
    ],
)
def test_every_answer_has_its_outcome(
    send: Any, apns: Any, status: int, reason: str, outcome: Outcome
) -> None:
    """And its reason is told in Apple's word, without the phone's token."""
    answering(apns, status, reason)

    delivery = send()

    assert (delivery.outcome, delivery.reason) == (outcome, f"APNs answered {status} {reason}")


def test_retry_after_is_kept(send: Any, apns: Any) -> None:
    """The pipeline waits as long as it was told."""
    answering(apns, 429, "TooManyRequests", headers={"retry-after": "12"})

    assert send().retry_after == 12.0


@pytest.mark.parametrize(
    ("registered", "outcome"), [("2026-11-01", Outcome.gone), ("2026-11-19", Outcome.later)]
)
def test_a_phone_that_registered_again_is_not_forgotten(
    send: Any, apns: Any, registered: str, outcome: Outcome
) -> None:
    """`Unregistered` comes with the time since when; a younger registration is not what it speaks of."""
    answering(apns, 410, "Unregistered", timestamp=1_763_000_000_000 + 86_400_000 * 363)  # 2026-11-11

    assert send(registered=f"{registered}T08:00:00.0000000Z").outcome is outcome


def test_an_expired_token_is_signed_anew_once(send: Any, make_apns: Any, apns: Any) -> None:
    """Our clock is half an hour behind: the floored token is too old for Apple, one of this minute is not."""
    apns.skew, transport = timedelta(minutes=45), make_apns()

    assert send(transport=transport).outcome is Outcome.delivered
    assert send(transport=transport).outcome is Outcome.delivered

    used = [request.headers["authorization"] for request in apns.requests]
    assert used[0] != used[1] == used[2]
    assert len(used) == 3


def test_a_clock_that_is_hours_off_is_our_fault(send: Any, apns: Any) -> None:
    """Signing anew does not help; it is tried once and then told."""
    apns.skew = timedelta(hours=3)

    delivery = send()

    assert (delivery.outcome, len(apns.requests)) == (Outcome.our_fault, 2)
    assert "ExpiredProviderToken" in delivery.reason


def test_two_instances_show_apns_one_token(send: Any, make_apns: Any, apns: Any, clock: Any) -> None:
    """Minutes apart, in transports that share nothing but the key."""
    send(transport=make_apns())
    clock.turn(minutes=7)
    send(transport=make_apns())

    first, second = (request.headers["authorization"] for request in apns.requests)
    assert first == second
    assert jwt.get_unverified_header(first.removeprefix("bearer "))["kid"] == apns.key_id


def test_a_wrong_key_is_our_fault(send: Any, make_apns: Any, vault: Any) -> None:
    """The operator stored another key than the one Apple knows."""
    vault.set("apns-signing-key", new_key())

    delivery = send(transport=make_apns(secrets=vault))

    assert (delivery.outcome, delivery.reason) == (
        Outcome.our_fault,
        "APNs answered 403 InvalidProviderToken",
    )


def test_a_missing_key_is_our_fault_and_named(send: Any, make_apns: Any, vault: Any) -> None:
    """Nothing is sent without it."""
    vault.set("other", "x")
    delivery = send(transport=make_apns(secrets=vault))

    assert (delivery.outcome, "apns-signing-key" in delivery.reason) == (Outcome.our_fault, True)


def test_many_pushes_by_many_threads_use_a_connection_for_each_thread(
    send: Any, make_apns: Any, apns: Any
) -> None:
    """Apple treats a connection for each push as an attack; one that threads share breaks."""
    transport = make_apns()
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(
            pool.map(lambda i: send(transport=transport, token=f"{i:04x}" * 16).outcome, range(120))
        )

    assert set(outcomes) == {Outcome.delivered}
    assert {r.path[-4:] for r in apns.requests} == {f"{i:04x}" for i in range(120)}
    assert len({request.connection for request in apns.requests}) <= 8


def test_the_largest_words_still_fit(send: Any, apns: Any) -> None:
    """The stand-in answers 413 beyond 4096 bytes, as Apple does."""
    assert send(title="漢" * 3000, asset="👩‍💻" * 1000, source='"' * 3000).outcome is Outcome.delivered


@pytest.mark.parametrize("changes", [{"url": "https://localhost:9"}, {"ca_bundle": None}])
def test_an_apns_that_is_away_or_not_trusted_is_later(
    send: Any, make_apns: Any, changes: dict[str, Any]
) -> None:
    """No answer is no verdict on the token, and the reason does not hold it."""
    delivery = send(transport=make_apns(**changes))

    assert delivery.outcome is Outcome.later
    assert TOKEN not in delivery.reason


@pytest.mark.parametrize(
    "url", ["http://localhost:1", "https://user@localhost", "https://localhost/path", ""]
)
def test_an_address_that_is_not_https_is_our_fault(send: Any, make_apns: Any, url: str) -> None:
    """The provider token never travels in the clear."""
    delivery = send(transport=make_apns(url=url))

    assert (delivery.outcome, "POCKETSOC_APNS_URL" in delivery.reason) == (Outcome.our_fault, True)


def test_neither_tokens_nor_words_are_logged(send: Any, apns: Any, caplog: pytest.LogCaptureFixture) -> None:
    """httpx2 logs every address unless it is told not to; here the address is the phone's token."""
    for name in (None, "httpx2", "httpcore2", "hpack"):
        caplog.set_level(logging.DEBUG, logger=name)

    send()

    for secret in (TOKEN, apns.requests[0].headers["authorization"], "Credential dumping"):
        assert secret not in caplog.text


@pytest.mark.parametrize("token", ["AB" * 32, "0f" * 100])
def test_a_token_of_32_to_100_bytes_is_kept_in_lower_case(make_apns: Any, token: str) -> None:
    """Apple says that their length may change."""
    assert make_apns().validate({"token": token, "more": 1}) == {"token": token.lower()}


@pytest.mark.parametrize(
    "token", ["ab" * 31, "ab" * 101, "xy" * 32, "ab" * 32 + "/", "ab" * 32 + "\n", None, 7, ["ab"]]
)
def test_what_is_no_token_is_refused(make_apns: Any, token: Any) -> None:
    """It would become part of an address."""
    with pytest.raises(BadRequest):
        make_apns().validate({"token": token})


def test_a_registration_of_another_app_is_refused(make_apns: Any, apns: Any) -> None:
    """Its token would be answered DeviceTokenNotForTopic for ever."""
    with pytest.raises(BadRequest):
        make_apns().validate({"token": TOKEN, "topic": "net.example.other"})
    assert make_apns().validate({"token": TOKEN, "topic": apns.topic}) == {"token": TOKEN}


def test_there_is_no_key_to_subscribe_with(make_apns: Any) -> None:
    """Apps register with Apple."""
    assert make_apns().public_key() is None


def test_a_closed_transport_opens_again(send: Any, make_apns: Any) -> None:
    """Closing frees the connection and ends nothing."""
    transport = make_apns()
    send(transport=transport)
    transport.close()

    assert send(transport=transport).outcome is Outcome.delivered
