"""How long a queue's poller waits when there is nothing to fetch: random, exponential, between two bounds."""

from __future__ import annotations

import random

_SPREAD = 0.2


class Backoff:
    """Seconds between polls: `shortest` after something was found, then doubling, give or take a fifth."""

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest, self._longest = min(shortest, longest), longest
        self._steps = 0

    def next(self, *, found: bool) -> float:
        """The next wait. `found`: there was something since the last one."""
        if found:
            self._steps = 0
            return self._shortest
        spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 - jitter, not a secret
        wait = self._shortest + self._shortest * spread * (float(1 << self._steps) - 1)
        if wait >= self._longest:
            return self._longest
        self._steps += 1
        return wait
