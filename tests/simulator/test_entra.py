"""Signing in with a client secret, as Entra ID answers it."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential

from simulator import sample
from simulator.serve import Simulator
from simulator.world import World

pytestmark = pytest.mark.peer

ARM_SCOPE = f"{sample.ARM_AUDIENCE}/.default"


def _form(**changes: str | None) -> dict[str, str]:
    form: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": sample.CLIENT_ID,
        "client_secret": sample.CLIENT_SECRET,
        "scope": ARM_SCOPE,
    }
    return {key: value for key, value in (form | changes).items() if value is not None}


def _post(
    simulator: Simulator, tenant: str = sample.TENANT_ID, *, version: str = "/v2.0", **changes: str | None
) -> requests.Response:
    url = f"{simulator.url}/{tenant}/oauth2{version}/token"
    return requests.post(url, data=_form(**changes), verify=simulator.ca_bundle, timeout=10)


def _claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def test_azure_identity_signs_in_end_to_end(simulator: Simulator) -> None:
    """The library that the product uses gets a token with the application's roles."""
    with ClientSecretCredential(
        sample.TENANT_ID,
        sample.CLIENT_ID,
        sample.CLIENT_SECRET,
        authority=simulator.url,
        disable_instance_discovery=True,
        connection_verify=simulator.ca_bundle,
    ) as credential:
        token = credential.get_token(f"{sample.ENDPOINT_AUDIENCE}/.default").token
    assert set(_claims(token)["roles"]) == sample.ENDPOINT_ROLES


def test_azure_identity_reports_a_wrong_secret(simulator: Simulator) -> None:
    """The library sees the real error, by number."""
    with (
        ClientSecretCredential(
            sample.TENANT_ID,
            sample.CLIENT_ID,
            sample.SECRET_ID,
            authority=simulator.url,
            disable_instance_discovery=True,
            connection_verify=simulator.ca_bundle,
        ) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215"),
    ):
        credential.get_token(ARM_SCOPE)


def test_v2_answers_with_numbers(simulator: Simulator) -> None:
    """A v2 answer has the four documented fields, its times as numbers."""
    body = _post(simulator).json()
    assert set(body) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert body["expires_in"] == 3599


def test_v1_answers_with_numbers_as_strings(simulator: Simulator) -> None:
    """A v1 answer says its times as strings and repeats the resource."""
    body = _post(simulator, version="", scope=None, resource=sample.ENDPOINT_AUDIENCE).json()
    assert body["expires_in"] == "3599"
    assert int(body["expires_on"]) - int(body["not_before"]) == 3599
    assert body["resource"] == sample.ENDPOINT_AUDIENCE


def test_the_domain_names_the_tenant_too(simulator: Simulator) -> None:
    """A tenant may be addressed by id or by domain."""
    assert _post(simulator, sample.TENANT_DOMAIN).status_code == 200


def test_the_lifetime_follows_the_switch(simulator: Simulator, world: World) -> None:
    """Nobody may rely on 3599 seconds."""
    world.switches.token_lifetime = 5399
    body = _post(simulator).json()
    claims = _claims(body["access_token"])
    assert body["expires_in"] == claims["exp"] - claims["iat"] == 5399


