"""Signing in with a client secret at the simulated Entra ID."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import jwt
import pytest

from shared.errors import PocketSOCError, SignInFailed, Throttled, TryLater
from shared.nouns.configurations import CLOUDS, CloudName
from simulator import sample
from simulator.faults import Fault
from simulator.world import AppSecret, Resource

ENDPOINT = sample.ENDPOINT_AUDIENCE


def _claims(token):
    return jwt.decode(token, options={"verify_signature": False})


@pytest.mark.parametrize("name", [CloudName.commercial, CloudName.gcc, CloudName.gcc_high, CloudName.dod])
def test_the_token_is_for_the_clouds_endpoint_api(make_source, name):
    """Each cloud's own audience is asked for; the token endpoint takes it only with `/.default`."""
    government = {
        "tenant_id": "6b4f22e1-8d55-4f1c-8b62-0c0ffee00041",
        "client_id": "d2d9b3e7-a104-4e6b-98f5-0c0ffee00043",
    }
    source = make_source(cloud=name, **(government if name in (CloudName.gcc_high, CloudName.dod) else {}))

    token = source.token(CLOUDS[name].endpoint_audience)

    assert _claims(token)["aud"] == CLOUDS[name].endpoint_audience


def test_each_audience_has_its_own_token(source):
    """One configuration may need tokens for several APIs."""
    assert _claims(source.token(sample.ARM_AUDIENCE))["aud"] == sample.ARM_AUDIENCE
    assert _claims(source.token(ENDPOINT))["aud"] == ENDPOINT


def test_a_tenant_may_be_named_by_its_domain(make_source):
    """The tenant's domain serves as well as its id."""
    assert _claims(make_source(tenant_id=sample.TENANT_DOMAIN).token(ENDPOINT))["tid"] == sample.TENANT_ID


def test_a_rotated_secret_is_used_for_the_next_token(source, secrets, cloud):
    """The secret is read again for each new token."""
    source.token(ENDPOINT)
    app = cloud.world.app(sample.CLIENT_ID)
    before, app.secrets = app.secrets, [AppSecret("id", "rotated~secret", datetime(2036, 1, 1, tzinfo=UTC))]
    secrets.values["secret-1"] = "rotated~secret\n"

    try:
        assert source.token(ENDPOINT, refresh=True)
    finally:
        app.secrets = before


@pytest.mark.parametrize(
    ("changed", "secret", "code", "words"),
    [
        ({}, sample.EXPIRED_SECRET, "AADSTS7000222", "the client secret has expired"),
        ({}, sample.SECRET_ID, "AADSTS7000215", "the secret's id was pasted instead of its value"),
        ({"client_id": sample.SECRET_ID}, None, "AADSTS700016", "does not know an app with this client id"),
        ({"tenant_id": "nowhere.example"}, None, "AADSTS90002", "no such tenant in this cloud"),
    ],
)
def test_a_refusal_says_what_to_do(make_source, secrets, changed, secret, code, words):
    """What Entra refuses reaches the operator with its number, a remedy and the trace id."""
    secrets.values["secret-1"] = secret or sample.CLIENT_SECRET

    with pytest.raises(SignInFailed, match=words) as caught:
        make_source(**changed).token(ENDPOINT)

    assert caught.value.code == code
    assert "Trace id" in str(caught.value)


def test_a_tenant_without_the_product_is_named(source):
    """An API that the tenant does not have points at cloud, licence and permissions."""
    with pytest.raises(SignInFailed, match="does not have the API") as caught:
        source.token("https://api.unlicensed.example")

    assert caught.value.code == "AADSTS500011"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tenant_id": None}, "no tenant id"),
        ({"tenant_id": "common"}, "neither an id nor a domain"),
        ({"tenant_id": "a/b"}, "neither an id nor a domain"),
        ({"client_id": None}, "no client id"),
        ({"secret_reference": None}, "no client secret"),
        ({"secret_reference": "deleted"}, "not in the secret store any more"),
    ],
)
def test_an_incomplete_configuration_is_told_before_any_call(make_source, cloud, changed, words):
    """What is missing is said without asking anybody."""
    with pytest.raises(SignInFailed, match=words):
        make_source(**changed).token(ENDPOINT)

    assert not cloud.world.requests


@pytest.mark.parametrize("kind", ["500", "503", "garbage", "drop"])
@pytest.mark.parametrize("where", ["/oauth2/v2.0/token", "/v2.0/.well-known"])
def test_an_outage_of_the_sign_in_service_is_for_later(source, cloud, kind, where):
    """Trouble on Entra's side, in discovery or at the token endpoint, passes by itself."""
    cloud.world.faults.append(Fault(f"/{sample.TENANT_ID}{where}", kind))

    with pytest.raises(TryLater, match="Entra ID's sign-in service") as caught:
        source.token(ENDPOINT)

    assert type(caught.value) is TryLater


def test_a_status_is_not_retried_in_place(source, cloud, posts):
    """The queue tries again, not this call."""
    cloud.world.faults.append(Fault(f"/{sample.TENANT_ID}/oauth2", "503", retry_after=30))

    with pytest.raises(TryLater):
        source.token(ENDPOINT)

    assert posts() == 1


