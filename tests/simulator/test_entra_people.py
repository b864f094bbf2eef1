"""People and proofs at the simulated Entra ID, over the wire and through MSAL: what a client can get wrong
has its own error."""

from __future__ import annotations

import hashlib
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
import requests

from simulator import sample
from simulator.entra_people import decide, people
from simulator.entra_proof import ASSERTION
from simulator.serve import Simulator
from simulator.tokens import b64url
from simulator.world import World
from tests.sign_in.clinic import certificate, trust

pytestmark = pytest.mark.peer
SCOPE = f"{sample.ENDPOINT_AUDIENCE}/.default offline_access openid profile"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
VERIFIER = "v" * 64


def _post(simulator: Simulator, path: str, **form: Any) -> requests.Response:
    url = f"{simulator.url}/{sample.TENANT_ID}/oauth2/v2.0/{path}"
    form = {"client_id": sample.CLIENT_ID} | form
    return requests.post(url, data=form, verify=simulator.ca_bundle, timeout=10)


def _refused(answer: requests.Response) -> tuple[int, str, int]:
    body = answer.json()
    return answer.status_code, body["error"], body["error_codes"][0]


def _authorize(simulator: Simulator, **changed: Any) -> requests.Response:
    query = {
        "client_id": sample.CLIENT_ID,
        "response_type": "code",
        "redirect_uri": sample.NATIVE_REDIRECT,
        "scope": SCOPE,
        "state": "s t/1",
        "nonce": "n",
        "code_challenge": b64url(hashlib.sha256(VERIFIER.encode()).digest()),
        "code_challenge_method": "S256",
    }
    wanted = {name: value for name, value in (query | changed).items() if value is not None}
    url = f"{simulator.url}/{sample.TENANT_ID}/oauth2/v2.0/authorize"
    return requests.get(url, params=wanted, verify=simulator.ca_bundle, timeout=10, allow_redirects=False)


def _code(simulator: Simulator, **changed: Any) -> str:
    location = _authorize(simulator, **changed).headers["Location"]
    return dict(parse_qsl(urlsplit(location).query))["code"]


def _redeem(simulator: Simulator, code: str, **changed: Any) -> requests.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": sample.NATIVE_REDIRECT,
        "code_verifier": VERIFIER,
        "scope": SCOPE,
        "client_info": "1",
    }
    return _post(simulator, "token", **form | changed)


def test_a_code_comes_back_with_its_state_and_gives_every_token(simulator: Simulator) -> None:
    """Access, refresh and id token; the nonce of the wire is in the id token."""
    answer = _authorize(simulator)
    location = answer.headers["Location"]
    query = dict(parse_qsl(urlsplit(location).query))
    assert (answer.status_code, location.partition("?")[0], query["state"]) == (
        302,
        "pocketsoc://auth/",
        "s t/1",
    )

    body = _redeem(simulator, query["code"]).json()

    access = jwt.decode(body["access_token"], options={"verify_signature": False})
    identity = jwt.decode(body["id_token"], options={"verify_signature": False})
    assert set(access["scp"].split()) == sample.DELEGATED[sample.ENDPOINT_AUDIENCE]
    assert (access["appid"], access["tid"]) == (sample.CLIENT_ID, sample.TENANT_ID)
    assert (identity["nonce"], identity["aud"], identity["tid"]) == ("n", sample.CLIENT_ID, sample.TENANT_ID)
    assert body["scope"].split()[-1] == f"{sample.ENDPOINT_AUDIENCE}/.default"
    assert body["refresh_token"]
    assert body["client_info"]


@pytest.mark.parametrize(
    ("changed", "number"),
    [
        ({"redirect_uri": "pocketsoc://other"}, 50011),
        ({"redirect_uri": None}, 900144),
        ({"client_id": sample.SECRET_ID}, 700016),
    ],
)
def test_where_there_is_nowhere_to_go_back_to_a_page_says_it(
    simulator: Simulator, changed: dict[str, Any], number: int
) -> None:
    """No redirect to an address that is not the app's."""
    answer = _authorize(simulator, **changed)

    assert (answer.status_code, f"AADSTS{number}" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("changed", "error", "number"),
    [
        ({"code_challenge": "short"}, "invalid_request", 50147),
        ({"code_challenge_method": "plain"}, "invalid_request", 50147),
        ({"code_challenge": None}, "invalid_request", 50147),
        ({"login_hint": sample.STRANGER}, "invalid_grant", 50020),
        ({"login_hint": "nobody@nowhere.example"}, "invalid_grant", 50034),
        ({"response_type": "token"}, "unsupported_response_type", 70011),
    ],
)
def test_what_else_is_wrong_goes_back_with_the_state(
    simulator: Simulator, changed: dict[str, Any], error: str, number: int
) -> None:
    """As an error in the address."""
    location = _authorize(simulator, **changed).headers["Location"]

    query = dict(parse_qsl(urlsplit(location).query))
    assert (query["error"], query["state"]) == (error, "s t/1")
    assert query["error_description"].startswith(f"AADSTS{number}:")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"code_verifier": "x" * 64}, (400, "invalid_grant", 501481)),
        ({"code_verifier": ""}, (400, "invalid_grant", 50148)),
        ({"redirect_uri": sample.PORTAL_REDIRECT}, (400, "invalid_grant", 500112)),
        ({"client_secret": sample.CLIENT_SECRET}, (401, "invalid_client", 700025)),
        ({"code": "another"}, (400, "invalid_grant", 70000)),
        ({"scope": "openid"}, (400, "invalid_scope", 28000)),
    ],
)
def test_a_redemption_can_go_wrong_in_many_ways(
    simulator: Simulator, changed: dict[str, Any], expected: tuple[int, str, int]
) -> None:
    """Each has its number."""
    code = changed.pop("code", None) or _code(simulator)

    assert _refused(_redeem(simulator, code, **changed)) == expected


