"""What the webhook brings beside alerts (assessments, scores, compliance): kept as what it is, newest
first, never made a detection."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from shared.nouns.detections import Instant
from shared.store.documents import document_columns
from shared.store.keys import inverted
from shared.store.stores import Blobs, Replace, Row, Table, Tables, Value, key_safe


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
        document = json.dumps(body)
        key = f"{inverted(received)}-{hashlib.sha256(document.encode()).hexdigest()[:16]}"
        values: dict[str, Value] = {
            "kind": kind,
            "id": id[:1000],
            "name": name[:1000],
            "action": action or "",
            "received": received,
            **document_columns(document, self._blobs, f"posture/{key}"),
        }
        self._tables.write(Table.posture, [Replace(Row(key_safe(configuration_id), key, values))])
