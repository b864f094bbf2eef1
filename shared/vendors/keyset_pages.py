"""A vendor's list that is read in the order of a time, and one answer of it: rows, their times and ids, and
whether there is more.

Promise: rows without a readable time or id are rows like others; they are kept, and never decide about
order or paging. Times are compared to all seven digits and handed back as the vendor wrote them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from shared.errors import Unreadable
from shared.nouns.detections import Instant
from shared.vendors.loose_json import fields, text, when
from shared.vendors.vendor import Api


@dataclass(frozen=True)
class Listing:
    """How a list is asked: GET `path` with OData's `$filter`, `$orderby` and `$top`. A vendor that asks in
    another way overrides `ask` and `read`.

    `time` is the property of a row that says when it changed, `created` when it was made, `id` its name, as
    the vendor spells them; `/` leads into an object. `params` go with every question (but not with a link).
    `largest_skip`: the service refuses a greater `$skip`. `orders`: it takes `$orderby`. `title` and `rows`
    are words for errors.
    """

    title: str
    path: str
    time: str
    created: str
    id: str = "id"
    rows: str = "alerts"
    page_size: int = 1000
    params: Mapping[str, str] = field(default_factory=dict)
    largest_skip: int | None = None
    orders: bool = True

    def by_creation(self) -> Listing:
        """The same list in the order in which its rows were made."""
        return replace(self, time=self.created)

    def question(self, since: str) -> dict[str, str]:
        """The options that ask for the rows since a time, in order."""
        order = {"$orderby": f"{self.time} asc"} if self.orders else {}
        top = {"$top": str(self.page_size)}
        return {"$filter": f"{self.time} ge {since}", **order, **self.params, **top}

    def ask(self, api: Api, since: str, *, skip: int, link: str | None) -> ListPage:
        """The page behind a link, or that of the question, so many rows on."""
        if link:
            return ListPage.of(api.get(link), self)
        counted = {"$skip": str(skip)} if skip else {}
        return ListPage.of(api.get(self.path, {**self.question(since), **counted}), self)

    def read(self, row: Any) -> tuple[str | None, str | None]:
        """A row's time, as the vendor wrote it, and its id."""
        return text(_within(row, self.time)), text(_within(row, self.id))


@dataclass(frozen=True)
class ListPage:
    """`rows` as they came; `link` is the `nextLink`; `says_more` is what the vendor says outright about a
    further page, if it does."""

    listing: Listing
    rows: tuple[Any, ...]
    link: str | None
    says_more: bool | None = None

    @classmethod
    def of(cls, answer: dict[str, Any], listing: Listing, *, rows_name: str = "value") -> ListPage:
        """Read an answer. Raises Unreadable when it holds no list: taking that for empty hides alerts."""
        found = fields(answer)
        rows, says_more = found.get(rows_name), found.get("hasnext")
        if not isinstance(rows, list):
            raise Unreadable(
                f"{listing.title} answered without a list of {listing.rows}. Check the base URL; if it is "
                "right, the service is at fault and the next poll tries again."
            )
        link = text(found.get("@odata.nextlink")) or text(found.get("nextlink"))
        return cls(listing, tuple(rows), link, says_more if isinstance(says_more, bool) else None)

    @property
    def more(self) -> bool:
        """Whether the service promises a further page: outright, by a link, or by filling this one."""
        if self.says_more is not None:
            return self.says_more
        return self.link is not None or len(self.rows) >= self.listing.page_size

    @cached_property
    def hash(self) -> str:
        """Equal for pages with the same rows at the same times in the same order."""
        return _short(repr([(key, written) for _, written, key in self._read]))

    @property
    def last_time(self) -> str | None:
        """The last readable time, in the vendor's text."""
        return next((written for when_, written, _ in reversed(self._read) if when_), None)

    def in_order_from(self, at: str) -> bool:
        """Whether the readable times ascend and none is before `at`."""
        times = [when(at), *(moment for moment, _, _ in self._read if moment)]
        return all((a or "") <= (b or "") for a, b in pairwise(times))

    def reaches_beyond(self, at: str) -> bool:
        """Whether the last readable time is later than `at`."""
        return (when(self.last_time) or "") > (when(at) or "")

    def ids_at(self, at: str) -> set[str]:
        """Short hashes of the ids whose time is exactly `at`."""
        return {key for moment, _, key in self._read if key and moment == when(at)}

    def rows_without(self, at: str, seen: set[str], *, only_at: bool) -> tuple[Any, ...]:
        """The rows without those that have the time `at` and a seen id; with `only_at` none later than
        `at`."""
        boundary = when(at)
        return tuple(
            row
            for row, (moment, _, key) in zip(self.rows, self._read, strict=True)
            if not (moment == boundary and key in seen)
            and not (only_at and (moment or "") > (boundary or ""))
        )

    def latest(self, known: str | None, *, until: Instant) -> str | None:
        """The latest of `known` and the page's times that are not after `until`, in the vendor's text."""
        times = [(moment, written) for moment, written, _ in self._read if moment and moment <= until]
        return max([*times, *([(when(known) or "", known)] if known else [])], default=(None, None))[1]

    @cached_property
    def _read(self) -> list[tuple[Instant | None, str | None, str | None]]:
        """For each row: its time as Instant and as written, and the hash of its id."""
        found = []
        for row in self.rows:
            written, native_id = self.listing.read(row)
            found.append((when(written), written, _short(native_id) if native_id else None))
        return found


def _within(row: Any, path: str) -> Any:
    for name in path.lower().split("/"):
        row = fields(row).get(name)
    return row


def _short(value: str) -> str:
    # 48 bits: among a thousand ties, a clash that would hide an alert is less likely than one in a hundred
    # million.
    return hashlib.sha256(value.encode()).hexdigest()[:12]