def test_a_code_is_good_once_and_for_ten_minutes(simulator: Simulator, world: World) -> None:
    """54005 the second time, 70008 too late."""
    code, late = _code(simulator), _code(simulator)
    assert _redeem(simulator, code).status_code == 200
    assert _refused(_redeem(simulator, code)) == (400, "invalid_grant", 54005)
    world.advance(601)

    assert _refused(_redeem(simulator, late)) == (400, "invalid_grant", 70008)


def test_a_web_app_must_prove_itself(simulator: Simulator) -> None:
    """At the redemption and at each refresh."""
    address = sample.WEB_REDIRECT
    assert _refused(_redeem(simulator, _code(simulator, redirect_uri=address), redirect_uri=address)) == (
        *(401, "invalid_client"),
        7000218,
    )
    proven = {"redirect_uri": address, "client_secret": sample.CLIENT_SECRET}
    body = _redeem(simulator, _code(simulator, redirect_uri=address), **proven).json()
    refresh = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "scope": SCOPE}

    assert _refused(_post(simulator, "token", **refresh))[2] == 7000218
    assert _post(simulator, "token", **refresh, client_secret=sample.CLIENT_SECRET).status_code == 200


@pytest.mark.parametrize("strict", [False, True])
def test_a_refresh_token_brings_a_new_one(simulator: Simulator, world: World, strict: bool) -> None:
    """The old one lives on, as at Entra, unless the switch says otherwise; it serves any API."""
    world.switches.strict_rotation = strict
    first = _redeem(simulator, _code(simulator)).json()["refresh_token"]
    graph = SCOPE.replace(sample.ENDPOINT_AUDIENCE, sample.GRAPH_AUDIENCE)
    form = {"grant_type": "refresh_token", "refresh_token": first, "scope": graph}

    body = _post(simulator, "token", **form).json()

    assert (
        jwt.decode(body["access_token"], options={"verify_signature": False})["aud"] == sample.GRAPH_AUDIENCE
    )
    assert body["refresh_token"] != first
    again = _post(simulator, "token", **form)
    assert _refused(again) == (400, "invalid_grant", 50173) if strict else again.status_code == 200


def test_a_refresh_token_can_die_in_each_way(simulator: Simulator, world: World) -> None:
    """Revoked by number, unused for 90 days, no consent any more, of another app."""
    token = _redeem(simulator, _code(simulator)).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": token, "scope": SCOPE}
    app = world.app(sample.CLIENT_ID)
    assert app is not None
    kept, app.delegated = app.delegated, {}
    assert _refused(_post(simulator, "token", **form)) == (400, "invalid_grant", 65001)
    app.delegated = kept
    requests.post(
        f"{simulator.url}/_control/entra/revoke",
        json={"number": 70043},
        verify=simulator.ca_bundle,
        timeout=10,
    )
    assert _refused(_post(simulator, "token", **form)) == (400, "invalid_grant", 70043)
    people(world).refresh[token].revoked = None
    world.advance(91 * 86_400)
    assert _refused(_post(simulator, "token", **form)) == (400, "invalid_grant", 700082)


def test_a_device_code_waits_slows_down_and_ends(simulator: Simulator, world: World) -> None:
    """As RFC 8628 says, with Microsoft's words."""
    begun = _post(simulator, "devicecode", scope=SCOPE).json()
    assert (begun["interval"], begun["expires_in"]) == (5, 900)
    form = {"grant_type": DEVICE, "device_code": begun["device_code"]}
    assert _refused(_post(simulator, "token", **form))[1] == "authorization_pending"
    assert _refused(_post(simulator, "token", **form))[1] == "slow_down"
    assert _refused(_post(simulator, "token", **form | {"device_code": "x"}))[1] == "bad_verification_code"
    world.advance(901)

    assert _refused(_post(simulator, "token", **form))[1] == "expired_token"


