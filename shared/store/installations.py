"""The installations: which phones and browsers are told. What their push service needs is stored sealed, so
that a copy of the table cannot push."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.errors import OperatorMustAct, RowChanged, RowExists
from shared.nouns.notifications import Installation
from shared.store.stores import (
    Delete,
    Insert,
    Replace,
    Row,
    Secrets,
    Span,
    Table,
    Tables,
    every_row,
    key_safe,
)

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

_PARTITION = "installations"
_SEAL = "installation-seal"
_RECENT = 10.0
_log = logging.getLogger(__name__)


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
        return list(self._opened(every_row(self._tables, Table.installations, Span.within(_PARTITION))))

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
        return next(self._opened([row] if row else []), None)

    def remove(self, id: str) -> None:
        """Forget it; fine if there is none."""
        self._tables.write(Table.installations, [Delete(_PARTITION, key_safe(id))])
        self._cached = None

    def forget(self, installation: Installation) -> bool:
        """Remove it as it was read; False when it has registered anew since, and then it stays."""
        self._cached = None
        row = self._tables.get(Table.installations, _PARTITION, key_safe(installation.id))
        if row is None:
            return True
        if any(i.registration != installation.registration for i in self._opened([row])):
            return False
        try:
            self._tables.write(Table.installations, [Delete(row.partition, row.key, row.etag)])
        except RowChanged:
            return False
        return True

    def _opened(self, rows: Iterable[Row]) -> Iterator[Installation]:
        """The installations of the rows; one that cannot be opened or read is left out and must come anew."""
        from cryptography.fernet import InvalidToken

        for row in rows:
            try:
                opened = json.loads(self._seal().decrypt(_bytes(row.values["sealed"])))
                document = json.loads(str(row.values["document"]))
                found = Installation.model_validate({**document, "registration": opened})
            except (InvalidToken, ValueError, KeyError):
                _log.error(
                    "the registration of installation %s cannot be opened: it must register anew", row.key
                )
                continue
            yield found

    def _seal(self) -> Fernet:
        from cryptography.fernet import Fernet

        with self._lock:
            if self._fernet is None:
                self._fernet = Fernet(self._key(Fernet.generate_key().decode()))
            return self._fernet

    def _key(self, fresh: str) -> str:
        """The key that every instance seals with: the secret that the first of them wrote. A row names it, so
        that two instances that start together agree."""
        row = self._tables.get(Table.installations, _SEAL, _SEAL)
        if row is None:
            name = f"{_SEAL}-{uuid4().hex[:12]}"
            self._secrets.set(name, fresh)
            with suppress(RowExists):
                self._tables.write(Table.installations, [Insert(Row(_SEAL, _SEAL, {"secret": name}))])
            row = self._tables.get(Table.installations, _SEAL, _SEAL)
        key = self._secrets.get(str(row.values["secret"])) if row else None
        if key is None:
            raise OperatorMustAct(
                "The secret that seals the installations is missing from the secret store. Restore it there, "
                "or empty the table installations; the phones register anew."
            )
        return key


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
