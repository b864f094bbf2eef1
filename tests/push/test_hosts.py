"""The allow-list of push hosts."""

from __future__ import annotations

import pytest

from shared.errors import HostNotAllowed, OperatorMustAct
from shared.push.hosts import AllowedHosts

FURTHER = ("push.example.org", "localhost:8443", "127.0.0.1:9443", "[::1]:9443", "*.up.example.org")


@pytest.mark.parametrize(
    ("endpoint", "origin"),
    [
        ("https://fcm.googleapis.com/fcm/send/abc:APA91b-_x", "https://fcm.googleapis.com"),
        (
            "https://updates.push.services.mozilla.com/wpush/v2/gAAA",
            "https://updates.push.services.mozilla.com",
        ),
        ("https://web.push.apple.com/QABC", "https://web.push.apple.com"),
        ("https://api.push.apple.com/x", "https://api.push.apple.com"),
        (
            "https://wns2-par02p.notify.windows.com/w/?token=Bw%2b%3d",
            "https://wns2-par02p.notify.windows.com",
        ),
        ("https://FCM.GoogleApis.com:443/fcm/send/abc", "https://fcm.googleapis.com"),
        ("https://push.example.org/x", "https://push.example.org"),
        ("https://localhost:8443/x", "https://localhost:8443"),
        ("https://127.0.0.1:9443/x", "https://127.0.0.1:9443"),
        ("https://[::1]:9443/x", "https://[::1]:9443"),
        ("https://a.b.up.example.org/UP?id=1", "https://a.b.up.example.org"),
    ],
)
def test_known_and_added_push_services_are_allowed(endpoint: str, origin: str) -> None:
    """The origin is what VAPID signs for: lower case, without the default port."""
    assert AllowedHosts(FURTHER).origin(endpoint) == origin


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x",
        "//fcm.googleapis.com/x",
        "ftp://fcm.googleapis.com/x",
        "https:/fcm.googleapis.com/x",
        "https://fcm.googleapis.com",
        "https://evil.example/x",
        "https://fcm.googleapis.com.evil.example/x",
        "https://evilfcm.googleapis.com/x",
        "https://x.fcm.googleapis.com/x",
        "https://push.services.mozilla.com/x",
        "https://evilpush.apple.com/x",
        "https://notify.windows.com/x",
        "https://.notify.windows.com/x",
        "https://a..notify.windows.com/x",
        "https://fcm.googleapis.com./x",
        "https://fcm.googleapis.com@evil.example/x",
        "https://user:pass@fcm.googleapis.com/x",
        "https://evil.example\\@fcm.googleapis.com/x",
        "https://evil.example#@fcm.googleapis.com/x",
        "https://evil.example?@fcm.googleapis.com/x",
        "https://fcm.googleapis.com\\.evil.example/x",
        "https://fcm.googleapis.com%2eevil.example/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com:/x",
        "https://fcm.googleapis.com:80/x",
        "https://fcm.googleapis.com:443@evil.example/x",
        "https://fcm.googleapis.com:00000000443/x",
        "https://push.example.org:8443/x",
        "https://localhost/x",
        "https://localhost:8444/x",
        "https://127.0.0.1/x",
        "https://2130706433:9443/x",
        "https://0x7f.1:9443/x",
        "https://169.254.169.254/metadata",
        "https://[::ffff:127.0.0.1]:9443/x",
        "https://[fe80::1%25eth0]:9443/x",
        "https://\uff46cm.googleapis.com/x",
        "https://fcm\u3002googleapis.com/x",
        "https://xn--fcm-x.googleapis.com/x",
        "https://up.example.org/x",
        "https://fcm.googleapis.com/x\n",
        "https://fcm.googleapis.com/x y",
        "https://fcm.googleapis.com/x\r\nHost: evil.example",
        " https://fcm.googleapis.com/x",
        "https://fcm.googleapis.com/" + "x" * 3000,
        "",
        None,
        7,
        ["https://fcm.googleapis.com/x"],
    ],
)
def test_every_other_address_is_refused(endpoint: object) -> None:
    """No trick of userinfo, port, dot, alphabet, number or scheme reaches another host."""
    with pytest.raises(HostNotAllowed):
        AllowedHosts(FURTHER).origin(endpoint)


def test_a_refusal_names_the_host_and_nothing_more() -> None:
    """The operator learns what to add; the path, which is a right to push, stays out."""
    with pytest.raises(HostNotAllowed) as caught:
        AllowedHosts().origin("https://push.example.org/subscription-secret")

    assert "push.example.org" in str(caught.value)
    assert "subscription-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "entry", ["https://push.example.org", "push.example.org/x", "*", "*.", "a@b", "host:port"]
)
def test_an_entry_that_is_no_host_is_named_to_the_operator(entry: str) -> None:
    """A wrong setting is an error, not an entry that silently never matches."""
    with pytest.raises(OperatorMustAct, match="POCKETSOC_PUSH_HOSTS"):
        AllowedHosts([entry])
