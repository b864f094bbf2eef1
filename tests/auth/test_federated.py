"""A managed identity vouches for an app, in each cloud with that cloud's own audience."""

from __future__ import annotations

import jwt
import pytest

from shared.errors import SignInFailed
from shared.nouns.configurations import CLOUDS, AuthType, CloudName
from simulator import managed_identity, sample
from simulator.world import FederatedCredential, ManagedIdentity
from tests.auth.conftest import GOVERNMENT_CLIENT, GOVERNMENT_TENANT

IDENTITY = "0c0ffee0-4b2f-4d86-9f3c-0c0ffee00061"


@pytest.fixture
def vouching(cloud, monkeypatch):
    """An environment with a managed identity; the government's app trusts one of its own tenant."""
    for name, value in managed_identity.environment(cloud.world).items():
        monkeypatch.setenv(name, value)
    cloud.world.add(
        ManagedIdentity("gov-identity", GOVERNMENT_TENANT, "id-gov", {}, {}, IDENTITY, []),
    )
    app = cloud.world.app(GOVERNMENT_CLIENT)
    app.federated = [
        FederatedCredential(
            f"{{origin}}/{GOVERNMENT_TENANT}/v2.0", "gov-identity", ("api://AzureADTokenExchangeUSGov",)
        )
    ]
    yield cloud
    del cloud.world.principals["gov-identity"]


@pytest.mark.parametrize(
    ("name", "tenant", "client", "identity"),
    [
        (CloudName.commercial, sample.TENANT_ID, sample.CLIENT_ID, sample.USER_IDENTITY_CLIENT_ID),
        (CloudName.gcc, sample.TENANT_ID, sample.CLIENT_ID, sample.USER_IDENTITY_CLIENT_ID),
        (CloudName.gcc_high, GOVERNMENT_TENANT, GOVERNMENT_CLIENT, IDENTITY),
        (CloudName.dod, GOVERNMENT_TENANT, GOVERNMENT_CLIENT, IDENTITY),
    ],
)
def test_the_identity_vouches_in_each_cloud(vouching, make_source, name, tenant, client, identity):
    """The token is the app's, without any secret."""
    source = make_source(
        cloud=name,
        auth_type=AuthType.federated,
        tenant_id=tenant,
        client_id=client,
        secret_reference=None,
        identity_client_id=identity,
    )

    token = source.token(CLOUDS[name].endpoint_audience)

    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["appid"], claims["tid"]) == (client, tenant)


def test_each_cloud_has_its_own_audience_for_the_exchange():
    """As Microsoft names them."""
    assert {
        name: cloud.token_exchange.removeprefix("api://AzureADTokenExchange")
        for name, cloud in CLOUDS.items()
    } == {
        CloudName.commercial: "",
        CloudName.gcc: "",
        CloudName.gcc_high: "USGov",
        CloudName.dod: "USGov",
        CloudName.china: "China",
    }


def test_a_configurations_own_identity_comes_first(vouching, make_source):
    """Else the one that the product runs as."""
    named = {"auth_type": AuthType.federated, "identity_client_id": sample.USER_IDENTITY_CLIENT_ID}

    assert make_source(**named).token(sample.ENDPOINT_AUDIENCE)


def test_without_a_user_assigned_identity_it_is_said(vouching, make_source, posts):
    """A system-assigned one cannot vouch; nobody is asked."""
    with pytest.raises(SignInFailed, match="user-assigned"):
        make_source(auth_type=AuthType.federated).token(sample.ENDPOINT_AUDIENCE)

    assert posts() == 0


def test_outside_of_azure_there_is_nobody_to_vouch(make_source, monkeypatch):
    """The managed identity's own words."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    source = make_source(auth_type=AuthType.federated, identity_client_id=sample.USER_IDENTITY_CLIENT_ID)

    with pytest.raises(SignInFailed, match="no managed identity here"):
        source.token(sample.ENDPOINT_AUDIENCE)
