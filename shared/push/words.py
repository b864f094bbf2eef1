"""What a push says, for every transport alike: as much as privacy allows, as loud as it should, cut to fit.

A push crosses a push service and shows on a lock screen. `full` says everything a card's first lines say;
`title` the title alone; `none` only that there is something to look at. What a level forbids is left out
here, once, so no transport can leak it. How loud a push is follows the severity at every level, since
without that a phone could not be woken for what matters.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from urllib.parse import quote

from shared.errors import OperatorMustAct
from shared.nouns.detections import Severity
from shared.nouns.notifications import Notification, Privacy, Reason
from shared.push.encryption import encode64

OPEN_SECONDS, CLOSED_SECONDS = 24 * 3600, 3600

_STRICTNESS = (Privacy.full, Privacy.title, Privacy.none)
_HEADINGS = {
    Reason.first_sight: "New detection",
    Reason.severity_raised: "Severity raised",
    Reason.reopened: "Detection reopened",
    Reason.late: "New detection, found late",
    Reason.test: "Test notification",
    Reason.blind: "PocketSOC does not see everything",
    Reason.restored: "Resolved",
    Reason.expiring: "A credential ends soon",
    Reason.sign_in_again: "Sign in again",
}
# Controls, and the marks that turn the direction of text: a title may quote what an attacker named a file.
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# How many UTF-8 bytes each text may have, tried in turn until the push fits its service.
_ROOMS = (800, 400, 200, 100, 50)


class Loudness(StrEnum):
    """How much a phone should be disturbed."""

    loud = "loud"
    normal = "normal"
    quiet = "quiet"


@dataclass(frozen=True, slots=True)
class Words:
    """One push in words. `facts` is what the level lets the app show beyond them; `group` gathers what
    belongs together."""

    title: str
    body: str
    link: str
    loudness: Loudness
    seconds_to_live: int
    collapse_key: str
    group: str = "detections"
    ids: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, str]:
        """What the app reads from the push, whichever service brought it."""
        return {"link": self.link, **self.ids, **self.facts}

    def cut(self, room: int) -> Words:
        """The same with no text longer than `room` UTF-8 bytes; link and ids stay whole, for half of one is
        useless."""
        facts = {name: shorten(text, room) for name, text in self.facts.items()}
        return replace(self, title=shorten(self.title, room), body=shorten(self.body, room), facts=facts)


def words_for(notification: Notification, *privacy: Privacy, public_url: str) -> Words:
    """The push for a notification. Of several privacy levels (the installation's, the product's) the
    strictest counts."""
    level = max(privacy, key=_STRICTNESS.index, default=Privacy.full)
    heading = _HEADINGS[notification.reason]
    portal = f"{public_url.rstrip('/')}/portal/"
    plain = Words(
        title=heading,
        body="Open PocketSOC to see it.",
        link=f"{portal}#/detections/{quote(notification.detection_id, safe='', errors='replace')}",
        loudness=loudness(notification),
        seconds_to_live=CLOSED_SECONDS if notification.status.closed else OPEN_SECONDS,
        collapse_key=collapse_key(notification),
        ids={
            "detection": notification.detection_id,
            "notification": notification.id,
            "reason": notification.reason.value,
        },
    )
    if not notification.detection_id:
        ids = {"notification": notification.id, "reason": notification.reason.value}
        plain = replace(plain, link=f"{portal}#/status", ids=ids)
    if notification.reason is Reason.test:
        return replace(plain, body="Push notifications reach this installation.", link=portal)
    if level is Privacy.none:
        return plain
    title = showable(notification.title) or heading
    if level is Privacy.title:
        return replace(plain, title=title, body=heading)
    if notification.trouble:
        return replace(plain, title=title, body=_body_of_trouble(notification), group="troubles")
    return replace(
        plain,
        title=title,
        body=_summary(notification),
        facts=_facts(notification),
        group=_group(notification),
    )


def _body_of_trouble(notification: Notification) -> str:
    parts = (_HEADINGS[notification.reason], showable(notification.text or ""))
    return " · ".join(filter(None, parts))


def fitted(words: Words, render: Callable[[Words], bytes], limit: int) -> bytes:
    """What `render` makes of the words, cut until it has at most `limit` bytes. Raises OperatorMustAct if
    even the link is too long."""
    for room in _ROOMS:
        payload = render(words.cut(room))
        if len(payload) <= limit:
            return payload
    raise OperatorMustAct("A push does not fit its service's limit: POCKETSOC_PUBLIC_URL is too long.")


def loudness(notification: Notification) -> Loudness:
    """Loud for critical and high (and tests, which are waited for), quiet for low, informational and
    closed, else normal: a severity that was not recognised must be looked at."""
    if notification.reason is Reason.test:
        return Loudness.loud
    if notification.status.closed or notification.severity in (Severity.low, Severity.informational):
        return Loudness.quiet
    return Loudness.loud if notification.severity.rank >= Severity.high.rank else Loudness.normal


def collapse_key(notification: Notification) -> str:
    """32 url-safe characters, equal for everything said about one detection or trouble, so that a later push
    replaces an earlier one. A digest, because push services see it."""
    subject = f"detection {notification.detection_id}"
    if notification.trouble:
        subject = f"trouble {notification.trouble}"
    elif notification.reason is Reason.test:
        subject = "test"
    return encode64(hashlib.sha256(subject.encode("utf-8", "replace")).digest()[:24])


def showable(text: str) -> str:
    """One line without controls, marks that turn the text's direction, and repeated space."""
    return " ".join(_UNSHOWABLE.sub(" ", text).split())


def shorten(text: str, room: int) -> str:
    """At most `room` (3 or more) bytes of UTF-8, never ending within a character; an ellipsis says that
    something was cut."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= room:
        return raw.decode()
    return raw[: room - 3].decode("utf-8", "ignore").rstrip() + "…"


def _summary(notification: Notification) -> str:
    unknown = notification.severity is Severity.unknown
    severity = "Unknown severity" if unknown else notification.severity.value.capitalize()
    origin = notification.source or notification.vendor.replace("_", " ").capitalize()
    parts = (_HEADINGS[notification.reason], severity, notification.asset, origin)
    return " · ".join(part for part in map(showable, filter(None, parts)) if part)


def _facts(notification: Notification) -> dict[str, str]:
    facts = {
        "severity": notification.severity.value,
        "status": notification.status.value,
        "vendor": notification.vendor,
        "asset": notification.asset,
        "source": notification.source,
        "created": notification.created,
    }
    shown = {name: showable(value or "") for name, value in facts.items()}
    return {name: value for name, value in shown.items() if value}


def _group(notification: Notification) -> str:
    """Detections on one asset are shown together."""
    return shorten(showable(notification.asset or ""), 64) or "detections"
