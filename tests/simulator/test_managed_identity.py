"""Managed identity as App Service offers it, asked by the library that the product uses."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
import requests
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential

from simulator import managed_identity, sample
from simulator.serve import Simulator
from simulator.world import World

pytestmark = pytest.mark.peer


@pytest.fixture
def _app_service(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in managed_identity.environment(simulator.world).items():
        monkeypatch.setenv(name, value)
    for name in ("IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def _get(http: requests.Session, simulator: Simulator, header: str, **query: str) -> requests.Response:
    params = {"api-version": "2019-08-01", "resource": sample.ARM_AUDIENCE} | query
    url = f"{simulator.url}/msi/token"
    return http.get(url, params=params, headers={"X-IDENTITY-HEADER": header}, timeout=10)


def _claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


@pytest.mark.usefixtures("_app_service")
@pytest.mark.parametrize(
    ("client_id", "object_id"),
    [
        (None, sample.SYSTEM_IDENTITY_OBJECT_ID),
        (sample.USER_IDENTITY_CLIENT_ID, sample.USER_IDENTITY_OBJECT_ID),
    ],
)
def test_azure_identity_gets_the_identity_it_asks_for(
    simulator: Simulator, client_id: str | None, object_id: str
) -> None:
    """System-assigned without selector, user-assigned by client id; the CA is handed in."""
    with ManagedIdentityCredential(client_id=client_id, connection_verify=simulator.ca_bundle) as credential:
        token = credential.get_token(f"{sample.ENDPOINT_AUDIENCE}/.default").token
    claims = _claims(token)
    assert (claims["oid"], set(claims["roles"])) == (object_id, sample.ENDPOINT_ROLES)


@pytest.mark.usefixtures("_app_service")
def test_azure_identity_trusts_requests_ca_bundle(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be handed in, REQUESTS_CA_BUNDLE is enough."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", simulator.ca_bundle)
    with ManagedIdentityCredential() as credential:
        assert credential.get_token(f"{sample.ARM_AUDIENCE}/.default").expires_on > time.time() + 3600


@pytest.mark.usefixtures("_app_service")
def test_an_unknown_identity_is_told_as_unavailable(simulator: Simulator) -> None:
    """A client id that no identity has is an error of the library, with the platform's text."""
    with (
        ManagedIdentityCredential(
            client_id=sample.CLIENT_ID, connection_verify=simulator.ca_bundle
        ) as credential,
        pytest.raises(CredentialUnavailableError, match="No User Assigned"),
    ):
        credential.get_token(f"{sample.ARM_AUDIENCE}/.default")


def test_the_answer_says_its_expiry_as_a_string(simulator: Simulator, http: requests.Session) -> None:
    """`expires_on` is epoch seconds in a string."""
    body = _get(http, simulator, sample.IDENTITY_HEADER).json()
    assert isinstance(body["expires_on"], str)
    assert int(body["expires_on"]) == _claims(body["access_token"])["exp"]


@pytest.mark.parametrize(
    ("selector", "value"),
    [("object_id", sample.USER_IDENTITY_OBJECT_ID), ("mi_res_id", sample.USER_IDENTITY_RESOURCE_ID.upper())],
)
def test_an_identity_can_be_selected_otherwise(
    simulator: Simulator, http: requests.Session, selector: str, value: str
) -> None:
    """By object id, or by resource id in any casing."""
    body = _get(http, simulator, sample.IDENTITY_HEADER, **{selector: value}).json()
    assert body["client_id"] == sample.USER_IDENTITY_CLIENT_ID


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_header_is_refused(
    simulator: Simulator, world: World, http: requests.Session, status: int
) -> None:
    """Whoever does not know the header gets no token; the status is a switch, because it is not verified."""
    world.switches.wrong_identity_header_status = status
    assert _get(http, simulator, "guessed").status_code == status


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"api-version": "2017-09-01"}, 400),
        ({"resource": ""}, 400),
        ({"resource": f"{sample.ARM_AUDIENCE}/.default"}, 500),
        ({"resource": "https://nobody.example"}, 500),
    ],
)
def test_mistakes_come_back_as_the_platforms_error(
    simulator: Simulator, http: requests.Session, query: dict[str, str], status: int
) -> None:
    """`statusCode` and `message`, with 500 for a resource that cannot be had."""
    answer = _get(http, simulator, sample.IDENTITY_HEADER, **query)
    assert (answer.status_code, answer.json()["statusCode"]) == (status, status)
