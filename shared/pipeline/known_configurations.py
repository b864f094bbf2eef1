"""Configurations as of at most some seconds ago, for the hops that only need to know that one exists and
what it is called."""

from __future__ import annotations

import threading
import time

from shared.nouns.configurations import Configuration
from shared.store.configurations import Configurations

_LIFE = 15.0


class KnownConfigurations:
    """A short memory in front of the store. What is not known is always looked up, so a new configuration
    works at once."""

    def __init__(self, *, configurations: Configurations, life: float = _LIFE) -> None:
        self._configurations = configurations
        self._life = life
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Configuration]] = {}

    def get(self, id: str) -> Configuration | None:
        """The configuration, or None. A change is seen after at most fifteen seconds."""
        with self._lock:
            at, known = self._known.get(id, (0.0, None))
        if known is not None and time.monotonic() - at < self._life:
            return known
        found = self._configurations.get(id)
        with self._lock:
            if found is None:
                self._known.pop(id, None)
                return None
            self._known[id] = (time.monotonic(), found.configuration)
        return found.configuration
