"""What a vendor's refusal becomes: the right error, and words that tell the operator what to do."""

from __future__ import annotations

import pytest

from shared.errors import (
    BadRequest,
    Conflict,
    NotFound,
    OperatorMustAct,
    PermissionMissing,
    Refused,
    SignInFailed,
    Throttled,
    TryLater,
)
from shared.vendors.refused import told_to_the_caller


def test_a_401_is_repeated_once_with_a_new_token(client, server, reply, refusal, tokens):
    """A token that has just expired costs one refresh and no error."""
    server.script(refusal(401, "Unauthorized"), reply(body={"ok": True}))

    assert client.get("/alerts") == {"ok": True}
    assert [refresh for _, refresh in tokens.asked] == [False, True]
    assert server.seen[1].headers["authorization"] == "Bearer secret-token-2"


def test_a_repeated_post_carries_its_body_again(client, server, reply, refusal):
    """The repetition after a 401 is the whole request."""
    server.script(refusal(401, "Unauthorized"), reply())

    client.post("/a", {"x": 1})

    assert server.seen[0].body == server.seen[1].body == b'{"x": 1}'


def test_a_second_401_is_a_failed_sign_in(client, server, refusal):
    """A new token that is refused too needs a person; it is not tried a third time."""
    server.script(refusal(401, "Unauthorized"), refusal(401, "ExpiredAuthenticationToken", "Too old."))

    with pytest.raises(SignInFailed, match="does not accept the access token") as caught:
        client.get("/alerts")

    assert caught.value.code == "ExpiredAuthenticationToken"
    assert len(server.seen) == 2


def test_a_token_of_the_wrong_tenant_is_named(client, server, refusal):
    """ARM's wrong-tenant refusal says that the subscription belongs elsewhere."""
    server.script(*[refusal(401, "InvalidAuthenticationTokenTenant")] * 2)

    with pytest.raises(SignInFailed, match="subscription belongs to another tenant"):
        client.get("/subscriptions/1")


@pytest.mark.parametrize(
    "message",
    [
        "Missing application roles. API required roles: Alert.Read.All,Alert.ReadWrite.All, "
        "application roles: Ip.Read.All.",
        "The application does not have any of the required application permissions "
        "(Alert.Read.All, Alert.ReadWrite.All) to access the resource.",
    ],
)
def test_missing_roles_are_quoted_with_where_to_grant_them(client, server, refusal, message):
    """Both of Endpoint's texts reach the operator, with the click path."""
    server.script(refusal(403, "Forbidden", message))

    with pytest.raises(PermissionMissing) as caught:
        client.get("/api/alerts")

    assert message in str(caught.value)
    assert "API permissions, with admin consent" in str(caught.value)


@pytest.mark.parametrize(
    ("action", "role", "scope"),
    [
        ("Microsoft.Security/alerts/read", "Security Reader", "subscription"),
        ("Microsoft.Security/locations/alerts/dismiss/action", "Security Admin", "subscription"),
        ("Microsoft.SecurityInsights/Incidents/read", "Microsoft Sentinel Reader", "workspace"),
        ("Microsoft.SecurityInsights/incidents/write", "Microsoft Sentinel Responder", "workspace"),
    ],
)
def test_an_arm_refusal_names_the_role_that_helps(client, server, refusal, action, role, scope):
    """One for reading and one for changing, where it is assigned, and that assignments take minutes."""
    text = f"The client 'c' does not have authorization to perform action '{action}' over scope 's'."
    server.script(refusal(403, "AuthorizationFailed", text))

    with pytest.raises(PermissionMissing, match=f"the role {role} on the {scope}.*take minutes") as caught:
        client.get("/subscriptions/1")

    assert action in str(caught.value)


def test_another_403_keeps_the_vendors_words(client, server, refusal):
    """A tenant setting that forbids something is told in the vendor's words."""
    server.script(refusal(403, "DisabledFeature", "The feature is disabled."))

    with pytest.raises(PermissionMissing, match=r"DisabledFeature: The feature is disabled\."):
        client.get("/a")


def test_an_unseen_subscription_is_a_missing_permission(client, server, refusal):
    """ARM hides subscriptions from those without a role; the words say so."""
    server.script(refusal(404, "SubscriptionNotFound", "not found"))

    with pytest.raises(PermissionMissing, match="Security Reader on the subscription"):
        client.get("/subscriptions/1")