@pytest.mark.parametrize(
    ("tenant", "changes", "status", "error", "number"),
    [
        ("not-a-tenant", {}, 400, "invalid_request", 900023),
        ("00000000-0000-4000-8000-000000000000", {}, 400, "invalid_tenant", 90002),
        ("common", {}, 400, "invalid_request", 50059),
        (None, {"grant_type": None}, 400, "invalid_request", 900144),
        (None, {"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        (None, {"client_id": sample.TENANT_ID}, 400, "unauthorized_client", 700016),
        (None, {"client_secret": None}, 401, "invalid_client", 7000216),
        (None, {"client_secret": sample.SECRET_ID}, 401, "invalid_client", 7000215),
        (None, {"client_secret": sample.EXPIRED_SECRET}, 401, "invalid_client", 7000222),
        (None, {"scope": None}, 400, "invalid_request", 900144),
        (None, {"scope": f"{ARM_SCOPE} openid"}, 400, "invalid_scope", 70011),
        (None, {"scope": sample.ARM_AUDIENCE}, 400, "invalid_scope", 1002012),
        (None, {"scope": "https://nobody.example/.default"}, 400, "invalid_resource", 500011),
    ],
)
def test_each_mistake_has_its_own_error(
    simulator: Simulator,
    tenant: str | None,
    changes: dict[str, str | None],
    status: int,
    error: str,
    number: int,
) -> None:
    """Status, OAuth error and AADSTS number say what is wrong."""
    answer = _post(simulator, tenant or sample.TENANT_ID, **changes)
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")


def test_checks_come_in_the_real_order(simulator: Simulator) -> None:
    """Of several mistakes the first is told: application before secret, secret before scope."""
    unknown = _post(simulator, client_id=sample.TENANT_ID, client_secret="wrong", scope="wrong").json()
    wrong = _post(simulator, client_secret="wrong", scope="wrong").json()
    assert (unknown["error_codes"], wrong["error_codes"]) == ([700016], [7000215])


def test_a_secret_expires_when_the_clock_passes_it(simulator: Simulator, world: World) -> None:
    """What worked yesterday fails with 7000222 after the secret's end."""
    assert _post(simulator).status_code == 200
    world.advance(11 * 365 * 86_400)
    assert _post(simulator).json()["error_codes"] == [7000222]


def test_the_error_repeats_the_callers_correlation_id(simulator: Simulator) -> None:
    """Support needs the ids and the time, in fields and in the text."""
    url = f"{simulator.url}/{sample.TENANT_ID}/oauth2/v2.0/token"
    headers = {"client-request-id": "11111111-2222-4333-8444-555555555555"}
    answer = requests.post(url, data={}, headers=headers, verify=simulator.ca_bundle, timeout=10)
    body = answer.json()
    assert body["correlation_id"] == headers["client-request-id"]
    assert f"\r\nTrace ID: {body['trace_id']}\r\n" in body["error_description"]


def test_the_slash_before_default_reaches_the_audience(simulator: Simulator) -> None:
    """A doubled slash asks for the audience with a trailing slash, and that is what the token says."""
    body = _post(simulator, scope=f"{sample.ARM_AUDIENCE}//.default").json()
    assert _claims(body["access_token"])["aud"] == f"{sample.ARM_AUDIENCE}/"


def test_a_government_audience_is_unknown_in_a_commercial_tenant(simulator: Simulator) -> None:
    """The wrong cloud is noticed at sign-in when the audience gives it away."""
    answer = _post(simulator, scope="https://api-gov.securitycenter.microsoft.us/.default").json()
    assert answer["error_codes"] == [500011]


def test_arm_roles_are_not_in_the_token(simulator: Simulator) -> None:
    """An ARM token carries no roles, though the application has some on the subscription."""
    claims = _claims(_post(simulator).json()["access_token"])
    assert "roles" not in claims
    assert simulator.world.arm_roles(claims, sample.SUBSCRIPTION_ID) == {"Security Reader", "Security Admin"}


@pytest.mark.parametrize("role", sample.API_ROLES)
def test_a_daemon_gets_its_role_for_the_api(simulator: Simulator, role: str) -> None:
    """Client credentials for PocketSOC's own API give a v2 token with exactly that role and no user."""
    body = _post(
        simulator,
        client_id=sample.DAEMON_CLIENT_IDS[role],
        client_secret=sample.DAEMON_SECRET,
        scope=f"{sample.API_AUDIENCE}/.default",
    ).json()
    claims = _claims(body["access_token"])
    assert (claims["aud"], claims["ver"], claims["roles"]) == (sample.API_CLIENT_ID, "2.0", [role])
    assert "scp" not in claims


def test_a_users_token_can_be_had_for_trying_out(simulator: Simulator, http: requests.Session) -> None:
    """`/_control/tokens/{role}` gives what `dev.py run` shows; an unknown role is 404."""
    url = f"{simulator.url}/_control/tokens"
    claims = _claims(http.get(f"{url}/Admin", timeout=10).json()["access_token"])
    assert (claims["roles"], claims["name"], claims["scp"]) == (["Admin"], "Ada Admin", "access_as_user")
    assert http.get(f"{url}/Emperor", timeout=10).status_code == 404
