"""What every implementation of Secrets promises: memory, a file, and Key Vault behind a challenge."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from shared.errors import (
    OperatorMustAct,
    PermissionMissing,
    PocketSOCError,
    SignInFailed,
    Throttled,
    TryLater,
)
from shared.settings import Settings
from shared.store.memory import MemorySecrets
from shared.store.secrets import FileSecrets, KeyVaultSecrets, secrets_from
from shared.store.stores import Secrets

CANARY = "canary-value-that-no-error-may-hold"


@pytest.fixture(params=["memory", "file", pytest.param("vault", marks=pytest.mark.peer)])
def secrets(request: pytest.FixtureRequest, tmp_path: Path) -> Secrets:
    """Each implementation, empty."""
    if request.param == "memory":
        return MemorySecrets()
    if request.param == "file":
        return FileSecrets(tmp_path / "made" / "secrets.json")
    return request.getfixturevalue("vault").secrets()


def test_what_was_set_is_got(secrets: Secrets) -> None:
    """At once, any text, the newest value."""
    secrets.set("a-name-1", "old")
    secrets.set("a-name-1", 'é "quoted"\n-----BEGIN KEY-----')

    assert secrets.get("a-name-1") == 'é "quoted"\n-----BEGIN KEY-----'


def test_a_missing_secret_is_none(secrets: Secrets) -> None:
    """Not an error: nothing was stored yet."""
    assert secrets.get("never") is None


def test_a_deleted_secret_is_gone_and_may_be_set_again(secrets: Secrets) -> None:
    """Key Vault keeps deleted names for weeks; the contract does not let that show."""
    secrets.set("name", "first")

    secrets.delete("name")
    secrets.delete("name")
    assert secrets.get("name") is None

    secrets.set("name", "second")
    assert secrets.get("name") == "second"


def test_names_are_compared_without_regard_to_case(secrets: Secrets) -> None:
    """As Key Vault does it, so that nothing depends on where it runs."""
    secrets.set("Name", "value")

    assert secrets.get("nAME") == "value"


@pytest.mark.parametrize("name", ["", "a_b", "a/b", "a" * 128, "é", "a\n"])
def test_a_name_that_key_vault_refuses_is_refused(secrets: Secrets, name: str) -> None:
    """1 to 127 letters, digits and hyphens, before anything is sent."""
    for use in (secrets.get, secrets.delete, lambda n: secrets.set(n, "x")):
        with pytest.raises(ValueError, match="127"):
            use(name)


def test_a_value_over_25_kib_is_refused(secrets: Secrets) -> None:
    """Key Vault's limit, kept everywhere; the value is not in the error."""
    with pytest.raises(ValueError, match="25600") as refused:
        secrets.set("name", CANARY * 1000)

    assert CANARY not in str(refused.value)


