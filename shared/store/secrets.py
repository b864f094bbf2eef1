"""The storage contract's secrets: in Azure Key Vault, or in a file that only the developer can read.

Values go nowhere but to the caller: no error, log line or `repr` holds one. Names are compared without regard
to case, as in Key Vault.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import (
    OperatorMustAct,
    PermissionMissing,
    PocketSOCError,
    SignInFailed,
    Throttled,
    TryLater,
)
from shared.settings import Settings
from shared.store import limits
from shared.store.stores import Secrets

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import AzureError
    from azure.keyvault.secrets import SecretClient

DEFAULT_FILE = ".local/secrets.json"
"""Where a developer's secrets are, seen from the folder the product runs in."""

_FRESH_SECONDS, _RECOVERY_SECONDS = 60.0, 30.0
_RETRIES = {"retry_total": 2, "retry_backoff_factor": 0.4, "retry_backoff_max": 4}


def secrets_from(settings: Settings) -> Secrets:
    """Key Vault if the settings name one, else the file. OperatorMustAct in Azure without Key Vault."""
    if settings.key_vault_url:
        from shared.store.account import managed_identity

        return KeyVaultSecrets(
            settings.key_vault_url,
            lambda: managed_identity(settings.identity_client_id),
            ca_bundle=settings.ca_bundle,
            verify_challenge=settings.simulator_url is None,
        )
    if os.environ.get("WEBSITE_INSTANCE_ID"):
        raise OperatorMustAct("Set POCKETSOC_KEY_VAULT_URL to the vault that holds the vendors' secrets")
    return FileSecrets(settings.secrets_file or DEFAULT_FILE)


class FileSecrets:
    """Secrets in one JSON file, readable by its owner only. A crash while writing leaves the old file."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()

    def get(self, name: str, *, fresh: bool = False) -> str | None:
        """The value, or None."""
        name = limits.check_secret(name)
        with self._lock:
            return self._read().get(name)

    def set(self, name: str, value: str) -> None:
        """Write a value."""
        name = limits.check_secret(name, value)
        with self._lock:
            self._write({**self._read(), name: value})

    def delete(self, name: str) -> None:
        """Remove; fine if there is none."""
        name = limits.check_secret(name)
        with self._lock:
            values = self._read()
            if values.pop(name, None) is not None:
                self._write(values)

    def _read(self) -> dict[str, str]:
        try:
            values = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            values = None
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            # Without its cause, which quotes the file.
            raise OperatorMustAct(
                f"The secrets file {self._path.name} cannot be read: it must be a JSON object of texts"
            ) from None
        return {name.lower(): value for name, value in values.items()}

    def _write(self, values: dict[str, str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(dir=self._path.parent, prefix=".secrets-")  # made with mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(values, file, indent=2, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self._path)
        except BaseException:  # whatever happened, no copy of the secrets stays behind
            Path(fresh).unlink(missing_ok=True)
            raise


class KeyVaultSecrets:
    """Secrets in Azure Key Vault, each remembered for at most a minute.

    `credential_factory` is called once, on first use. `verify_challenge=False` lets a vault under another
    name than Azure's say where to sign in: for the simulator only.
    """

    def __init__(
        self,
        vault_url: str,
        credential_factory: Callable[[], TokenCredential],
        ca_bundle: str | None = None,
        verify_challenge: bool = True,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not vault_url.startswith("https://"):
            raise OperatorMustAct("POCKETSOC_KEY_VAULT_URL must be an https address")
        self._url, self._credential_factory = vault_url, credential_factory
        self._ca_bundle, self._verify_challenge = ca_bundle, verify_challenge
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._made: SecretClient | None = None
        self._known: dict[str, tuple[float, str | None]] = {}

    def get(self, name: str, *, fresh: bool = False) -> str | None:
        """The newest value, or None. Raises OperatorMustAct (a disabled secret, a missing role), TryLater."""
        from azure.core.exceptions import ResourceNotFoundError

        name = limits.check_secret(name)
        until, value = self._known.get(name, (0.0, None))
        if self._monotonic() < until and not fresh:
            return value
        with _vault_errors(name):
            try:
                value = self._client().get_secret(name).value
            except ResourceNotFoundError:
                return None
        self._remember(name, value)
        return value

    def set(self, name: str, value: str) -> None:
        """Write a new version. A deleted secret of that name, kept by Key Vault for weeks, is recovered."""
        from azure.core.exceptions import ResourceExistsError

        name = limits.check_secret(name, value)
        with _vault_errors(name):
            try:
                self._client().set_secret(name, value)
            except ResourceExistsError:
                self._client().begin_recover_deleted_secret(name).wait(_RECOVERY_SECONDS)
                self._client().set_secret(name, value)
        self._remember(name, value)

    def delete(self, name: str) -> None:
        """Remove; fine if there is none. The vault's owner can recover it until it is purged."""
        from azure.core.exceptions import ResourceNotFoundError

        name = limits.check_secret(name)
        with _vault_errors(name), suppress(ResourceNotFoundError):
            self._client().begin_delete_secret(name)
        self._remember(name, None)

    def _remember(self, name: str, value: str | None) -> None:
        self._known[name] = (self._monotonic() + _FRESH_SECONDS, value)

    def _client(self) -> SecretClient:
        from azure.keyvault.secrets import SecretClient

        with self._lock:
            if self._made is None:
                self._made = SecretClient(
                    self._url,
                    self._credential_factory(),
                    verify_challenge_resource=self._verify_challenge,
                    connection_verify=self._ca_bundle or True,
                    connection_timeout=5,
                    **_RETRIES,
                )
            return self._made


