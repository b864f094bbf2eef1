"""The installations: which phones and browsers are told. What their push service needs is stored sealed, so
that a copy of the table cannot push."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from shared.notifications import Installation
from shared.store.stores import Delete, Replace, Row, Secrets, Span, Table, Tables, key_safe

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_PARTITION = "installations"
_SEAL = "installation-seal-key"
_RECENT = 10.0


class Installations:
    """Every registered installation."""

    def __init__(self, *, tables: Tables, secrets: Secrets) -> None:
        self._tables = tables
        self._secrets = secrets
        self._lock = threading.Lock()
        self._fernet: Fernet | None = None
        self._cached: tuple[float, list[Installation]] | None = None

    def register(self, installation: Installation) -> None:
        """Store it, replacing an earlier registration of the same id."""
        sealed = self._seal().encrypt(json.dumps(installation.registration).encode())
        document = installation.model_dump_json(exclude={"registration"})
        row = Row(
            _PARTITION,
            key_safe(installation.id),
            {"document": document, "sealed": sealed, "owner": installation.owner},
        )
        self._tables.write(Table.installations, [Replace(row)])
        self._cached = None

    def all(self) -> list[Installation]:
        """All of them, in the order of their ids."""
        found: list[Installation] = []
        token: str | None = None
        while True:
            page = self._tables.scan(Table.installations, Span.within(_PARTITION), token=token)
            found += map(self._installation, page.rows)
            token = page.token
            if token is None:
                return found

    def recent(self) -> list[Installation]:
        """All of them, as of at most ten seconds ago."""
        cached = self._cached
        if cached is None or time.monotonic() - cached[0] > _RECENT:
            self._cached = cached = (time.monotonic(), self.all())
        return cached[1]

    def of(self, owner: str) -> list[Installation]:
        """Those of one user."""
        return [i for i in self.all() if i.owner == owner]

    def get(self, id: str) -> Installation | None:
        """One of them, or None."""
        row = self._tables.get(Table.installations, _PARTITION, key_safe(id))
        return self._installation(row) if row else None

    def remove(self, id: str) -> None:
        """Forget it; fine if there is none."""
        self._tables.write(Table.installations, [Delete(_PARTITION, key_safe(id))])
        self._cached = None

    def _installation(self, row: Row) -> Installation:
        sealed = row.values["sealed"]
        registration = json.loads(self._seal().decrypt(sealed if isinstance(sealed, bytes) else b""))
        return Installation.model_validate(
            {**json.loads(str(row.values["document"])), "registration": registration}
        )

    def _seal(self) -> Fernet:
        from cryptography.fernet import Fernet

        with self._lock:
            if self._fernet is None:
                key = self._secrets.get(_SEAL)
                if key is None:
                    self._secrets.set(_SEAL, Fernet.generate_key().decode())
                    key = self._secrets.get(_SEAL) or ""
                self._fernet = Fernet(key)
            return self._fernet
