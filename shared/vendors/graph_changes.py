"""Changing an alert through Microsoft Graph (`PATCH /security/alerts_v2/{id}`, and its comments): the change
reaches the product that raised it, and every other one that shows it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shared.nouns.alert_change import AlertChange
from shared.nouns.detections import Detection
from shared.vendors.changes import graph_body, read_again
from shared.vendors.refused import told_to_the_caller
from shared.vendors.vendor import Connection

_COMMENT = "microsoft.graph.security.alertComment"


def change_alert(connection: Connection, detection: Detection, change: AlertChange) -> Any:
    """Make the change, then add the comment: a refused change leaves no comment about it. See AlertVendor."""
    address = f"/security/alerts_v2/{quote(detection.native_id, safe='')}"
    body = graph_body(change)
    with told_to_the_caller():
        if body:
            connection.api.patch(address, body)
        if change.comment is not None:
            connection.api.post(f"{address}/comments", {"@odata.type": _COMMENT, "comment": change.comment})
    return read_again(lambda: connection.api.get(address))
