"""The storage contract's blobs on Azure Blob Storage (see `stores.Blobs`).

A container is made when a write first finds it missing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobClient, BlobServiceClient, ContainerClient, ExponentialRetry

from shared.settings import Settings
from shared.store import limits
from shared.store.account import Once, code_of, connect, storage_errors


def azure_blobs(settings: Settings) -> AzureBlobs:
    """The blobs of the storage account that the settings name. Opens nothing yet."""
    retries = ExponentialRetry(initial_backoff=0, increment_base=1, retry_total=2, random_jitter_range=0)
    return AzureBlobs(lambda: connect(BlobServiceClient, settings, "blob", retry_policy=retries))


class AzureBlobs:
    """Blobs in a storage account. `service_factory` is called once, on first use."""

    def __init__(self, service_factory: Callable[[], BlobServiceClient]) -> None:
        self._service = Once(service_factory)
        self._clients: dict[str, ContainerClient] = {}

    def put(self, container: str, name: str, content: bytes) -> None:
        """Write, replacing what was there."""
        limits.check_blob(name)
        with storage_errors("blob"):
            blob = self._blob(container, name)
            try:
                blob.upload_blob(content, overwrite=True)
            except HttpResponseError as error:
                if code_of(error) != "ContainerNotFound":
                    raise
                with suppress(ResourceExistsError):
                    self._clients[container].create_container()
                blob.upload_blob(content, overwrite=True)

    def get(self, container: str, name: str) -> bytes | None:
        """Read; None if there is no such blob."""
        with storage_errors("blob"):
            try:
                return self._blob(container, name).download_blob().readall()
            except HttpResponseError as error:
                if error.status_code == 404:
                    return None
                raise

    def delete(self, container: str, name: str) -> None:
        """Delete; fine if there is no such blob."""
        with storage_errors("blob"):
            try:
                self._blob(container, name).delete_blob()
            except HttpResponseError as error:
                if error.status_code != 404:
                    raise

    def _blob(self, container: str, name: str) -> BlobClient:
        client = self._clients.get(container)
        if client is None:
            client = self._clients.setdefault(container, self._service().get_container_client(container))
        return client.get_blob_client(name)
