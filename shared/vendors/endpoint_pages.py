"""One answer of Defender for Endpoint's alerts list: rows, their times and ids, and whether there is more.

Promise: rows without a readable time or id are rows like others; they are kept, and never decide about
order or paging. Times are compared to all seven digits and handed back as the vendor wrote them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from shared.errors import Unreadable
from shared.nouns.detections import Instant
from shared.vendors.loose_json import fields, text, when


@dataclass(frozen=True)
class AlertsPage:
    """`rows` as they came; `link` is the `@odata.nextLink`."""

    rows: tuple[Any, ...]
    link: str | None

    @classmethod
    def of(cls, answer: dict[str, Any]) -> AlertsPage:
        """Read an answer. Raises Unreadable when it holds no list: taking that for empty hides alerts."""
        found = fields(answer)
        rows = found.get("value")
        if not isinstance(rows, list):
            raise Unreadable(
                "Defender for Endpoint answered without a list of alerts. Check the base URL; if it is "
                "right, the service is at fault and the next poll tries again."
            )
        return cls(tuple(rows), text(found.get("@odata.nextlink")))

    def more(self, page_size: int) -> bool:
        """Whether the service promises a further page: by a link, or by filling this one."""
        return self.link is not None or len(self.rows) >= page_size

    @cached_property
    def hash(self) -> str:
        """Equal for pages with the same alerts at the same times in the same order."""
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
        for row in map(fields, self.rows):
            written, native_id = text(row.get("lastupdatetime")), text(row.get("id"))
            found.append((when(written), written, _short(native_id) if native_id else None))
        return found


def _short(value: str) -> str:
    # 48 bits: among a thousand ties, a clash that would hide an alert is less likely than one in a hundred
    # million.
    return hashlib.sha256(value.encode()).hexdigest()[:12]