def test_throttling_is_honoured_without_asking_again(source, cloud, clock, posts):
    """While Entra asks to wait, nothing is sent; afterwards the token comes."""
    cloud.world.faults.append(Fault(f"/{sample.TENANT_ID}/oauth2", "429", times=1, retry_after=20))
    with pytest.raises(Throttled) as first:
        source.token(ENDPOINT)
    clock.pass_(15)
    with pytest.raises(Throttled) as second:
        source.token(ENDPOINT)
    assert (first.value.retry_after, second.value.retry_after, posts()) == (20, 5, 1)
    clock.pass_(5)

    assert source.token(ENDPOINT)


def test_an_untrusted_sign_in_service_names_the_setting(make_source, odd_server):
    """A TLS-inspecting proxy between us and Entra is named with the setting that helps."""
    with pytest.raises(TryLater, match="POCKETSOC_CA_BUNDLE"):
        make_source(ca_bundle=odd_server.ca_bundle).token(ENDPOINT)


def test_a_dead_sign_in_service_is_for_later(make_source):
    """Nobody listening at the authority is trouble that passes."""
    with pytest.raises(TryLater, match="refused the connection"):
        make_source(authority="https://localhost:1").token(ENDPOINT)


def test_the_secret_is_not_sent_to_another_host(make_source, odd_server, cloud, posts):
    """A discovery document that points elsewhere gets no secret."""
    token_endpoint = f"{cloud.url}/{sample.TENANT_ID}/oauth2/v2.0/token"
    document = {"token_endpoint": token_endpoint, "authorization_endpoint": token_endpoint, "issuer": "x"}
    path = f"/{sample.TENANT_ID}/v2.0/.well-known/openid-configuration"
    odd_server.answers[path] = (200, json.dumps(document).encode())

    with pytest.raises(SignInFailed, match="points to another host"):
        make_source(authority=odd_server.url, ca_bundle=odd_server.ca_bundle).token(ENDPOINT)

    assert posts() == 0


@pytest.fixture
def answer_with(make_source, odd_server):
    """A source whose sign-in service answers every request for a token with this one."""

    def build(token):
        base = f"{odd_server.url}/t.example"
        document = {"token_endpoint": f"{base}/token", "authorization_endpoint": f"{base}/a", "issuer": "x"}
        answer = {"access_token": token, "expires_in": 3599}
        discovery = "/t.example/v2.0/.well-known/openid-configuration"
        odd_server.answers[discovery] = (200, json.dumps(document).encode())
        odd_server.answers["/t.example/token"] = (200, json.dumps(answer).encode())
        return make_source(authority=odd_server.url, ca_bundle=odd_server.ca_bundle, tenant_id="t.example")

    return build


@pytest.mark.parametrize("token", ["", "two words", "line\nend"])
def test_what_is_not_a_token_is_not_used(answer_with, token):
    """A success without a usable token is an outage, not a header."""
    with pytest.raises(TryLater, match="not a token"):
        answer_with(token).token(ENDPOINT)


def test_a_secret_pasted_with_a_line_end_is_sent_without(answer_with, odd_server, secrets):
    """What surrounds the secret's value is not part of it."""
    secrets.values["secret-1"] = " pasted~secret\r\n"

    answer_with("a.b.c").token(ENDPOINT)

    form = dict(parse_qsl(odd_server.seen[-1][1].decode()))
    assert form["client_secret"] == "pasted~secret"
    assert form["scope"] == f"{ENDPOINT}/.default"


def test_a_repaired_secret_works_seconds_after_the_refusal(source, secrets, clock, posts):
    """A refusal is remembered for some seconds and no longer; within them nothing is sent."""
    secrets.values["secret-1"] = "wrong"
    for _ in range(3):
        with pytest.raises(SignInFailed, match="AADSTS7000215"):
            source.token(ENDPOINT, refresh=True)
    assert posts() == 1
    secrets.values["secret-1"] = sample.CLIENT_SECRET
    clock.pass_(5)

    assert source.token(ENDPOINT)


def test_a_repaired_tenant_works_seconds_after_http_400(source, cloud, clock):
    """MSAL's own memory of HTTP 400, 60 seconds, does not delay the recovery."""
    with pytest.raises(SignInFailed, match="AADSTS500011"):
        source.token("api://late")
    cloud.world.resources.append(Resource(("api://late",), "9d9d9d9d-0000-4000-8000-0c0ffee00099", "Late"))
    clock.pass_(5)

    assert _claims(source.token("api://late"))["aud"] == "api://late"


@pytest.mark.parametrize("outcome", ["good", "wrong", "500", "garbage", "429", "drop"])
def test_neither_secret_nor_token_is_ever_shown(make_source, secrets, cloud, caplog, outcome):
    """Canary: not in an error, a traceback, a representation or a log line of any library, even at DEBUG."""
    wrong = "CANARY" + "~wrong.8Q7w6E5r4T"  # in two parts, because a traceback shows this line
    if outcome == "wrong":
        secrets.values["secret-1"] = wrong
    elif outcome != "good":
        cloud.world.faults.append(Fault(f"/{sample.TENANT_ID}/oauth2", outcome))
    source, shown = make_source(), ""

    with caplog.at_level(logging.DEBUG):
        try:
            token = source.token(ENDPOINT)
        except PocketSOCError as error:
            token, shown = wrong, "".join(traceback.format_exception(error)) + repr(error)

    shown += caplog.text + repr(source) + repr(vars(source))
    assert not [one for one in (sample.CLIENT_SECRET, wrong, token) if one in shown]
