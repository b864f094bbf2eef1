"""Web Push, against a push service over TLS that verifies and decrypts by other implementations than ours."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import jwt
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec

from shared.errors import BadRequest, HostNotAllowed, SignInFailed, TryLater
from shared.nouns.detections import Severity, Status
from shared.nouns.notifications import Outcome, Privacy, Reason, Transport
from shared.push.encryption import decode64

pytestmark = pytest.mark.peer


@pytest.fixture
def send(
    make_web_push: Callable[..., Any],
    make_notification: Callable[..., Any],
    make_installation: Callable[..., Any],
    push_service: Any,
    browser: Any,
) -> Callable[..., Any]:
    """Send one notification to the browser through the push service; gives the Delivery."""

    def send(
        *, transport: Any = None, endpoint: str | None = None, privacy: Any = Privacy.full, **changes: Any
    ) -> Any:
        transport = transport or make_web_push(push_service.host)
        subscription = browser.subscription(endpoint or push_service.endpoint())
        return transport.send(make_notification(**changes), make_installation(subscription, privacy=privacy))

    return send


def test_the_browser_reads_a_declarative_push(send: Any, push_service: Any, browser: Any) -> None:
    """What arrives is encrypted for this browser and says everything, for Safari and for a service worker
    alike."""
    assert send().outcome is Outcome.delivered

    document = browser.read(push_service.requests[0].body)

    shown = document["notification"]
    assert document["web_push"] == 8030
    assert shown["title"] == "Credential dumping with comsvcs.dll"
    assert (
        shown["navigate"] == shown["data"]["link"] == "https://soc.example.net/portal/#/detections/7f3a-0c21"
    )
    assert {"severity": "high", "asset": "ws-finance-07", "detection": "7f3a-0c21"}.items() <= shown[
        "data"
    ].items()


def test_the_service_can_verify_who_sends(
    send: Any, make_web_push: Any, push_service: Any, clock: Any
) -> None:
    """The token is signed by the key that browsers subscribed with, for exactly this service."""
    transport = make_web_push(push_service.host)
    send(transport=transport)

    scheme, _, rest = push_service.requests[0].headers["authorization"].partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode64(fields["k"]))
    audience, options = f"https://{push_service.host}", {"verify_exp": False, "require": ["exp"]}
    claims = jwt.decode(fields["t"], key, algorithms=["ES256"], audience=audience, options=options)  # type: ignore[arg-type]

    assert scheme == "vapid"
    assert fields["k"] == transport.public_key()
    assert claims["sub"] == "mailto:soc@example.net"
    assert 0 < claims["exp"] - clock.now.timestamp() <= 12 * 3600


@pytest.mark.parametrize(
    ("severity", "status", "urgency", "ttl"),
    [
        (Severity.critical, Status.active, "high", "86400"),
        (Severity.medium, Status.active, "normal", "86400"),
        (Severity.low, Status.active, "low", "86400"),
        (Severity.high, Status.resolved, "low", "3600"),
    ],
)
def test_headers_follow_the_detection(
    send: Any, push_service: Any, severity: Severity, status: Status, urgency: str, ttl: str
) -> None:
    """The service may hold a push for a day, and knows whether to wake the phone."""
    send(severity=severity, status=status)

    headers = push_service.requests[0].headers
    assert (headers["urgency"], headers["ttl"]) == (urgency, ttl)
    assert (headers["content-encoding"], len(headers["topic"])) == ("aes128gcm", 32)


def test_a_later_push_about_the_same_detection_replaces_the_earlier(
    send: Any, push_service: Any, browser: Any
) -> None:
    """Same topic at the service, same tag in the browser, and the browser speaks up again."""
    send()
    send(id="7f3a-0c21.2", reason=Reason.severity_raised)

    first, second = push_service.requests
    shown = browser.read(second.body)["notification"]
    assert first.headers["topic"] == second.headers["topic"]
    assert browser.read(first.body)["notification"]["tag"] == shown["tag"]
    assert shown["renotify"] is True


@pytest.mark.parametrize("where", ["installation", "settings"])
def test_privacy_none_leaks_nothing_to_whoever_can_decrypt(
    send: Any, make_web_push: Any, push_service: Any, browser: Any, where: str
) -> None:
    """The stricter of the installation's and the product's level decides."""
    levels = {"installation": Privacy.full, "settings": Privacy.full} | {where: Privacy.none}

    send(
        transport=make_web_push(push_service.host, privacy=levels["settings"]), privacy=levels["installation"]
    )

    text = str(browser.read(push_service.requests[0].body)) + str(push_service.requests[0].headers)
    assert "New detection" in text
    assert not [word for word in ("Credential", "ws-finance", "defender", "Head office") if word in text]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.delivered),
        (202, Outcome.delivered),
        (204, Outcome.delivered),
        (301, Outcome.our_fault),
        (400, Outcome.our_fault),
        (401, Outcome.our_fault),
        (403, Outcome.our_fault),
        (404, Outcome.gone),
        (408, Outcome.later),
        (410, Outcome.gone),
        (413, Outcome.our_fault),
        (429, Outcome.later),
        (500, Outcome.later),
        (503, Outcome.later),
    ],
)
def test_every_answer_has_its_outcome(send: Any, push_service: Any, status: int, outcome: Outcome) -> None:
    """Gone forgets the registration, later tries again, our fault waits for a person."""
    push_service.answer = push_service.Answer(status)

    delivery = send()

    assert delivery.outcome is outcome
    assert bool(delivery.reason) == (outcome is not Outcome.delivered)


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("-3", 0.0), ("9999999", 86400.0), ("soon", None), ("nan", None)]
)
def test_retry_after_in_seconds_is_kept(
    send: Any, push_service: Any, value: str, seconds: float | None
) -> None:
    """As the service said, within reason."""
    push_service.answer = push_service.Answer(429, b"", {"Retry-After": value})

    assert send().retry_after == seconds


def test_retry_after_as_a_date_is_kept(send: Any, push_service: Any, clock: Any) -> None:
    """RFC 9110 allows both forms."""
    when = format_datetime(datetime(2026, 11, 20, 10, 21, 30, tzinfo=UTC), usegmt=True)
    push_service.answer = push_service.Answer(503, b"", {"Retry-After": when})

    assert send().retry_after == 90.0


def test_a_service_s_word_is_told_and_nothing_else_of_its_answer(send: Any, push_service: Any) -> None:
    """The word helps the operator; a body may quote the endpoint or the token."""
    answer = push_service.Answer
    push_service.answer = answer.saying(403, "BadJwtToken", detail="phone-secret")
    assert send().reason == f"{push_service.host} answered 403 BadJwtToken"

    push_service.answer = answer.saying(400, "endpoint https://x/phone-secret is bad")
    assert send().reason == f"{push_service.host} answered 400"


@pytest.mark.parametrize("body", [b"[" * 4000, b"\xff\xfe", b"{" + b"x" * 100_000, b"[]"])
def test_an_odd_answer_never_raises(send: Any, push_service: Any, body: bytes) -> None:
    """The status alone decides."""
    push_service.answer = push_service.Answer(410, body)

    assert send().outcome is Outcome.gone


def test_a_compressed_answer_that_is_none_never_raises(send: Any, push_service: Any) -> None:
    """A broken encoding is the service's trouble; its status still counts."""
    push_service.answer = push_service.Answer(
        500, gzip.compress(b"{}")[:-9] + b"junk", {"Content-Encoding": "gzip"}
    )

    assert send().outcome is Outcome.later


