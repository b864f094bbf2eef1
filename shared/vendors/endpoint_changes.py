"""Changing an alert of Defender for Endpoint (`PATCH /api/alerts/{id}`)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shared.nouns.alert_change import AlertChange
from shared.nouns.detections import Detection
from shared.vendors.changes import endpoint_body, read_again
from shared.vendors.refused import told_to_the_caller
from shared.vendors.vendor import Connection


def change_alert(connection: Connection, detection: Detection, change: AlertChange) -> Any:
    """Make the change, and read the alert with its evidence, which the answer to a change leaves out. Names
    in the body are case-sensitive. See AlertVendor."""
    address = f"/api/alerts/{quote(detection.native_id, safe='')}"
    comment = {} if change.comment is None else {"comment": change.comment}
    body = {**endpoint_body(change), **comment}
    with told_to_the_caller():
        connection.api.patch(address, body)
    return read_again(lambda: connection.api.get(address, {"$expand": "evidence"}))
