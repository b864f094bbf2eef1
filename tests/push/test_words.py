"""What a push says at each privacy level, how loud, and that it always fits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import OperatorMustAct
from shared.nouns.detections import Severity, Status
from shared.nouns.notifications import Notification, Privacy, Reason
from shared.nouns.troubles import OpenTrouble, Trouble, TroubleKind
from shared.push import apns, web_push
from shared.push.words import Loudness, Words, collapse_key, fitted, loudness, shorten, showable, words_for

URL = "https://soc.example.net"
RENDERERS = [(web_push._payload, web_push.MAX_PAYLOAD), (apns._payload, apns.MAX_PAYLOAD)]

texts = st.text(max_size=3000)
notifications = st.builds(
    Notification,
    id=st.text(max_size=60),
    detection_id=st.text(min_size=1, max_size=60),
    reason=st.sampled_from(Reason),
    title=texts,
    severity=st.sampled_from(Severity),
    status=st.sampled_from(Status),
    vendor=texts,
    asset=st.none() | texts,
    source=st.none() | texts,
    created=st.none() | texts,
    text=st.none() | texts,
    trouble=st.none() | st.text(min_size=1, max_size=60),
)


def everything(words: Words) -> list[str]:
    """What each service gets to carry, as text."""
    return [render(words, Reason.first_sight).decode() for render, _ in RENDERERS]


def test_full_says_title_severity_asset_source_and_link(
    make_notification: Callable[..., Notification],
) -> None:
    """An analyst can decide from the lock screen."""
    words = words_for(make_notification(), Privacy.full, public_url=URL + "/")

    assert words.title == "Credential dumping with comsvcs.dll"
    assert words.body == "New detection · High · ws-finance-07 · Head office"
    assert words.link == "https://soc.example.net/portal/#/detections/7f3a-0c21"
    assert words.data["vendor"] == "defender_endpoint"


def test_title_says_the_title_and_the_reason_only(make_notification: Callable[..., Notification]) -> None:
    """Neither asset, severity, source nor vendor."""
    words = words_for(make_notification(), Privacy.title, public_url=URL)

    assert (words.title, words.body) == ("Credential dumping with comsvcs.dll", "New detection")
    for text in everything(words):
        assert not re.search("ws-finance-07|Head office|defender|2026-11-20", text, re.IGNORECASE)


@pytest.mark.parametrize("other", [Privacy.full, Privacy.title, Privacy.none])
def test_none_leaks_neither_title_asset_vendor_nor_source(
    make_notification: Callable[..., Notification], other: Privacy
) -> None:
    """Whichever side asked for it, the stricter level wins; the link holds the id alone."""
    for levels in ((Privacy.none, other), (other, Privacy.none)):
        words = words_for(make_notification(), *levels, public_url=URL)
        assert words.title == "New detection"
        for text in everything(words):
            assert not re.search("credential|comsvcs|ws-finance|Head office|defender", text, re.IGNORECASE)


def trouble_told(**changes: Any) -> Notification:
    """What is said of a configuration that cannot sign in."""
    trouble = Trouble(
        kind=TroubleKind.sign_in,
        subject="conf-canary",
        title="Head office cannot sign in",
        text="The secret has expired: make a new one.",
        since="2026-11-20T10:15:30.1234567Z",
    )
    return OpenTrouble(trouble=trouble, opened="2026-11-20T10:20:00.0000000Z", **changes).notification


def test_a_trouble_is_said_with_its_remedy_and_leads_to_the_status() -> None:
    """At full; what is said when it is over replaces it on the phone."""
    words = words_for(trouble_told(), Privacy.full, public_url=URL)
    over = words_for(trouble_told(over="2026-11-20T11:00:00.0000000Z"), Privacy.full, public_url=URL)

    assert words.title == over.title == "Head office cannot sign in"
    assert words.body == "Sign in again · The secret has expired: make a new one."
    assert (words.link, words.loudness) == (f"{URL}/portal/#/status", Loudness.loud)
    assert (over.body, over.loudness) == ("Resolved", Loudness.quiet)
    assert over.collapse_key == words.collapse_key
    assert over.ids != words.ids


@pytest.mark.parametrize(
    ("level", "hidden"), [(Privacy.title, "secret"), (Privacy.none, "secret|Head office")]
)
def test_a_trouble_keeps_to_the_privacy_level(level: Privacy, hidden: str) -> None:
    """And its id never names the configuration."""
    for text in everything(words_for(trouble_told(), level, public_url=URL)):
        assert not re.search(f"{hidden}|canary", text)


@settings(max_examples=60, deadline=None)
@given(notifications)
def test_at_none_a_push_depends_on_nothing_it_must_not_say(notification: Notification) -> None:
    """Two detections that differ only in what is private give equal pushes, byte for byte."""
    other = notification.model_copy(
        update={"title": "other", "vendor": "x", "asset": "y", "source": "z", "created": None, "text": "t"}
    )

    ours, theirs = (words_for(n, Privacy.none, public_url=URL) for n in (notification, other))

    assert everything(ours) == everything(theirs)


@settings(max_examples=150, deadline=None)
@given(notifications, st.sampled_from(Privacy))
def test_any_text_fits_every_service_and_stays_json(notification: Notification, privacy: Privacy) -> None:
    """Whatever a vendor writes, the push is valid UTF-8 JSON within the limit, with its link whole."""
    words = words_for(notification, privacy, public_url=URL)
    for render, limit in RENDERERS:
        payload = fitted(words, lambda cut, render=render: render(cut, notification.reason), limit)  # type: ignore[misc]
        assert len(payload) <= limit
        assert words.link in json.dumps(json.loads(payload.decode("utf-8")), ensure_ascii=False)


@pytest.mark.parametrize("letter", ["x", "é", "漢", "👩‍💻", '"', "\\", "\u0001", "\ud800"])
def test_the_largest_texts_of_each_width_fit(
    make_notification: Callable[..., Notification], letter: str
) -> None:
    """One to four bytes, what JSON escapes, and halves of surrogate pairs."""
    long = letter * 5000
    notification = make_notification(
        title=long, asset=long, source=long, vendor=long, detection_id=letter * 40
    )
    words = words_for(notification, Privacy.full, public_url=URL)
    for render, limit in RENDERERS:
        payload = fitted(words, lambda cut, render=render: render(cut, Reason.reopened), limit)  # type: ignore[misc]
        assert len(payload) <= limit


def test_an_address_too_long_for_any_push_is_named(make_notification: Callable[..., Notification]) -> None:
    """Half a link would be worse than none."""
    words = words_for(make_notification(), public_url="https://example.net/" + "x" * 4000)

    with pytest.raises(OperatorMustAct, match="POCKETSOC_PUBLIC_URL"):
        fitted(words, lambda cut: web_push._payload(cut, Reason.reopened), web_push.MAX_PAYLOAD)


@given(texts, st.integers(3, 400))
def test_shortening_never_breaks_a_character(text: str, room: int) -> None:
    """What is left is a beginning of the text, and an ellipsis where something was cut."""
    cut = shorten(text, room)

    assert len(cut.encode()) <= room
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))


@given(st.text(max_size=300), st.text(max_size=300))
def test_collapse_keys_are_short_url_safe_and_distinct(one: str, other: str) -> None:
    """At most 32 characters of the base64url alphabet (RFC 8030, section 5.4), one for each detection."""
    keys = [
        collapse_key(
            Notification(
                id="n",
                detection_id=d,
                reason=Reason.first_sight,
                title="t",
                severity="low",
                status="active",
                vendor="v",
            )
        )
        for d in (one, other)
    ]

    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,32}", key) for key in keys)
    assert (keys[0] == keys[1]) == (one == other)


def test_everything_about_one_detection_has_one_collapse_key(
    make_notification: Callable[..., Notification],
) -> None:
    """A raised severity replaces the first push on the phone."""
    first, second = make_notification(), make_notification(id="7f3a-0c21.2", reason=Reason.severity_raised)

    assert collapse_key(first) == collapse_key(second)


@pytest.mark.parametrize(
    ("severity", "status", "expected"),
    [
        (Severity.critical, Status.active, Loudness.loud),
        (Severity.high, Status.in_progress, Loudness.loud),
        (Severity.medium, Status.active, Loudness.normal),
        (Severity.unknown, Status.active, Loudness.normal),
        (Severity.low, Status.active, Loudness.quiet),
        (Severity.informational, Status.active, Loudness.quiet),
        (Severity.critical, Status.resolved, Loudness.quiet),
        (Severity.high, Status.dismissed, Loudness.quiet),
    ],
)
def test_loudness_follows_severity(
    make_notification: Callable[..., Notification], severity: Severity, status: Status, expected: Loudness
) -> None:
    """What is closed never wakes anybody; what is not recognised is not hushed."""
    assert loudness(make_notification(severity=severity, status=status)) is expected


@pytest.mark.parametrize(
    ("reason", "heading"),
    [
        (Reason.first_sight, "New detection"),
        (Reason.severity_raised, "Severity raised"),
        (Reason.reopened, "Detection reopened"),
    ],
)
def test_each_reason_has_its_words(
    make_notification: Callable[..., Notification], reason: Reason, heading: str
) -> None:
    """The same words at every level."""
    notification = make_notification(reason=reason)

    assert words_for(notification, Privacy.none, public_url=URL).title == heading
    assert words_for(notification, Privacy.title, public_url=URL).body == heading
    assert words_for(notification, Privacy.full, public_url=URL).body.startswith(heading)


def test_a_test_push_speaks_of_no_detection(make_notification: Callable[..., Notification]) -> None:
    """It leads to the portal, loudly, whatever it was made from."""
    words = words_for(
        make_notification(reason=Reason.test, severity=Severity.low), Privacy.full, public_url=URL
    )

    assert (words.title, words.link, words.loudness) == ("Test notification", URL + "/portal/", Loudness.loud)
    assert all("comsvcs" not in text for text in everything(words))


def test_a_title_cannot_turn_the_text_around_or_break_the_line() -> None:
    """Attackers choose file names, and file names get into titles."""
    assert showable("in\u202evoice_fdp.exe\nnext\u2066\u0007  line") == "in voice_fdp.exe next line"


def test_a_link_holds_any_id(make_notification: Callable[..., Notification]) -> None:
    """Ids may hold characters that mean something in an address."""
    words = words_for(make_notification(detection_id="a/b#c?d e|é"), public_url=URL)

    assert words.link == "https://soc.example.net/portal/#/detections/a%2Fb%23c%3Fd%20e%7C%C3%A9"
