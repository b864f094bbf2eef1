"""Apple's push service: to a native iOS app whose publisher gave this installation a signing key.

Sources: Apple, "Sending notification requests to APNs", "Establishing a token-based connection to APNs",
"Handling notification responses from APNs". APNs needs HTTP/2, which requests has not: this is the one
place where httpx2 is used.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from shared.errors import BadRequest, OperatorMustAct, PocketSOCError
from shared.nouns.detections import moment_of
from shared.nouns.notifications import Installation, Notification, Outcome, Privacy, Reason, Transport
from shared.push.outcomes import answer_of, no_answer, of_error, of_status, seconds_until, word_of
from shared.push.provider_tokens import ProviderTokens
from shared.push.signing import Secrets, StoredKey
from shared.push.transport import Delivery
from shared.push.trust import tls_context
from shared.push.words import Loudness, Words, fitted, words_for

if TYPE_CHECKING:
    import httpx2

MAX_PAYLOAD = 4096

_SERVICE = "APNs"
_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}){32,100}")
_GONE = {"BadDeviceToken", "DeviceTokenNotForTopic", "Unregistered", "ExpiredToken"}
_LEVEL = {Loudness.loud: "time-sensitive", Loudness.normal: "active", Loudness.quiet: "passive"}
# Longer than the pauses between pushes on a busy day, shorter than what middle boxes keep an idle
# connection for.
_IDLE_SECONDS = 200


class ApnsTransport:
    """Sends to the app `topic` (bundle id) with the key in the secret `key_reference`. One HTTP/2
    connection for each thread, kept: the client numbers the streams of a connection that threads share out
    of order now and then, and APNs ends such a connection.

    `url` is production or the sandbox; `ca_bundle` a PEM file of further authorities; `privacy` the most a
    push may say. The interruption level `critical` is never used: Apple grants it to few, and it overrides
    a phone's silence.
    """

    name: ClassVar[Transport] = Transport.apns

    def __init__(
        self,
        secrets: Secrets,
        *,
        key_reference: str,
        key_id: str,
        team_id: str,
        topic: str,
        url: str,
        public_url: str,
        privacy: Privacy = Privacy.full,
        ca_bundle: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._tokens = ProviderTokens(
            StoredKey(secrets, key_reference), key_id=key_id, team_id=team_id, clock=clock
        )
        self._topic = topic
        self._url = url.rstrip("/")
        self._public_url = public_url
        self._privacy = privacy
        self._ca_bundle = ca_bundle
        self._clock = clock
        self._lock = threading.Lock()
        self._threads = threading.local()
        self._clients: list[httpx2.Client] = []

    def public_key(self) -> str | None:
        """None: APNs apps register with Apple, not with us."""
        return None

    def validate(self, registration: dict[str, Any]) -> dict[str, Any]:
        """`{token}`, 64 to 200 hex digits; a `topic` beside it must be the configured app's. Raises
        BadRequest."""
        token, topic = registration.get("token"), registration.get("topic")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise BadRequest("The APNs registration's token must have 64 to 200 hexadecimal digits.")
        if topic not in (None, self._topic):
            raise BadRequest("The APNs registration is for another app than the one that is configured.")
        return {"token": token.lower()}

    def send(self, notification: Notification, installation: Installation) -> Delivery:
        """Hand over one notification; see PushTransport."""
        try:
            token = self.validate(installation.registration)["token"]
            words = words_for(notification, installation.privacy, self._privacy, public_url=self._public_url)
            payload = fitted(words, lambda cut: _payload(cut, notification.reason), MAX_PAYLOAD)
            return self._post(
                token, payload, self._headers(words), registered=moment_of(installation.registered)
            )
        except PocketSOCError as error:
            return of_error(error)

    def close(self) -> None:
        """Close the connections; a later send opens a new one."""
        with self._lock:
            self._threads = threading.local()
            clients, self._clients = self._clients, []
        for client in clients:
            client.close()

    def _headers(self, words: Words) -> dict[str, str]:
        until = self._clock() + timedelta(seconds=words.seconds_to_live)
        return {
            "apns-topic": self._topic,
            "apns-push-type": "alert",
            "apns-priority": "10" if words.loudness is Loudness.loud else "5",
            "apns-expiration": str(int(until.timestamp())),  # absolute: a small number would mean 1970
            "apns-collapse-id": words.collapse_key,
        }

    def _post(self, token: str, payload: bytes, headers: dict[str, str], *, registered: datetime) -> Delivery:
        import httpx2

        path = f"{self._url}/3/device/{token}"
        ours = self._tokens.token()
        try:
            answer = self._client.post(
                path, content=payload, headers=headers | {"authorization": f"bearer {ours}"}
            )
            if _word(answer) == "ExpiredProviderToken":
                ours = self._tokens.renewed(ours)
                answer = self._client.post(
                    path, content=payload, headers=headers | {"authorization": f"bearer {ours}"}
                )
        except httpx2.HTTPError as error:
            return no_answer(_SERVICE, error)
        return _delivery(answer, registered=registered, now=self._clock())

    @property
    def _client(self) -> httpx2.Client:
        client: httpx2.Client | None = getattr(self._threads, "client", None)
        if client is None:
            client = self._threads.client = self._opened()
            with self._lock:
                self._clients.append(client)
        return client

    def _opened(self) -> httpx2.Client:
        import httpx2

        if not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]+)?", self._url):
            raise OperatorMustAct("POCKETSOC_APNS_URL must be https:// and a host.")
        # At INFO, httpx2 logs every address, and ours end with the phone's token; below it, headers.
        for name in ("httpx2", "httpcore2", "hpack"):
            logging.getLogger(name).setLevel(logging.WARNING)
        return httpx2.Client(
            http1=False,
            http2=True,
            verify=tls_context(self._ca_bundle),
            trust_env=False,
            timeout=httpx2.Timeout(15.0, connect=5.0),
            limits=httpx2.Limits(keepalive_expiry=_IDLE_SECONDS),
        )


def _word(answer: httpx2.Response) -> str | None:
    return word_of(answer_of(answer.content))


def _delivery(answer: httpx2.Response, *, registered: datetime, now: datetime) -> Delivery:
    word = _word(answer)
    wait = seconds_until(answer.headers.get("retry-after"), now)
    sorted_by_status = of_status(_SERVICE, answer.status_code, word=word, retry_after=wait)
    if word == "Unregistered" and _registered_since(answer, registered):
        return Delivery(Outcome.later, sorted_by_status.reason)
    if word in _GONE:
        return Delivery(Outcome.gone, sorted_by_status.reason)
    if word == "BadPath":  # the one 404 that is no verdict on the token
        return Delivery(Outcome.our_fault, sorted_by_status.reason)
    return sorted_by_status


def _registered_since(answer: httpx2.Response, registered: datetime) -> bool:
    """Whether the app registered again after the moment (milliseconds) from which APNs knows the token to
    be invalid."""
    since = answer_of(answer.content).get("timestamp")
    return isinstance(since, int) and registered.timestamp() * 1000 > since


def _payload(words: Words, reason: Reason) -> bytes:
    aps: dict[str, Any] = {
        "alert": {"title": words.title, "body": words.body},
        "thread-id": words.group,
        "category": "test" if reason is Reason.test else "detection",
        "interruption-level": _LEVEL[words.loudness],
    }
    if words.loudness is not Loudness.quiet:
        aps["sound"] = "default"
    return json.dumps(
        {"aps": aps, "pocketsoc": words.data}, ensure_ascii=False, separators=(",", ":")
    ).encode("utf-8", "replace")
