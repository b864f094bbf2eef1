"""Reading Defender for Cloud's alerts: every page of the list, at every poll.

The list has no filter, no order by publication and no time window, so that late alerts can stand on any
page; only reading all of it finds them. The store knows what is unchanged. Promise: a killed walk goes on
at the page where it stopped; if the service does not know that place any more, the walk begins anew. Paging
that never ends is an error. Source: "Alerts - List" in the ARM reference (api-version 2022-01-01).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shared.errors import BadRequest, OperatorMustAct, PermissionMissing, SignInFailed
from shared.vendors.listing import Trail, read_page
from shared.vendors.loose_json import text
from shared.vendors.vendor import Connection, Cursor, Page

WHO = "Defender for Cloud"
API_VERSION = "2022-01-01"


def fetch(connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
    """All alerts of the subscription. Raises what `Api.get` raises, TryLater for endless paging, Unreadable
    for an answer without a list."""
    position = text((cursor or {}).get("position"))
    resumed, trail = position is not None, Trail(WHO)
    while True:
        try:
            answer = connection.api.get(position) if position else first_page(connection)
        except (BadRequest, OperatorMustAct) as error:
            if not resumed or isinstance(error, SignInFailed | PermissionMissing):
                raise
            position, resumed = None, False  # the kept place is stale: once more from the start
            continue
        resumed = False
        rows, position = read_page(answer, WHO)
        trail.refuse_repetition(rows, position)
        yield Page(rows, {"position": position}, done=position is None)
        if position is None:
            return


def first_page(connection: Connection) -> dict[str, Any]:
    """The list's first page. Raises OperatorMustAct when the configuration names no subscription."""
    return connection.api.get(path_of(connection, "alerts"), {"api-version": API_VERSION})


def path_of(connection: Connection, name: str) -> str:
    """Where a list of the configuration's subscription is. Raises OperatorMustAct when it names none."""
    subscription = text(connection.configuration.options.get("subscription_id"))
    if subscription is None:
        raise OperatorMustAct("This configuration has no subscription id. Enter it in Settings and save.")
    return f"/subscriptions/{subscription}/providers/Microsoft.Security/{name}"
