"""The storage account: where it is, as whom we come, how long we wait, and what its refusals mean.

Storage that is away fails within seconds, not minutes: what we were doing is on a queue and comes again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Generic, TypeVar

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline.transport import RequestsTransport

from shared.errors import (
    OperatorMustAct,
    PermissionMissing,
    PocketSOCError,
    SignInFailed,
    Throttled,
    TryLater,
)
from shared.nouns.configurations import CloudName
from shared.settings import Settings

_CONNECT_SECONDS, _READ_SECONDS, _CONNECTIONS = 3, 30, 32
_SUFFIXES = {
    CloudName.commercial: "core.windows.net",
    CloudName.gcc: "core.windows.net",
    CloudName.gcc_high: "core.usgovcloudapi.net",
    CloudName.dod: "core.usgovcloudapi.net",
}
_ROLES = {
    "table": "Storage Table Data Contributor",
    "queue": "Storage Queue Data Contributor",
    "blob": "Storage Blob Data Owner",
}

Made = TypeVar("Made")


class Once(Generic[Made]):
    """Makes something on the first call and gives the same to every later one, from whatever thread."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._made: Made | None = None

    def __call__(self) -> Made:
        """The one that was made."""
        if self._made is None:
            with self._lock:
                if self._made is None:
                    self._made = self._make()
        return self._made


def connect(client: Any, settings: Settings, service: str, **options: Any) -> Any:
    """A client of the class `client`, for the service "table", "queue" or "blob". Raises OperatorMustAct when
    the settings do not say which account, or say it wrongly."""
    if settings.storage:
        # A proxy in the environment must not come between us and an emulator on this machine.
        local = "http://" in settings.storage or "UseDevelopmentStorage" in settings.storage
        try:
            return client.from_connection_string(
                settings.storage, transport=transport(env=not local), **options
            )
        except ValueError:
            raise OperatorMustAct(
                "AzureWebJobsStorage is not the connection string of a storage account"
            ) from None
    identity = managed_identity(settings.identity_client_id)
    return client(address(settings, service), credential=identity, transport=transport(env=True), **options)


def address(settings: Settings, service: str) -> str:
    """The account's https address for a service. Raises OperatorMustAct when the settings do not say."""
    given = {"table": settings.table_uri, "queue": settings.queue_uri, "blob": settings.blob_uri}[service]
    if given:
        return given
    if not settings.storage_account:
        raise OperatorMustAct(
            f"Set AzureWebJobsStorage__accountName or AzureWebJobsStorage__{service}ServiceUri to say which"
            " storage account to use; on a developer's machine AzureWebJobsStorage to a connection string"
        )
    return f"https://{settings.storage_account}.{service}.{_SUFFIXES[settings.cloud]}"


@cache
def managed_identity(client_id: str | None) -> TokenCredential:
    """The identity the product runs as, made once; without `client_id` the system-assigned one."""
    from azure.identity import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()


def transport(*, env: bool, verify: str | bool = True) -> RequestsTransport:
    """Connections for one client, enough for a worker's threads. `env`: heed proxy settings."""
    made = RequestsTransport(
        connection_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        connection_verify=verify,
        use_env_settings=env,
    )
    made.open()
    for adapter in made.session.adapters.values():
        adapter.init_poolmanager(10, _CONNECTIONS)
    return made


@contextmanager
def storage_errors(service: str) -> Iterator[None]:
    """Turns what an SDK raises into the product's errors, with words."""
    try:
        yield
    except AzureError as error:
        raise translated(error, service) from error


def translated(error: AzureError, service: str) -> PocketSOCError | ValueError:
    """What an SDK's error means here. ValueError stands for a request that we should not have made."""
    if not isinstance(error, HttpResponseError) or error.status_code is None:
        if isinstance(error, ClientAuthenticationError):
            return SignInFailed(
                "The app's managed identity gives no token for the storage account:"
                " check that it is assigned to the app and that AzureWebJobsStorage__clientId names it"
            )
        return TryLater(
            f"The storage account's {service} service does not answer;"
            " if that lasts, check the account's name and network rules"
        )
    status, code = error.status_code, code_of(error)
    if status in (401, 403):
        return PermissionMissing(
            f"The storage account refuses the app ({code}): give its identity the role {_ROLES[service]}"
            " on the account, and let the app's network in"
        )
    if status in (404, 408, 409, 429) or status >= 500:
        return _busy(error, f"The storage account's {service} service is busy ({status} {code})")
    return ValueError(f"the {service} service refused a request ({status} {code})")


def _busy(error: HttpResponseError, text: str) -> TryLater:
    headers: Mapping[str, str] = getattr(error.response, "headers", {})
    after = headers.get("Retry-After", "")
    if error.status_code == 429 or after.isdecimal():
        return Throttled(text, retry_after=float(after) if after.isdecimal() else None)
    return TryLater(text)


def code_of(error: HttpResponseError) -> str:
    """The service's word for what is wrong, for example TableNotFound; empty when it gave none."""
    code = getattr(error, "error_code", None) or _unread_code(error.response)
    return str(getattr(code, "value", code) or "")


def _unread_code(response: Any) -> str | None:
    """The same from the answer itself: the SDK decodes it for other table calls, not for `create_entity`."""
    try:
        return str(json.loads(response.text())["odata.error"]["code"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None if response is None else response.headers.get("x-ms-error-code")
