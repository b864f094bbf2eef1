"""Signing in as a managed identity at the simulated platform endpoint."""

from __future__ import annotations

import jwt
import pytest

from shared.errors import SignInFailed, Throttled, TryLater
from shared.nouns.configurations import AuthType
from simulator import sample
from simulator.faults import Fault
from simulator.managed_identity import environment

ARM = sample.ARM_AUDIENCE


@pytest.fixture
def in_azure(cloud, monkeypatch):
    """The environment of a Function App."""
    for name, value in environment(cloud.world).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def make_identity(make_source):
    """A source that signs in as a managed identity."""

    def make(**changed):
        return make_source(**{"auth_type": AuthType.managed_identity, "client_id": None, **changed})

    return make


@pytest.mark.usefixtures("in_azure")
@pytest.mark.parametrize(
    ("chosen", "own", "expected"),
    [
        (None, None, sample.SYSTEM_IDENTITY_CLIENT_ID),
        (None, sample.USER_IDENTITY_CLIENT_ID, sample.USER_IDENTITY_CLIENT_ID),
        (
            sample.USER_IDENTITY_CLIENT_ID,
            "00000000-0000-0000-0000-000000000000",
            sample.USER_IDENTITY_CLIENT_ID,
        ),
    ],
)
def test_the_configurations_identity_comes_before_the_apps_own(make_identity, chosen, own, expected):
    """The configuration's client id, else the app's own identity, else the system-assigned one."""
    source = make_identity(client_id=chosen, identity_client_id=own)

    claims = jwt.decode(source.token(ARM), options={"verify_signature": False})

    assert claims["appid"] == expected
    assert claims["aud"] == ARM


@pytest.mark.usefixtures("in_azure")
def test_tokens_are_kept(make_identity, cloud):
    """The platform is asked once."""
    source = make_identity()

    assert source.token(ARM) == source.token(ARM)
    assert cloud.world.count("/msi/token") == 1


@pytest.mark.usefixtures("in_azure")
def test_refresh_asks_the_platform_again(make_identity, cloud):
    """A refresh is not answered from a library's memory."""
    source = make_identity()
    source.token(ARM)
    source.token(ARM, refresh=True)

    assert cloud.world.count("/msi/token") == 2


@pytest.mark.usefixtures("in_azure")
def test_an_identity_that_is_not_assigned_is_named(make_identity):
    """A wrong client id is shown, with where to assign the identity."""
    wrong = "00000000-0000-0000-0000-000000000001"

    with pytest.raises(SignInFailed, match=f"no user-assigned managed identity with the client id {wrong}"):
        make_identity(client_id=wrong).token(ARM)


@pytest.mark.usefixtures("in_azure")
def test_a_missing_system_identity_says_where_to_switch_it_on(make_identity, cloud):
    """Without any identity the click path is named."""
    identity = cloud.world.app(sample.SYSTEM_IDENTITY_CLIENT_ID)
    identity.system_assigned = False

    try:
        with pytest.raises(SignInFailed, match="no system-assigned managed identity"):
            make_identity().token(ARM)
    finally:
        identity.system_assigned = True


@pytest.mark.usefixtures("in_azure")
def test_an_unknown_api_is_named(make_identity):
    """The platform answers 500 for an API it cannot have a token for; the words name that possibility."""
    with pytest.raises(TryLater, match=r"check that the API https://api\.unlicensed\.example exists"):
        make_identity().token("https://api.unlicensed.example")


def test_an_unknown_api_that_is_said_clearly_is_for_the_operator(make_identity, odd_server, monkeypatch):
    """Where the platform passes Entra's number on, it is explained."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{odd_server.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "h")
    body = b'{"statusCode": 400, "message": "AADSTS500011: The resource principal named x was not found."}'
    odd_server.answers["/msi/token"] = (400, body)

    with pytest.raises(SignInFailed, match="does not know the API") as caught:
        make_identity(ca_bundle=odd_server.ca_bundle).token(ARM)

    assert caught.value.code == "AADSTS500011"


@pytest.mark.usefixtures("in_azure")
@pytest.mark.parametrize("kind", ["500", "503", "garbage", "drop"])
def test_an_outage_of_the_platform_is_for_later(make_identity, cloud, kind):
    """The platform's trouble passes."""
    cloud.world.faults.append(Fault("/msi/token", kind))

    with pytest.raises(TryLater, match="managed identity service"):
        make_identity().token(ARM)


@pytest.mark.usefixtures("in_azure")
def test_the_platforms_throttling_is_honoured(make_identity, cloud):
    """429 waits as long as was asked."""
    cloud.world.faults.append(Fault("/msi/token", "429", retry_after=9))

    with pytest.raises(Throttled) as caught:
        make_identity().token(ARM)

    assert caught.value.retry_after == 9


@pytest.mark.usefixtures("in_azure")
def test_a_refused_header_says_to_restart(make_identity, monkeypatch):
    """A header that the platform does not take is cured by a restart, not by waiting."""
    monkeypatch.setenv("IDENTITY_HEADER", "stale")

    with pytest.raises(SignInFailed, match="Restart the Function App"):
        make_identity().token(ARM)


@pytest.mark.usefixtures("cloud")
def test_outside_azure_there_is_no_identity(make_identity, monkeypatch):
    """Where nothing answers and nothing says that this is Azure, waiting would not help."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")

    with pytest.raises(SignInFailed, match="there is no managed identity here"):
        make_identity().token(ARM)


def test_in_azure_a_silent_platform_is_for_later(make_identity, monkeypatch):
    """Inside Azure an endpoint that does not answer is an outage."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "h")

    with pytest.raises(TryLater, match="refused the connection"):
        make_identity().token(ARM)


@pytest.mark.usefixtures("in_azure")
def test_the_secret_store_is_not_asked(make_identity, secrets):
    """A managed identity has no secret to read."""
    make_identity().token(ARM)

    assert secrets.reads == 0
