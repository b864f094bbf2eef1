"""Lists that come in pages: by a link that is followed as it came, else by row number.

Promise: page by page (nothing is gathered), to the list's end; paging that never ends is TryLater, an answer
without a list is Unreadable. A link is only followed on the configured host: `Api` sees to that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from shared.errors import TryLater, Unreadable
from shared.vendors.loose_json import fields, text
from shared.vendors.vendor import Api

# A service may send empty pages with a link on the way; this many in a row lead nowhere.
_MOST_EMPTY_PAGES = 100


def pages(
    api: Api, path: str, params: Mapping[str, str], *, who: str, page_size: int | None = None
) -> Iterator[tuple[Any, ...]]:
    """Every page's rows. `page_size`: a page that has this many rows may have a successor though no page was
    linked, which is asked for with `$skip`; None for a service that always links."""
    trail, skip, links = Trail(who), 0, False
    answer = api.get(path, params)
    while True:
        rows, link = read_page(answer, who)
        links = links or link is not None
        full = not links and page_size is not None and len(rows) >= page_size
        skip += len(rows)
        trail.refuse_repetition(rows, link or (f"$skip={skip}" if full else None))
        yield rows
        if link is not None:
            answer = api.get(link)
        elif full:
            answer = api.get(path, {**params, "$skip": str(skip)})
        else:
            return


def read_page(answer: Mapping[str, Any], who: str) -> tuple[tuple[Any, ...], str | None]:
    """A page's rows and the link to the next one. Raises Unreadable when there is no list: taking that for
    empty hides what the list has."""
    found = fields(answer)
    rows = found.get("value")
    if not isinstance(rows, list):
        raise Unreadable(
            f"{who} answered without a list. Check the configuration's base URL; if it is right, or if there "
            "is none, the service is at fault, and the next reading tries again."
        )
    return tuple(rows), text(found.get("@odata.nextlink")) or text(found.get("nextlink"))


def literal(value: str) -> str:
    """A text in a `$filter` of OData: quotes in it are doubled, so that it ends where it ends."""
    return "'" + value.replace("'", "''") + "'"


class Trail:
    """Where a walk over pages has been: a hash for each link and each page."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._been: set[bytes] = set()
        self._empty = 0

    def refuse_repetition(self, rows: tuple[Any, ...], link: str | None) -> None:
        """Raises TryLater when a link or a page's rows come a second time while more is promised."""
        self._empty = 0 if rows else self._empty + 1
        if link is None:
            return
        marks = {_hash("link", link)} | ({_hash("page", *map(_name, rows))} if rows else set())
        if marks & self._been or self._empty > _MOST_EMPTY_PAGES:
            raise TryLater(
                f"{self._who} keeps sending the same page (its nextLink never ends). Nothing is lost: "
                "the next reading starts again. If it stays so, report it to Microsoft's support."
            )
        self._been |= marks


def _name(row: Any) -> str:
    known = fields(row)
    return text(known.get("id")) or text(known.get("name")) or repr(row)


def _hash(*parts: str) -> bytes:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).digest()[:12]
