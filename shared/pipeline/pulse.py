"""Every few minutes one log line with the numbers that tell whether something is being missed.

`infra/` builds its alerts and its workbook on this line (tests/infra/test_log_lines.py keeps them in step).
It names configurations by their ids and holds nothing that a vendor sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.nouns.detections import moment_of
from shared.store.configurations import Configurations, Configured
from shared.store.quarantine import Quarantine
from shared.store.stores import QUEUES, Queues

EVERY_MINUTES = 5
WORD = "pulse"


@dataclass(frozen=True)
class Pulse:
    """Counts what waits, what has failed and how far behind the vendors we are."""

    configurations: Configurations
    queues: Queues
    quarantine: Quarantine
    clock: Callable[[], datetime]

    def line(self) -> str | None:
        """The line to log, or None in the minutes between: queues are not counted every minute."""
        now = self.clock()
        if now.minute % EVERY_MINUTES:
            return None
        return f"{WORD} {json.dumps(self._numbers(now), separators=(',', ':'))}"

    def _numbers(self, now: datetime) -> dict[str, Any]:
        enabled = [c for c in self.configurations.all() if c.configuration.enabled]
        lags = {c.configuration.id: _lag(c, now) for c in enabled}
        return {
            "configurations": len(enabled),
            "failing": sum(c.state.failing_since is not None for c in enabled),
            "lag_seconds": max(lags.values(), default=0),
            "slowest": max(lags, key=lambda name: lags[name], default=None),
            "waiting": {name: self.queues.depth(name) for name in QUEUES},
            "poison": sum(self.queues.depth(f"{name}-poison") for name in QUEUES),
            "quarantined": self.quarantine.count(),
        }


def _lag(configured: Configured, now: datetime) -> int:
    """Seconds since which the vendor's alerts are not read; never read counts from when it was made."""
    since = configured.state.read_until or configured.configuration.created
    return max(0, round((now - moment_of(since)).total_seconds())) if since else 0