_ROLE_NEEDED = (
    "Key Vault refuses the app: give its identity the role Key Vault Secrets Officer on the vault"
    " (a new role takes some minutes to work)"
)


@contextmanager
def _vault_errors(name: str) -> Iterator[None]:
    """Turns what the SDK raises into the product's errors, with words."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        raise _refusal(error, name) from error
    except ValueError as error:  # the address is not that of a vault, and got no token
        raise OperatorMustAct("POCKETSOC_KEY_VAULT_URL is not the address of a key vault") from error


def _refusal(error: AzureError, name: str) -> PocketSOCError:
    """What Key Vault's error asks of the operator. Source: "Azure Key Vault REST API error codes"."""
    from azure.core.exceptions import ClientAuthenticationError

    status = getattr(error, "status_code", None)
    if status is None and isinstance(error, ClientAuthenticationError):
        return SignInFailed(
            "The app's managed identity gives no token for Key Vault:"
            " check that it is assigned to the app and that AzureWebJobsStorage__clientId names it"
        )
    if status is None:
        return TryLater(
            "Key Vault does not answer; if that lasts, check POCKETSOC_KEY_VAULT_URL"
            " and the vault's network rules"
        )
    if status in (401, 403):
        return _forbidden(_inner_code(error), name)
    if status == 429:
        return Throttled("Key Vault is busy")
    if status in (404, 408, 409) or status >= 500:
        return TryLater(f"Key Vault cannot do it now ({status})")
    return OperatorMustAct(f"Key Vault refuses the secret {name} ({status})")


def _forbidden(reason: str, name: str) -> PocketSOCError:
    if reason == "SecretDisabled":
        return OperatorMustAct(
            f"The secret {name} is disabled in Key Vault: enable it or write a new version"
        )
    if reason in ("ForbiddenByFirewall", "ForbiddenByConnection"):
        return PermissionMissing("Key Vault's network rules keep the app out: let its network in")
    return PermissionMissing(_ROLE_NEEDED)


def _inner_code(error: AzureError) -> str:
    inner = getattr(getattr(error, "error", None), "innererror", None) or {}
    return str(inner.get("code", ""))