def test_a_redirect_is_not_followed(send: Any, push_service: Any) -> None:
    """It would lead out of the allow-list."""
    push_service.answer = push_service.Answer(307, b"", {"Location": push_service.endpoint("elsewhere")})

    assert send().outcome is Outcome.our_fault
    assert [request.path for request in push_service.requests] == ["/push/phone"]


def test_the_allow_list_is_asked_again_at_send(send: Any, make_web_push: Any, push_service: Any) -> None:
    """A registration stored when the host was allowed is not called once it no longer is."""
    delivery = send(transport=make_web_push())

    assert delivery.outcome is Outcome.our_fault
    assert "POCKETSOC_PUSH_HOSTS" in delivery.reason
    assert push_service.requests == []


def test_a_wrong_host_setting_stops_pushes_with_words(
    send: Any, make_web_push: Any, push_service: Any
) -> None:
    """It does not stop the product from starting."""
    delivery = send(transport=make_web_push(push_service.host, "https://wrong/"))

    assert (delivery.outcome, push_service.requests) == (Outcome.our_fault, [])


def test_a_stranger_s_certificate_is_not_believed(send: Any, make_web_push: Any, push_service: Any) -> None:
    """Without the operator's bundle the local authority is a stranger."""
    delivery = send(transport=make_web_push(push_service.host, ca_bundle=None))

    assert delivery.outcome is Outcome.later
    assert (push_service.requests, "SSLError" in delivery.reason) == ([], True)


