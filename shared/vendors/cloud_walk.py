"""Reading Defender for Cloud's alerts: every page of the list, at every poll.

The list has no filter, no order by publication and no time window, so that late alerts can stand on any
page; only reading all of it finds them. The store knows what is unchanged. Promise: a killed walk goes on
at the page where it stopped; if the service does not know that place any more, the walk begins anew. Paging
that never ends is an error. Source: "Alerts - List" in the ARM reference (api-version 2022-01-01).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from shared.errors import BadRequest, OperatorMustAct, PermissionMissing, SignInFailed, TryLater, Unreadable
from shared.vendors.loose_json import fields, text
from shared.vendors.vendor import Connection, Cursor, Page

API_VERSION = "2022-01-01"
# ARM may send empty pages with a link on the way; this many in a row lead nowhere.
_MOST_EMPTY_PAGES = 100


def fetch(connection: Connection, cursor: Cursor | None) -> Iterator[Page]:
    """All alerts of the subscription. Raises what `Api.get` raises, TryLater for endless paging, Unreadable
    for an answer without a list."""
    position = text((cursor or {}).get("position"))
    resumed, trail = position is not None, _Trail()
    while True:
        try:
            answer = connection.api.get(position) if position else first_page(connection)
        except (BadRequest, OperatorMustAct) as error:
            if not resumed or isinstance(error, SignInFailed | PermissionMissing):
                raise
            position, resumed = None, False  # the kept place is stale: once more from the start
            continue
        resumed = False
        rows, position = _read(answer)
        trail.refuse_repetition(rows, position)
        yield Page(rows, {"position": position}, done=position is None)
        if position is None:
            return


def first_page(connection: Connection) -> dict[str, Any]:
    """The list's first page. Raises OperatorMustAct when the configuration names no subscription."""
    subscription = text(connection.configuration.options.get("subscription_id"))
    if subscription is None:
        raise OperatorMustAct("This configuration has no subscription id. Enter it in Settings and save.")
    path = f"/subscriptions/{subscription}/providers/Microsoft.Security/alerts"
    return connection.api.get(path, {"api-version": API_VERSION})


def _read(answer: dict[str, Any]) -> tuple[tuple[Any, ...], str | None]:
    found = fields(answer)
    rows = found.get("value")
    if not isinstance(rows, list):
        raise Unreadable("Defender for Cloud answered without a list of alerts. The next poll tries again.")
    return tuple(rows), text(found.get("nextlink"))


class _Trail:
    """Where the walk has been: a hash for each link and each page."""

    def __init__(self) -> None:
        self._been: set[bytes] = set()
        self._empty = 0

    def refuse_repetition(self, rows: tuple[Any, ...], link: str | None) -> None:
        """Raises TryLater when a link or a page's alerts come a second time while more is promised."""
        self._empty = 0 if rows else self._empty + 1
        if link is None:
            return
        marks = {_hash("link", link)} | ({_hash("page", *map(_name, rows))} if rows else set())
        if marks & self._been or self._empty > _MOST_EMPTY_PAGES:
            raise TryLater(
                "Defender for Cloud keeps sending the same page (its nextLink never ends). Nothing is lost: "
                "the next poll reads everything again. If it stays so, report it to Azure support."
            )
        self._been |= marks


def _name(row: Any) -> str:
    known = fields(row)
    return text(known.get("id")) or text(known.get("name")) or repr(row)


def _hash(*parts: str) -> bytes:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).digest()[:12]