def test_msal_signs_in_with_a_device_code(simulator: Simulator, world: World) -> None:
    """The library that the product uses, end to end."""
    from msal import PublicClientApplication

    with requests.Session() as session:
        session.verify, session.trust_env = simulator.ca_bundle, False
        app = PublicClientApplication(
            sample.CLIENT_ID,
            authority=f"{simulator.url}/{sample.TENANT_ID}",
            instance_discovery=False,
            http_client=session,
        )
        flow = app.initiate_device_flow([f"{sample.ENDPOINT_AUDIENCE}/.default"])
        decide(world, flow["user_code"], f"ada@{sample.TENANT_DOMAIN}")

        body = app.acquire_token_by_device_flow(flow)

        assert body["id_token_claims"]["preferred_username"] == f"ada@{sample.TENANT_DOMAIN}"
        [account] = app.get_accounts()
        assert app.acquire_token_silent([f"{sample.ARM_AUDIENCE}/.default"], account=account)["access_token"]


@pytest.fixture(scope="module")
def pair() -> Any:
    """A certificate with its key."""
    return certificate()


@pytest.mark.parametrize(
    ("changed", "header", "number"),
    [
        ({}, {}, None),
        ({"aud": "https://elsewhere.example/token"}, {}, 700023),
        ({"exp": 1}, {}, 700024),
        ({"nbf": 9_999_999_999}, {}, 700024),
        ({}, {"x5t#S256": "unknown"}, 700027),
        ({"iss": "somebody"}, {}, 700211),
    ],
)
def test_an_assertion_is_checked_from_top_to_bottom(
    simulator: Simulator,
    world: World,
    pair: Any,
    changed: dict[str, Any],
    header: dict[str, str],
    number: int | None,
) -> None:
    """Audience, times, thumbprint, signature."""
    from cryptography.hazmat.primitives import hashes

    trust(world, pair[1])
    now = int(time.time())
    endpoint = f"{simulator.url}/{sample.TENANT_ID}/oauth2/v2.0/token"
    claims = {"aud": endpoint, "iss": sample.CLIENT_ID, "sub": sample.CLIENT_ID, "nbf": now, "exp": now + 300}
    named = {"x5t#S256": b64url(pair[1].fingerprint(hashes.SHA256()))} | header
    assertion = jwt.encode(claims | changed, pair[0], algorithm="PS256", headers=named)
    form = {
        "grant_type": "client_credentials",
        "scope": f"{sample.ARM_AUDIENCE}/.default",
        "client_assertion_type": ASSERTION,
        "client_assertion": assertion,
    }

    answer = _post(simulator, "token", **form)

    assert (
        answer.status_code == 200 if number is None else _refused(answer) == (401, "invalid_client", number)
    )


def test_a_signature_of_another_key_is_refused(simulator: Simulator, world: World, pair: Any) -> None:
    """50012, though the thumbprint is the right one."""
    from cryptography.hazmat.primitives import hashes

    trust(world, pair[1])
    now = int(time.time())
    claims = {
        "aud": f"{simulator.url}/{sample.TENANT_ID}/oauth2/v2.0/token",
        "iss": sample.CLIENT_ID,
        "sub": sample.CLIENT_ID,
        "exp": now + 300,
    }
    named = {"x5t#S256": b64url(pair[1].fingerprint(hashes.SHA256()))}
    forged = jwt.encode(claims, certificate()[0], algorithm="PS256", headers=named)

    answer = _post(
        simulator,
        "token",
        grant_type="client_credentials",
        scope=f"{sample.ARM_AUDIENCE}/.default",
        client_assertion_type=ASSERTION,
        client_assertion=forged,
    )

    assert _refused(answer) == (401, "invalid_client", 50012)


def test_the_controls_refuse_what_is_not_there(simulator: Simulator) -> None:
    """An unknown code is 404, a wrong switch or a second answer 400."""
    begun = _post(simulator, "devicecode", scope=SCOPE).json()

    def control(name: str, body: Any, method: str = "POST") -> int:
        url = f"{simulator.url}/_control/entra/{name}"
        return requests.request(method, url, json=body, verify=simulator.ca_bundle, timeout=10).status_code

    assert control("device", {"user_code": "nobody"}) == 404
    assert control("device", {"user_code": begun["user_code"], "user": sample.STRANGER}) == 400
    assert control("device", {"user_code": begun["user_code"], "answer": "decline"}) == 200
    assert control("device", {"user_code": begun["user_code"]}) == 400
    assert control("switches", {"nothing": 1}, "PATCH") == 400
    assert control("switches", {"clock_skew": 5}, "PATCH") == 200
    assert control("secrets", {"days": -1}) == 200
    assert control("certificates", {"pem": "nonsense"}) == 400
    assert control("people", None, "GET") == 200
