"""Which access tokens are believed, and how often the tenant's keys are fetched."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme

from shared.auth.access_tokens import AccessTokens
from shared.errors import HostNotAllowed, OperatorMustAct, TryLater, Unauthenticated

TENANT = "3f9b6c1e-57a0-4c2d-9d0e-6a8b1c2d3e4f"
AUDIENCE = "5b1f0a77-1d3c-4b8e-8a55-90c3d7e6f201"
OTHER = "7c1d9f50-0b51-4b6a-9d3e-2f5a60718293"


@pytest.fixture
def tokens(issuer: Any, clock: Any) -> AccessTokens:
    """The verifier of the configured tenant."""
    return AccessTokens(
        issuer.authority, TENANT, (AUDIENCE, f"api://{AUDIENCE}"), None, clock, fetch=issuer.fetch
    )


def test_a_delegated_token_says_who_and_with_which_roles(issuer: Any, tokens: AccessTokens) -> None:
    """The claims that matter arrive."""
    caller = tokens.verify(issuer.token("Reader", "Admin"))

    assert (caller.name, caller.app_only, caller.tenant_id) == ("Ana Lyst", False, TENANT)
    assert caller.roles == {"Reader", "Admin"}


def test_version_1_tokens_are_as_good_as_version_2(issuer: Any, tokens: AccessTokens) -> None:
    """Which version comes follows the API's registration."""
    token = issuer.token("Reader", iss=f"https://sts.windows.net/{TENANT}/", aud=f"api://{AUDIENCE}")

    assert tokens.verify(token).roles == {"Reader"}


def test_an_application_needs_no_user(issuer: Any, tokens: AccessTokens) -> None:
    """App-only tokens have no scope, and their subject is the object id."""
    token = issuer.token("Reader", without=("scp",), oid="app-1", sub="app-1")

    assert tokens.verify(token).app_only


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"aud": OTHER}, "another application"),
        ({"iss": f"https://login.example.test/{OTHER}/v2.0", "tid": OTHER}, "somebody else"),
        ({"tid": OTHER}, "another tenant"),
        ({"exp": 1}, "expired"),
        ({"exp": "soon"}, "cannot be read|malformed"),
        ({"exp": float("nan")}, "expired|cannot be read|malformed"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"oid": ""}, "for whom"),
        ({"scp": ""}, "ID token"),
    ],
)
def test_a_wrong_claim_is_refused_in_words(
    issuer: Any, tokens: AccessTokens, claims: dict[str, Any], says: str
) -> None:
    """Each wrong claim has its own words."""
    with pytest.raises(Unauthenticated, match=says):
        tokens.verify(issuer.token("Admin", **claims))


@pytest.mark.parametrize("claim", ["exp", "iss", "aud", "tid", "oid"])
def test_a_missing_claim_is_refused(issuer: Any, tokens: AccessTokens, claim: str) -> None:
    """What is not said is not assumed."""
    with pytest.raises(Unauthenticated):
        tokens.verify(issuer.token("Admin", without=(claim,)))


def test_the_clocks_may_differ_by_five_minutes(issuer: Any, tokens: AccessTokens, clock: Any) -> None:
    """Leeway is five minutes, not more."""
    token = issuer.token("Reader")
    clock.move(timedelta(hours=1, minutes=4))
    tokens.verify(token)
    clock.move(timedelta(minutes=2))

    with pytest.raises(Unauthenticated, match="expired"):
        tokens.verify(token)


def test_unsigned_tokens_are_refused(issuer: Any, tokens: AccessTokens) -> None:
    """`alg: none` is the oldest trick."""
    claims = issuer.token("Admin").split(".")[1]
    header = (
        base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "key-1"}).encode()).rstrip(b"=").decode()
    )

    with pytest.raises(Unauthenticated, match="RS256"):
        tokens.verify(f"{header}.{claims}.")


def test_tokens_signed_with_a_shared_secret_are_refused(issuer: Any, tokens: AccessTokens) -> None:
    """A public key must never serve as an HMAC secret."""
    forged = jwt.encode({"aud": AUDIENCE}, "s" * 64, algorithm="HS256", headers={"kid": "key-1"})

    with pytest.raises(Unauthenticated, match="RS256"):
        tokens.verify(forged)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "....", "\x00", "é.é.é", "a" * 20_000])
