"""Secrets, as azure-keyvault-secrets sees them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

from simulator import key_vault, sample
from simulator.faults import Fault
from simulator.serve import Simulator
from simulator.world import World

pytestmark = pytest.mark.peer


@pytest.fixture
def client(simulator: Simulator) -> Iterator[SecretClient]:
    """The product's library, signed in through the simulator's own Entra ID."""
    with (
        ClientSecretCredential(
            sample.TENANT_ID,
            sample.CLIENT_ID,
            sample.CLIENT_SECRET,
            authority=simulator.url,
            disable_instance_discovery=True,
            connection_verify=simulator.ca_bundle,
        ) as credential,
        SecretClient(
            simulator.url,
            credential,
            verify_challenge_resource=False,
            connection_verify=simulator.ca_bundle,
            retry_backoff_factor=0.01,
        ) as made,
    ):
        yield made


def test_what_was_set_can_be_read(client: SecretClient) -> None:
    """A secret comes back with its value and its description."""
    client.set_secret("vendor-a", "first value", content_type="client secret", tags={"for": "vendor-a"})
    found = client.get_secret("vendor-a")
    assert found.value == "first value"
    assert (found.properties.content_type, found.properties.tags) == ("client secret", {"for": "vendor-a"})


def test_the_first_call_learns_where_to_sign_in(client: SecretClient, world: World) -> None:
    """Without token the vault challenges once; later calls come with a token at once."""
    key_vault.put_secret(world, "vendor-a", "value")
    client.get_secret("vendor-a")
    client.get_secret("vendor-a")
    assert world.count("/secrets/vendor-a", method="GET") == 3


def test_the_challenge_names_authority_and_resource(simulator: Simulator, http: requests.Session) -> None:
    """The header that SDKs parse."""
    answer = http.get(f"{simulator.url}/secrets/any?api-version=7.4", timeout=10)
    expected = (
        f'Bearer authorization="{simulator.url}/{sample.TENANT_ID}", resource="https://vault.azure.net"'
    )
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, expected)


def test_a_token_for_another_audience_is_challenged(simulator: Simulator, http: requests.Session) -> None:
    """An ARM token does not open the vault."""
    headers = {"Authorization": f"Bearer {simulator.world.token(sample.ARM_AUDIENCE)}"}
    answer = http.get(f"{simulator.url}/secrets/any?api-version=7.4", headers=headers, timeout=10)
    assert answer.status_code == 401


@pytest.mark.parametrize("query", ["", "?api-version=1999-01-01"])
def test_the_api_version_is_mandatory(simulator: Simulator, http: requests.Session, query: str) -> None:
    """Without a known version nothing is answered."""
    headers = {"Authorization": f"Bearer {simulator.world.token(sample.VAULT_AUDIENCE)}"}
    assert http.get(f"{simulator.url}/secrets{query}", headers=headers, timeout=10).status_code == 400


def test_each_write_is_a_version_and_old_ones_stay(client: SecretClient) -> None:
    """Rotation leaves the former value readable under its version."""
    old = client.set_secret("vendor-a", "old").properties.version
    client.set_secret("vendor-a", "new")
    assert client.get_secret("vendor-a").value == "new"
    assert client.get_secret("vendor-a", old).value == "old"
    assert len(list(client.list_properties_of_secret_versions("vendor-a"))) == 2


def test_a_disabled_secret_is_forbidden(client: SecretClient) -> None:
    """Disabling blocks reading with 403."""
    version = client.set_secret("vendor-a", "value").properties.version
    client.update_secret_properties("vendor-a", version, enabled=False)
    with pytest.raises(HttpResponseError) as refused:
        client.get_secret("vendor-a")
    assert refused.value.status_code == 403


def test_an_expired_secret_is_still_readable(client: SecretClient) -> None:
    """`exp` only informs."""
    past = datetime.now(UTC) - timedelta(days=1)
    client.set_secret("vendor-a", "value", expires_on=past)
    found = client.get_secret("vendor-a")
    assert found.value == "value"
    assert found.properties.expires_on == past.replace(microsecond=0)


def test_listing_pages_and_shows_no_values(client: SecretClient, world: World) -> None:
    """More secrets than one page holds are all listed."""
    for number in range(30):
        key_vault.put_secret(world, f"secret-{number:02}", "value")
    assert len(list(client.list_properties_of_secrets())) == 30


def test_a_deleted_name_stays_taken_until_purged(client: SecretClient) -> None:
    """Soft delete: the name is blocked, then free after a purge."""
    client.set_secret("vendor-a", "value")
    client.begin_delete_secret("vendor-a", _polling_interval=0).result()
    with pytest.raises(ResourceExistsError):
        client.set_secret("vendor-a", "again")
    client.purge_deleted_secret("vendor-a")
    assert client.set_secret("vendor-a", "again").value == "again"


def test_a_deleted_secret_can_be_recovered(client: SecretClient) -> None:
    """Recovery brings the value back."""
    client.set_secret("vendor-a", "value")
    client.begin_delete_secret("vendor-a", _polling_interval=0).result()
    with pytest.raises(ResourceNotFoundError):
        client.get_secret("vendor-a")
    client.begin_recover_deleted_secret("vendor-a", _polling_interval=0).result()
    assert client.get_secret("vendor-a").value == "value"


def test_without_a_role_everything_is_forbidden(client: SecretClient, world: World) -> None:
    """A signed-in application without a role on the vault gets 403, not 404."""
    key_vault.vault(world).denied.add(sample.CLIENT_OBJECT_ID)
    with pytest.raises(HttpResponseError, match="not authorized"):
        client.get_secret("vendor-a")


def test_the_library_waits_out_throttling(client: SecretClient, world: World) -> None:
    """A 429 passes; the library comes again."""
    key_vault.put_secret(world, "vendor-a", "value")
    world.faults.append(Fault("/secrets", "429", times=1, retry_after=0))
    assert client.get_secret("vendor-a").value == "value"