def test_another_404_is_for_the_operator(client, server, refusal):
    """Something that is gone stays gone, and it is not a permission."""
    server.script(refusal(404, "ResourceNotFound", "Machine 5 was not found"))

    with pytest.raises(OperatorMustAct, match="ResourceNotFound: Machine 5 was not found") as caught:
        client.get("/api/machines/5")

    assert not isinstance(caught.value, PermissionMissing)


def test_an_unregistered_subscription_says_how_to_register(client, server, refusal):
    """ARM's MissingSubscriptionRegistration has its click path."""
    server.script(refusal(409, "MissingSubscriptionRegistration", "not registered"))

    with pytest.raises(OperatorMustAct, match=r"Resource providers > Microsoft\.Security"):
        client.get("/subscriptions/1")


def test_an_unregistered_provider_is_named(client, server, refusal):
    """Another one than Defender for Cloud's, when the message says so."""
    text = "The subscription is not registered to use namespace 'Microsoft.SecurityInsights'."
    server.script(refusal(409, "MissingSubscriptionRegistration", text))

    with pytest.raises(OperatorMustAct, match=r"Resource providers > Microsoft\.SecurityInsights"):
        client.get("/subscriptions/1")


def test_a_detail_in_the_place_of_an_error_is_shown(client, server, reply):
    """Defender for Cloud Apps writes its refusals so."""
    server.script(reply(403, {"detail": "You do not have permission."}))

    with pytest.raises(PermissionMissing, match="It says: You do not have permission"):
        client.get("/api/v1/alerts/")


def test_a_400_shows_the_vendors_message_without_markup_and_cut(client, server, refusal):
    """HTML is taken out and a long message cut at 300 characters."""
    server.script(
        refusal(400, "ODataError", "<p>Bad &amp; <b>wrong</b></p><script>x()</script> " + "y" * 500)
    )

    with pytest.raises(OperatorMustAct, match="ODataError: Bad & wrong y") as caught:
        client.get("/a")

    assert "<" not in str(caught.value)
    assert "x()" not in str(caught.value)
    assert len(str(caught.value)) < 420


def test_a_quoted_message_holds_nothing_that_a_terminal_obeys(client, server, refusal):
    """It is logged, stored as health, shown, and printed."""
    echo = "No \x1b]0;title\x07such\x9b31m \u202ecolumn&#27;[0m\x00 here\r\npulse {}"
    server.script(refusal(400, "Bad\x1bRequest", echo))

    with pytest.raises(OperatorMustAct, match="such 31m column") as caught:
        client.get("/a")

    assert str(caught.value).isprintable()


def test_a_quoted_message_holds_no_token_and_no_query(client, server, refusal):
    """What a vendor repeats of our token or of an address' query is removed."""
    echo = "Token eyJhbGciOi.eyJhdWQi.c2ln is bad, see https://vendor.example/help?sig=hidden now"
    server.script(refusal(400, "BadRequest", echo))

    with pytest.raises(
        OperatorMustAct, match=r"Token \[removed\] is bad, see https://vendor\.example/help now"
    ):
        client.get("/a")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17),
        ({"Date": "Fri, 20 Nov 2026 10:00:00 GMT", "Retry-After": "Fri, 20 Nov 2026 10:01:30 GMT"}, 90),
        ({"Date": "Fri, 20 Nov 2026 10:00:00 GMT", "Retry-After": "Fri, 20 Nov 2026 09:00:00 GMT"}, 0),
        ({}, 60),
        ({"Retry-After": "soon"}, 60),
        ({"Retry-After": "-5"}, 60),
        ({"Retry-After": "999999999"}, 86_400),
    ],
)
def test_throttling_says_how_long_to_wait(client, server, reply, headers, seconds):
    """Retry-After may be seconds, a date, nonsense or absent."""
    server.script(reply(429, {"error": {"code": "429", "message": "quota"}}, headers))

    with pytest.raises(Throttled, match=f"wait for {seconds} seconds") as caught:
        client.get("/a")

    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("words", "headers", "seconds"),
    [
        ("Quota exceeded. You can send requests again in 23 seconds.", {}, 23),
        ("The quota is reset after 2 minutes", {}, 120),
        ("Wait for 1 hour.", {}, 3600),
        ("Try again in 17s", {}, 17),
        ("maximum allowed 50 per 00:01:00. Requests will be accepted again in 00:00:41", {}, 41),
        ("The quota is reset at 2026-11-20T10:00:38.5Z.", {"Date": "Fri, 20 Nov 2026 10:00:08 GMT"}, 30.5),
        ("Reset at 2026-11-20T09:00:00Z", {"Date": "Fri, 20 Nov 2026 10:00:08 GMT"}, 0),
        ("again in 23 seconds", {"Retry-After": "9"}, 9),
        ("API calls quota exceeded! maximum allowed 50 per 00:01:00", {}, 60),
        ("maximum allowed 1500 per hour", {}, 60),
        ("again in 99 hours", {}, 86_400),
    ],
)
def test_throttling_in_words_says_how_long_to_wait(client, server, reply, words, headers, seconds):
    """Defender XDR tells it in the message only. The limit itself is no such time."""
    server.script(reply(429, {"error": {"code": "TooManyRequests", "message": words}}, headers))

    with pytest.raises(Throttled) as caught:
        client.get("/a")

    assert caught.value.retry_after == seconds


