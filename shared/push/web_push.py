"""Web Push: to the installed web app in any browser, without a store account.

Sources: RFC 8030 (TTL, Urgency, Topic), RFC 8291 (encryption), RFC 8292 (VAPID), and the Push API's
declarative messages, which new Safari shows by itself and every service worker can read as JSON.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar

import requests
import urllib3

from shared.errors import BadRequest, PocketSOCError
from shared.nouns.notifications import Installation, Notification, Privacy, Reason, Transport
from shared.push.encryption import Recipient, encrypt
from shared.push.hosts import AllowedHosts
from shared.push.outcomes import answer_of, no_answer, of_error, of_status, seconds_until, word_of
from shared.push.signing import Secrets
from shared.push.transport import Delivery
from shared.push.trust import https_session
from shared.push.vapid import Vapid
from shared.push.words import Loudness, Words, fitted, words_for

# Services take 4096 bytes, of which encryption needs 103.
MAX_PAYLOAD = 3900
_DECLARATIVE = 8030
_TIMEOUT = (5.0, 15.0)
_READ = 4096
_URGENCY = {Loudness.loud: "high", Loudness.normal: "normal", Loudness.quiet: "low"}


class WebPushTransport:
    """Sends to the push services in the allow-list: the known ones and `allowed_hosts` (see
    `hosts.AllowedHosts`).

    `subject` is the contact that services see; `ca_bundle` a PEM file of further authorities; `privacy` the
    most a push may say.
    """

    name: ClassVar[Transport] = Transport.webpush

    def __init__(
        self,
        secrets: Secrets,
        subject: str,
        allowed_hosts: Iterable[str] = (),
        *,
        public_url: str,
        privacy: Privacy = Privacy.full,
        ca_bundle: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._vapid = Vapid(secrets, subject, clock=clock)
        self._further_hosts = tuple(allowed_hosts)
        self._public_url = public_url
        self._privacy = privacy
        self._ca_bundle = ca_bundle
        self._clock = clock
        self._thread = threading.local()

    @cached_property
    def _hosts(self) -> AllowedHosts:
        # On first use: a wrong entry must stop pushes with words, not the whole product at its start.
        return AllowedHosts(self._further_hosts)

    def public_key(self) -> str:
        """The VAPID public key, base64url; made on first use."""
        return self._vapid.public_key()

    def validate(self, registration: dict[str, Any]) -> dict[str, Any]:
        """`{endpoint, keys: {p256dh, auth}}` of a browser's PushSubscription, and nothing else of it.
        Raises BadRequest, HostNotAllowed."""
        endpoint, keys = registration.get("endpoint"), registration.get("keys")
        self._hosts.origin(endpoint)
        if not isinstance(keys, dict):
            raise BadRequest("The push registration has no keys.")
        recipient = Recipient.parse(keys.get("p256dh"), keys.get("auth"))
        return {"endpoint": endpoint, "keys": recipient.as_keys()}

    def send(self, notification: Notification, installation: Installation) -> Delivery:
        """Encrypt and hand over one notification; see PushTransport."""
        try:
            checked = self.validate(installation.registration)
            origin = self._hosts.origin(checked["endpoint"])
            words = words_for(notification, installation.privacy, self._privacy, public_url=self._public_url)
            payload = fitted(words, lambda cut: _payload(cut, notification.reason), MAX_PAYLOAD)
            body = encrypt(payload, Recipient.parse(**checked["keys"]))
            headers = _headers(words) | {"Authorization": self._vapid.authorization(origin)}
            return self._post(checked["endpoint"], body, headers, service=origin.removeprefix("https://"))
        except PocketSOCError as error:
            return of_error(error)

    def _post(self, endpoint: str, body: bytes, headers: dict[str, str], *, service: str) -> Delivery:
        session = self._session()
        try:
            with session.post(
                endpoint, data=body, headers=headers, timeout=_TIMEOUT, allow_redirects=False, stream=True
            ) as answer:
                word = _word_in(answer)
        except (requests.RequestException, OSError) as error:
            return no_answer(service, error)
        wait = seconds_until(answer.headers.get("Retry-After"), self._clock())
        return of_status(service, answer.status_code, word=word, retry_after=wait)

    def _session(self) -> requests.Session:
        # One for each thread: requests does not promise that a session may be shared.
        session: requests.Session | None = getattr(self._thread, "session", None)
        if session is None:
            session = self._thread.session = https_session(self._ca_bundle)
            # At DEBUG, urllib3 logs paths, and an endpoint's path is the right to send to that browser.
            logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        return session


def _word_in(answer: requests.Response) -> str | None:
    try:
        return word_of(answer_of(answer.raw.read(_READ, decode_content=True)))
    except (urllib3.exceptions.HTTPError, OSError):
        return None  # the status has said enough


def _headers(words: Words) -> dict[str, str]:
    return {
        "TTL": str(words.seconds_to_live),
        "Urgency": _URGENCY[words.loudness],
        "Topic": words.collapse_key,
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
    }


def _payload(words: Words, reason: Reason) -> bytes:
    notification: dict[str, Any] = {
        "title": words.title,
        "body": words.body,
        "navigate": words.link,
        "tag": words.collapse_key,
        "data": words.data,
    }
    if reason is not Reason.first_sight:
        notification["renotify"] = True  # else a browser replaces the earlier one without a sound
    if words.loudness is Loudness.loud:
        notification["requireInteraction"] = True
    document = {"web_push": _DECLARATIVE, "notification": notification}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
