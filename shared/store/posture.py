"""What the webhook brings beside alerts (assessments, scores, compliance): kept as what it is, newest
first, never made a detection."""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Any

from shared.nouns.detections import Instant
from shared.store.keys import inverted
from shared.store.stores import Blobs, Container, Replace, Row, Table, Tables, Value, key_safe

_INLINE = 60 * 1024


class Posture:
    """Posture events, a partition for each configuration."""

    def __init__(self, *, tables: Tables, blobs: Blobs) -> None:
        self._tables = tables
        self._blobs = blobs

    def keep(
        self,
        configuration_id: str,
        *,
        kind: str,
        id: str,
        name: str,
        action: str | None,
        body: Any,
        received: Instant,
    ) -> None:
        """Keep one event; the same event received again under the same time is kept once."""
        document = zlib.compress(json.dumps(body).encode(), 1)
        key = f"{inverted(received)}-{hashlib.sha256(document).hexdigest()[:16]}"
        values: dict[str, Value] = {
            "kind": kind,
            "id": id[:1000],
            "name": name[:1000],
            "action": action or "",
            "received": received,
        }
        if len(document) <= _INLINE:
            values["document"] = document
        else:
            values["document_blob"] = f"posture/{key}"
            self._blobs.put(Container.documents, f"posture/{key}", document)
        self._tables.write(Table.posture, [Replace(Row(key_safe(configuration_id), key, values))])