def test_a_429_is_not_repeated(client, server, refusal):
    """Waiting is the queue's work: one request, one answer."""
    server.script(refusal(429, "TooManyRequests", Retry_After="0"))

    with pytest.raises(Throttled):
        client.get("/a")

    assert len(server.seen) == 1


def test_a_503_with_a_time_is_throttling(client, server, reply):
    """A service that names a time is waited for, whatever its body looks like."""
    server.script(reply(503, b"<html>busy</html>", {"Retry-After": "8"}))

    with pytest.raises(Throttled) as caught:
        client.get("/a")

    assert caught.value.retry_after == 8


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_an_outage_is_for_later(client, server, refusal, status):
    """The service's own trouble is neither ours nor a throttle, and nothing is repeated."""
    server.script(refusal(status, "InternalServerError"))

    with pytest.raises(TryLater, match=f"out of order for the moment \\(HTTP {status}\\)") as caught:
        client.get("/a")

    assert type(caught.value) is TryLater
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"<html>"),
        (400, b""),
        (403, b"\xff\xfe"),
        (404, b"[]"),
        (409, b'{"error": "text"}'),
        (418, b"null"),
    ],
)
def test_any_error_body_is_survived(client, server, reply, status, body):
    """An error without the usual body still becomes one of our errors."""
    server.script(reply(status, body))

    with pytest.raises((OperatorMustAct, TryLater), match="Vendor X"):
        client.get("/a")


def test_correlation_ids_reach_the_operator(client, server, refusal):
    """Azure's request id and Endpoint's target are in the text, for a support case."""
    server.script(refusal(500, "X", target="7a-guid-1", x_ms_request_id="req-0001"))

    with pytest.raises(TryLater, match=r"\(request id req-0001, 7a-guid-1\)"):
        client.get("/a")


@pytest.mark.parametrize(
    ("status", "meant"),
    [(400, BadRequest), (404, NotFound), (409, Conflict), (412, Conflict), (422, BadRequest)],
)
def test_a_refused_request_of_a_person_is_that_persons_error(client, server, refusal, status, meant):
    """With the vendor's words, for who can correct them; a poll's own requests stay the operator's."""
    server.script(*[refusal(status, "SomeCode", "Some words.")] * 2)

    with pytest.raises(Refused) as caught:
        client.get("/alerts")
    with pytest.raises(meant, match="SomeCode: Some words"), told_to_the_caller():
        client.get("/alerts")

    assert (caught.value.status, caught.value.code) == (status, "SomeCode")


@pytest.mark.parametrize(("status", "kept"), [(403, PermissionMissing), (429, Throttled), (503, TryLater)])
def test_what_is_not_about_the_request_is_not_blamed_on_the_person(client, server, refusal, status, kept):
    """A missing permission or an outage is not for the caller to correct."""
    server.script(refusal(status, "SomeCode"))

    with pytest.raises(kept), told_to_the_caller():
        client.post("/query", {})