def test_a_certificate_for_another_name_is_not_believed(
    send: Any, make_web_push: Any, server_context: Any, push_service: Any, authority: trustme.CA
) -> None:
    """A trusted authority is not enough: the name counts."""
    authority.issue_cert("other.example").configure_cert(server_context)

    assert send().outcome is Outcome.later
    assert push_service.requests == []


def test_a_bundle_that_is_missing_is_named(send: Any, make_web_push: Any, push_service: Any) -> None:
    """It is a setting, so it is the operator's to mend."""
    delivery = send(transport=make_web_push(push_service.host, ca_bundle="/no/such/file.pem"))

    assert (delivery.outcome, "POCKETSOC_CA_BUNDLE" in delivery.reason) == (Outcome.our_fault, True)


def test_proxies_in_the_environment_are_not_used(
    send: Any, push_service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor .netrc: what is sent, and where, depends on settings alone."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert send().outcome is Outcome.delivered


def test_a_service_that_is_away_is_later(send: Any, make_web_push: Any) -> None:
    """Nobody listens on port 9."""
    delivery = send(transport=make_web_push("127.0.0.1:9"), endpoint="https://127.0.0.1:9/push/phone-secret")

    assert delivery.outcome is Outcome.later
    assert "phone-secret" not in delivery.reason


@pytest.mark.parametrize(
    ("error", "outcome", "wait"),
    [
        (TryLater("The vault is busy.", retry_after=3.0), Outcome.later, 3.0),
        (SignInFailed("The app's identity has no role on the vault."), Outcome.our_fault, None),
    ],
)
def test_secrets_that_fail_become_a_delivery(
    send: Any, vault: Any, push_service: Any, error: Exception, outcome: Outcome, wait: float | None
) -> None:
    """Send never raises: the pipeline has other installations to serve."""
    vault.fails = error

    delivery = send()

    assert (delivery.outcome, delivery.retry_after, delivery.reason) == (outcome, wait, str(error))


def test_neither_endpoint_nor_token_is_logged(
    send: Any, push_service: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Even with all logging on."""
    for name in (None, "urllib3.connectionpool"):
        caplog.set_level(logging.DEBUG, logger=name)

    send(endpoint=push_service.endpoint("phone-secret"))

    assert "phone-secret" not in caplog.text
    assert push_service.requests[0].headers["authorization"] not in caplog.text


def test_threads_share_a_transport_and_reuse_connections(
    send: Any, make_web_push: Any, push_service: Any
) -> None:
    """Forty pushes by four threads need four connections at most, and each browser message stays whole."""
    transport = make_web_push(push_service.host)
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: send(transport=transport).outcome, range(40)))

    assert set(outcomes) == {Outcome.delivered}
    assert len({request.connection for request in push_service.requests}) <= 4


def test_registration_keeps_only_what_is_needed(make_web_push: Any, push_service: Any, browser: Any) -> None:
    """A PushSubscription has more members; none is stored, and equal keys are stored equally."""
    subscription = browser.subscription(push_service.endpoint())
    padded = {name: text + "=" * (-len(text) % 4) for name, text in subscription["keys"].items()}

    kept = make_web_push(push_service.host).validate(subscription | {"extra": "x", "keys": padded})

    assert kept == {"endpoint": subscription["endpoint"], "keys": subscription["keys"]}


@pytest.mark.parametrize("keys", [None, {}, {"p256dh": "AAAA", "auth": "AAAA"}, "text", {"auth": "A" * 22}])
def test_a_registration_without_proper_keys_is_refused(make_web_push: Any, keys: Any) -> None:
    """Its pushes could never be read."""
    with pytest.raises(BadRequest):
        make_web_push().validate({"endpoint": "https://fcm.googleapis.com/x", "keys": keys})


def test_a_registration_elsewhere_is_refused(make_web_push: Any, browser: Any) -> None:
    """The allow-list stands at the door already."""
    with pytest.raises(HostNotAllowed):
        make_web_push().validate(browser.subscription("https://169.254.169.254/latest"))


def test_a_stored_registration_that_is_broken_never_raises(
    make_web_push: Any, make_notification: Any, make_installation: Any
) -> None:
    """One bad row must not stop the others."""
    assert make_web_push().send(make_notification(), make_installation({})).outcome is Outcome.our_fault


def test_it_is_the_web_push_transport(make_web_push: Any) -> None:
    """Its name is what installations are stored with."""
    assert make_web_push().name is Transport.webpush
