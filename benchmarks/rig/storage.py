"""The product's parts on Azurite: one account for each measurement, everything in it made beforehand."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from devhost.azurite import Azurite, find_node
from devhost.seed import CONFIGURATIONS
from shared.bootstrap import Parts
from shared.nouns.configurations import Configuration
from shared.settings import read_settings
from shared.store.memory import MemorySecrets
from shared.store.stores import CONTAINERS, QUEUES, TABLES
from shared.vendors.vendor import Fields
from simulator import sample

ROOT = Path(__file__).resolve().parent.parent.parent
_ACCOUNTS = 100


@contextmanager
def azurite() -> Iterator[Azurite]:
    """A fresh Azurite in memory, with a hundred accounts. POCKETSOC_AZURITE says where it is installed."""
    folder = Path(os.environ.get("POCKETSOC_AZURITE") or ROOT / ".local" / "azurite")
    with Azurite(folder, find_node(Path(sys.prefix)), accounts=_ACCOUNTS) as running:
        yield running


def make_all(connection_string: str) -> None:
    """Make every table, queue and container, as a deployment does, so that no measured call has to."""
    from azure.data.tables import TableServiceClient
    from azure.storage.blob import BlobServiceClient
    from azure.storage.queue import QueueServiceClient

    with TableServiceClient.from_connection_string(connection_string) as tables:
        for table in TABLES:
            tables.create_table_if_not_exists(table)
    with QueueServiceClient.from_connection_string(connection_string) as queues:
        for queue in QUEUES:
            queues.create_queue(queue)
            queues.create_queue(f"{queue}-poison")
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        for container in CONTAINERS:
            blobs.create_container(container)


def parts_on(
    connection_string: str, *, clock: Callable[[], datetime] | None = None, **settings: Any
) -> Parts:
    """The parts on an account made ready; the secrets stay in memory."""
    make_all(connection_string)
    wanted = {"AzureWebJobsStorage": connection_string, **settings}
    parts = Parts(read_settings(**wanted), secrets=MemorySecrets())
    parts.clock = clock or parts.clock
    return parts


def configure(parts: Parts, vendor: str, **more: Any) -> Configuration:
    """Store a configuration for the simulator's sample app, with the seed's options; its id is the vendor's
    slug."""
    fields = dict(CONFIGURATIONS)[vendor]
    parts.secrets.set(f"vendor-{vendor.replace('_', '-')}", sample.CLIENT_SECRET)
    made = Configuration(
        id=vendor,
        vendor=vendor,
        display_name=vendor,
        tenant_id=sample.TENANT_ID,
        client_id=sample.CLIENT_ID,
        secret_reference=f"vendor-{vendor.replace('_', '-')}",
        options={name: value for name, value in fields.items() if name not in Fields.model_fields},
    )
    return parts.configurations.save(made.model_copy(update=more))