def test_what_is_no_token_is_refused(tokens: AccessTokens, text: str) -> None:
    """Garbage is a refusal, never another error."""
    with pytest.raises(Unauthenticated):
        tokens.verify(text)


def test_another_keys_signature_is_refused(issuer: Any, tokens: AccessTokens) -> None:
    """A known key id does not help a forger."""
    with pytest.raises(Unauthenticated, match="signature"):
        tokens.verify(issuer.token("Admin", signed_by=issuer.other_key))


def test_a_key_of_personal_accounts_is_not_used(issuer: Any, tokens: AccessTokens) -> None:
    """The shared key list holds keys of another issuer."""
    issuer.publish("personal", issuer=f"https://login.example.test/{OTHER}/v2.0")

    with pytest.raises(Unauthenticated, match="does not publish"):
        tokens.verify(issuer.token("Admin", kid="personal", signed_by=issuer.other_key))


def test_a_new_key_is_found_and_strangers_cause_no_storm(
    issuer: Any, tokens: AccessTokens, clock: Any
) -> None:
    """An unknown key id fetches once, then not again for five minutes."""
    tokens.verify(issuer.token("Reader"))
    issuer.publish("key-2")
    rolled = issuer.token("Reader", kid="key-2", signed_by=issuer.other_key)
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            tokens.verify(rolled)
    assert len(issuer.asked) == 2

    clock.move(timedelta(minutes=5))

    assert tokens.verify(rolled).roles == {"Reader"}
    assert len(issuer.asked) == 4


def test_keys_are_fetched_daily_and_old_ones_serve_while_the_tenant_is_away(
    issuer: Any, tokens: AccessTokens, clock: Any
) -> None:
    """A failed refresh does not lock everybody out."""
    tokens.verify(issuer.token("Reader"))
    clock.move(timedelta(days=1))
    issuer.away = True

    tokens.verify(issuer.token("Reader"))
    tokens.verify(issuer.token("Reader"))

    assert len(issuer.asked) == 3


def test_without_any_keys_the_caller_may_try_later(issuer: Any, tokens: AccessTokens) -> None:
    """No keys is not the caller's fault, and does not make every call fetch."""
    issuer.away = True
    for _ in range(3):
        with pytest.raises(TryLater):
            tokens.verify(issuer.token("Reader"))

    assert len(issuer.asked) == 1


def test_keys_on_another_host_are_not_fetched(clock: Any, issuer: Any) -> None:
    """The discovery document cannot send us elsewhere."""
    asked = []

    def fetch(address: str) -> dict[str, Any]:
        asked.append(address)
        return {"jwks_uri": "https://elsewhere.example.test/keys"}

    verifier = AccessTokens(issuer.authority, TENANT, (AUDIENCE,), None, clock, fetch=fetch)

    with pytest.raises(TryLater, match="another host"):
        verifier.verify(issuer.token("Reader"))
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("authority", "tenant", "audiences", "kind"),
    [
        ("https://login.example.test", None, (AUDIENCE,), OperatorMustAct),
        ("https://login.example.test", "contoso.example", (AUDIENCE,), OperatorMustAct),
        ("https://login.example.test", TENANT, (), OperatorMustAct),
        ("http://login.example.test", TENANT, (AUDIENCE,), HostNotAllowed),
    ],
)
def test_nothing_is_believed_before_sign_in_is_set_up(
    issuer: Any, clock: Any, authority: str, tenant: str | None, audiences: tuple[str, ...], kind: type
) -> None:
    """An API without a tenant or an audience is closed, not open."""
    verifier = AccessTokens(authority, tenant, audiences, None, clock, fetch=issuer.fetch)

    with pytest.raises(kind):
        verifier.verify(issuer.token("Admin"))


@pytest.mark.peer
def test_keys_come_over_https_from_a_trusted_server_only(issuer: Any, clock: Any, tmp_path: Path) -> None:
    """Over a real TLS connection: trusted with the CA bundle, refused without."""
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(issuer.fetch(self.path)).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    issuer.authority = f"https://127.0.0.1:{server.server_address[1]}"
    try:
        trusting = AccessTokens(issuer.authority, TENANT, (AUDIENCE,), str(bundle), clock)
        doubting = AccessTokens(issuer.authority, TENANT, (AUDIENCE,), None, clock)

        assert trusting.verify(issuer.token("Reader")).roles == {"Reader"}
        with pytest.raises(TryLater):
            doubting.verify(issuer.token("Reader"))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
