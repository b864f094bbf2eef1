"""Changing the state of an alert of Defender for Cloud: a POST to the alert's own address, without a body.

Only the state can be changed. The address is the alert's ARM id; an event that came by webhook names its
parts in its link. Source: "Alerts - Update ... State" in the ARM reference (api-version 2022-01-01).
"""

from __future__ import annotations

import re
from typing import Any

from shared.errors import BadRequest
from shared.nouns.alert_change import AlertChange
from shared.nouns.detections import Detection, Status
from shared.vendors.changes import read_again
from shared.vendors.cloud_walk import API_VERSION, path_of
from shared.vendors.loose_json import text
from shared.vendors.refused import told_to_the_caller
from shared.vendors.vendor import Connection

_VERBS = {
    Status.active: "activate",
    Status.in_progress: "inProgress",
    Status.resolved: "resolve",
    Status.dismissed: "dismiss",
}
# Webhooks are not signed: an id is only an address when it can be nothing but an alert's, and one of the
# configuration's own subscription.
_ALERT = re.compile(
    r"/subscriptions/[0-9a-f-]{36}(/resourceGroups/[\w.()-]{1,90})?/providers/Microsoft\.Security"
    r"/locations/\w{1,60}/alerts/[\w-]{1,120}",
    re.IGNORECASE,
)


def change_alert(connection: Connection, detection: Detection, change: AlertChange) -> Any:
    """Make the change, and read the alert as it is then. See AlertVendor."""
    if change.status is None or change != AlertChange(status=change.status):
        raise BadRequest(
            "Of an alert in Defender for Cloud only the status can be changed: it has no assignee, "
            "classification, determination or comment."
        )
    address, version = address_of(detection), {"api-version": API_VERSION}
    own = f"{path_of(connection, '').partition('/providers/')[0]}/".lower()
    if not address.lower().startswith(own):
        raise BadRequest(
            "This alert says that it is of another subscription than this configuration's. Change it through "
            "a configuration of that subscription, or in the Azure portal."
        )
    with told_to_the_caller():
        connection.api.post(f"{address}/{_VERBS[change.status]}", None, version)
    return read_again(lambda: connection.api.get(address, version))


def address_of(detection: Detection) -> str:
    """Where the alert lives in ARM. Raises BadRequest when it does not say so."""
    known = detection.properties
    built = (
        f"/subscriptions/{text(known.get('subscriptionId'))}"
        + (f"/resourceGroups/{group}" if (group := text(known.get("resourceGroup"))) else "")
        + f"/providers/Microsoft.Security/locations/{text(known.get('location'))}"
        + f"/alerts/{detection.native_id}"
    )
    address = next((one for one in (text(known.get("armId")), built) if one and _ALERT.fullmatch(one)), None)
    if address is None or not text(known.get("location")):
        raise BadRequest(
            "This alert does not say where it lives in Azure. The next poll will; until then change it in "
            "the Azure portal."
        )
    return address
