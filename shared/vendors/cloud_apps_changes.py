"""Closing an alert of Defender for Cloud Apps: a POST that names the alert and gives the verdict.

Closing is all that the API can do to an alert's work: there is no call to assign it, to set it in progress or
to open it again. It answers 200 for alerts that do not exist, and names them. A verdict that is not given is
the one that the API's older calls meant: `dismiss` a false positive, `resolve` a true one. Source: "Close
alerts" in "Alerts API" of the product's documentation.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from shared.errors import BadRequest, NotFound
from shared.nouns.alert_change import AlertChange
from shared.nouns.detections import Detection, Status
from shared.vendors.changes import read_again
from shared.vendors.cloud_apps_walk import PATH
from shared.vendors.loose_json import each, fields, text
from shared.vendors.refused import told_to_the_caller
from shared.vendors.vendor import Connection

_USUAL = {Status.dismissed: "false_positive", Status.resolved: "true_positive"}
# The product's own words, Sentinel's and Graph's for the same.
_VERDICTS = {
    **{"falsepositive": "false_positive", "truepositive": "true_positive", "benign": "benign"},
    **{"benignpositive": "benign", "informationalexpectedactivity": "benign"},
}


def change_alert(connection: Connection, detection: Detection, change: AlertChange) -> Any:
    """Close the alert, and read it as it is then. See AlertVendor."""
    verb, native_id = f"close_{_verdict(change)}", detection.native_id
    body: dict[str, Any] = {"filters": {"id": {"eq": [native_id]}}}
    if change.comment is not None:
        body["comment"] = change.comment
    with told_to_the_caller():
        answer = connection.api.post(f"{PATH}{verb}/", body)
    missing = {text(one) for one in each(fields(answer).get("alertsnotfound"))}
    if native_id in missing:
        raise NotFound("Defender for Cloud Apps does not have this alert any more.")
    return read_again(lambda: connection.api.get(f"{PATH}{quote(native_id, safe='')}/"))


def _verdict(change: AlertChange) -> str:
    """Raises BadRequest for anything but closing."""
    if change.status not in _USUAL or change.assigned_to is not None or change.determination is not None:
        raise BadRequest(
            "An alert in Defender for Cloud Apps can only be closed: set its status to dismissed or "
            "resolved, with a classification and a comment if you like. Its API does not assign, set in "
            "progress or open again; that is done in the Defender portal."
        )
    if change.classification is None:
        return _USUAL[change.status]
    word = change.classification.replace(" ", "").replace("_", "").lower()
    if word not in _VERDICTS:
        raise BadRequest(
            f"Defender for Cloud Apps has no classification '{change.classification}'. Use one of: "
            "FalsePositive, Benign, TruePositive."
        )
    return _VERDICTS[word]
