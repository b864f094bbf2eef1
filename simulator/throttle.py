"""How the APIs say "too many": fixed windows (Defender for Endpoint) and a token bucket (Azure
Resource Manager).

Time is handed in, as seconds of whatever clock the simulated world runs on, so that a test can let an hour
pass at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Quota:
    """At most `calls` per `seconds`."""

    calls: int
    seconds: int

    @property
    def text(self) -> str:
        """As the vendor prints it in the 429's message: `100 per 00:01:00`."""
        minutes, seconds = divmod(self.seconds, 60)
        return f"{self.calls} per {minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"


@dataclass(frozen=True)
class Refusal:
    """A quota that is used up, and the whole seconds until its window ends (at least 1)."""

    quota: Quota
    retry_after: int


@dataclass
class Windows:
    """Counts calls per key in fixed windows. Refused calls count too: who ignores Retry-After only earns
    more 429s.
    """

    _counts: dict[tuple[object, Quota], tuple[int, int]] = field(default_factory=dict)

    def take(self, key: object, quotas: Sequence[Quota], now: float) -> Refusal | None:
        """Count one call; the refusal with the longest wait if any quota is exceeded."""
        refusals = [r for r in (self._count(key, quota, now) for quota in quotas) if r is not None]
        return max(refusals, key=lambda r: r.retry_after, default=None)

    def _count(self, key: object, quota: Quota, now: float) -> Refusal | None:
        window = math.floor(now / quota.seconds)
        began, calls = self._counts.get((key, quota), (window, 0))
        calls = calls + 1 if began == window else 1
        self._counts[key, quota] = (window, calls)
        if calls <= quota.calls:
            return None
        return Refusal(quota, max(1, math.ceil((window + 1) * quota.seconds - now)))


@dataclass
class Bucket:
    """`size` calls at once, refilled with `refill` per second (Azure request limits: reads 250 and 25/s,
    writes 200 and 10/s).
    """

    size: int
    refill: float
    _left: dict[object, tuple[float, float]] = field(default_factory=dict)

    def take(self, key: object, now: float) -> tuple[int, int]:
        """Take one: (whole calls remaining, 0), or (0, seconds to wait) when there was none."""
        left, at = self._left.get(key, (float(self.size), now))
        left = min(float(self.size), left + max(0.0, now - at) * self.refill)
        if left < 1:
            self._left[key] = (left, now)
            return 0, max(1, math.ceil((1 - left) / self.refill))
        self._left[key] = (left - 1, now)
        return math.floor(left - 1), 0