def test_threads_do_not_lose_each_others_secrets(secrets: Secrets) -> None:
    """Reading and writing the whole file is one step."""
    threads = [threading.Thread(target=secrets.set, args=(f"name-{n}", str(n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [secrets.get(f"name-{n}") for n in range(8)] == [str(n) for n in range(8)]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    """Also after it was made by somebody with a looser hand."""
    path = tmp_path / "secrets.json"
    path.write_text("{}")
    path.chmod(0o644)

    FileSecrets(path).set("name", "value")

    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_what_a_person_would_write(tmp_path: Path) -> None:
    """A JSON object of names and values, in either case."""
    path = tmp_path / "secrets.json"
    path.write_text('{"By-Hand": "typed"}')
    secrets = FileSecrets(path)

    secrets.set("other", "set")

    assert secrets.get("by-hand") == "typed"
    assert json.loads(path.read_text()) == {"by-hand": "typed", "other": "set"}


@pytest.mark.parametrize("content", ['["' + CANARY, f'["{CANARY}"]', f'{{"a": ["{CANARY}"]}}', "\udcff"])
def test_a_spoilt_file_says_so_without_quoting_it(tmp_path: Path, content: str) -> None:
    """And is not overwritten."""
    path = tmp_path / "secrets.json"
    path.write_text(content, errors="surrogateescape")

    with pytest.raises(OperatorMustAct, match=r"secrets\.json") as refused:
        FileSecrets(path).set("name", "value")

    assert CANARY not in repr(refused.value.__cause__) + str(refused.value)
    assert path.read_bytes() == content.encode(errors="surrogateescape")


@pytest.mark.peer
def test_who_needs_the_newest_gets_it(vault) -> None:
    """Past what is remembered; from then on that is remembered."""
    here, elsewhere = vault.secrets(), vault.secrets()
    here.set("name", "old")
    elsewhere.set("name", "new")
    assert here.get("name") == "old"

    assert here.get("name", fresh=True) == "new"
    assert here.get("name") == "new"


def test_a_value_is_remembered_for_a_minute_and_no_longer(vault) -> None:
    """A busy worker does not ask the vault for each call; a rotated secret is seen within a minute."""
    now = 1000.0
    secrets = vault.secrets(monotonic=lambda: now)
    vault.values["name"] = "old"
    assert secrets.get("name") == "old"
    vault.values["name"] = "new"

    now += 59
    assert secrets.get("name") == "old"
    now += 2
    assert secrets.get("name") == "new"


@pytest.mark.peer
def test_a_secret_that_an_admin_has_just_stored_is_found(vault) -> None:
    """That there was none is not remembered."""
    secrets = vault.secrets()
    assert secrets.get("name") is None
    vault.values["name"] = "value"

    assert secrets.get("name") == "value"


@pytest.mark.peer
def test_the_first_call_carries_no_token_and_learns_where_to_sign_in(vault) -> None:
    """The challenge's tenant reaches the credential; later calls come with the token at once."""
    secrets = vault.secrets()

    secrets.get("one")
    secrets.get("two")

    assert [bool(token) for _, _, token in vault.requests] == [False, True, True]
    assert vault.asked == [("https://vault.azure.net/.default", vault.tenant)]


REFUSALS = [
    (403, "ForbiddenByRbac", PermissionMissing, "Key Vault Secrets Officer"),
    (403, None, PermissionMissing, "Key Vault Secrets Officer"),
    (403, "ForbiddenByFirewall", PermissionMissing, "network"),
    (403, "SecretDisabled", OperatorMustAct, "disabled"),
    (401, None, PermissionMissing, "Key Vault Secrets Officer"),
    (429, None, Throttled, "busy"),
    (503, None, TryLater, "503"),
    (409, None, TryLater, "409"),
    (400, None, OperatorMustAct, "400"),
]


@pytest.mark.peer
@pytest.mark.parametrize(("status", "reason", "kind", "words"), REFUSALS)
def test_a_refusal_says_what_to_do(
    vault,
    status: int,
    reason: str | None,
    kind: type[PocketSOCError],
    words: str,
) -> None:
    """Whatever the call, and never with the value in the text."""
    secrets = vault.secrets()
    secrets.get("any")
    vault.refuse = (status, reason)

    for use in (
        lambda: secrets.get("name"),
        lambda: secrets.set("name", CANARY),
        lambda: secrets.delete("name"),
    ):
        with pytest.raises(kind, match=words) as refused:
            use()
        assert CANARY not in str(refused.value)


@pytest.mark.peer
def test_a_vault_that_does_not_answer_is_asked_again_later(vault) -> None:
    """Nothing is wrong here; the text names the setting in case it lasts."""
    secrets = vault.secrets()
    vault.stop()

    with pytest.raises(TryLater, match="POCKETSOC_KEY_VAULT_URL"):
        secrets.get("name")


@pytest.mark.peer
def test_an_app_without_identity_is_told_so(vault) -> None:
    """The credential's own error becomes a sign-in that failed."""

    class Nobody:
        def get_token(self, *scopes: str, **options: object) -> AccessToken:
            raise ClientAuthenticationError("no managed identity endpoint found")

    secrets = KeyVaultSecrets(vault.url, Nobody, ca_bundle=vault.ca_bundle, verify_challenge=False)

    with pytest.raises(SignInFailed, match="AzureWebJobsStorage__clientId"):
        secrets.get("name")


@pytest.mark.peer
def test_a_vault_under_a_strange_name_gets_no_token(vault) -> None:
    """A mistyped or hostile address cannot harvest the identity's token."""
    with pytest.raises(OperatorMustAct, match="POCKETSOC_KEY_VAULT_URL"):
        vault.secrets(verify_challenge=True).get("name")

    assert [token for _, _, token in vault.requests] == [None]


def test_the_settings_choose_where_secrets_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A vault if one is named, else the file; in Azure there is no file."""
    monkeypatch.delenv("WEBSITE_INSTANCE_ID", raising=False)
    path = tmp_path / "mine.json"
    assert isinstance(secrets_from(Settings(key_vault_url="https://v.vault.azure.net")), KeyVaultSecrets)
    secrets_from(Settings(secrets_file=str(path))).set("name", "value")
    assert path.is_file()

    monkeypatch.setenv("WEBSITE_INSTANCE_ID", "1")
    with pytest.raises(OperatorMustAct, match="POCKETSOC_KEY_VAULT_URL"):
        secrets_from(Settings())


def test_a_vault_is_spoken_to_over_https_only() -> None:
    """The token would travel in the clear."""
    with pytest.raises(OperatorMustAct, match="https"):
        secrets_from(Settings(key_vault_url="http://v.vault.azure.net"))
