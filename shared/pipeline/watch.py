"""Silence is an alert: look for what keeps us from seeing, and tell the admins once, and once when it is
over.

A trouble is stored before it is told, and marked as told only after its notification is queued; a crash in
between is healed by the next look, which says the same thing under the same id. What could not be looked at
changes nothing: not knowing is not the end of a trouble.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.errors import Conflict, PocketSOCError, place_of
from shared.nouns.detections import instant_of
from shared.nouns.troubles import OpenTrouble, Trouble, TroubleKind
from shared.pipeline.messages import Announcements
from shared.store.mailbox import Mailbox
from shared.store.stores import Queue
from shared.store.troubles import Troubles

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lookout:
    """One place to look at. `find` gives every trouble of its `kinds` that there is now; it may raise when it
    cannot look, and then those that are open stay open. No two lookouts share a kind."""

    name: str
    kinds: tuple[TroubleKind, ...]
    find: Callable[[], Iterable[Trouble]]


@dataclass(frozen=True)
class Watcher:
    """Looks, and tells."""

    troubles: Troubles
    mailbox: Mailbox
    lookouts: tuple[Lookout, ...]
    clock: Callable[[], datetime]

    def watch(self, *only: TroubleKind) -> None:
        """Look everywhere, or only where troubles of these kinds are found."""
        known = self.troubles.all()
        for lookout in self.lookouts:
            if only and not set(only) & set(lookout.kinds):
                continue
            try:
                found = {trouble.key: trouble for trouble in lookout.find()}
            except Exception as error:  # one lookout that cannot look must not blind the others
                why = str(error) if isinstance(error, PocketSOCError) else place_of(error)
                _log.error("the watch cannot look at %s: %s", lookout.name, why)
                continue
            self._compare(found, {o.trouble.key: o for o in known if o.trouble.kind in lookout.kinds})

    def _compare(self, found: dict[str, Trouble], known: dict[str, OpenTrouble]) -> None:
        for key in sorted(found.keys() | known.keys()):
            try:
                if key in found:
                    self._is_there(found[key], known.get(key))
                else:
                    self._is_over(known[key])
            except Conflict:
                _log.info("another watch has written the trouble %s meanwhile", key)

    def _is_there(self, trouble: Trouble, known: OpenTrouble | None) -> None:
        if known is not None and known.over:  # its end was being told when the process died
            self._is_over(known)
            known = None
        if known is None:
            _log.warning("trouble: %s: %s", trouble.title, trouble.text)
            known = self.troubles.open(trouble, instant_of(self.clock()))
        current = trouble.model_copy(update={"since": known.trouble.since})
        if known.told < trouble.stage:
            self._tell(known.model_copy(update={"trouble": current}))
            self.troubles.save(known.model_copy(update={"trouble": current, "told": trouble.stage}))
        elif current != known.trouble:
            self.troubles.save(known.model_copy(update={"trouble": current}))

    def _is_over(self, known: OpenTrouble) -> None:
        if not known.over:
            _log.info("trouble is over: %s", known.trouble.title)
            known = self.troubles.save(known.model_copy(update={"over": instant_of(self.clock())}))
        self._tell(known)
        self.troubles.forget(known)

    def _tell(self, one: OpenTrouble) -> None:
        self.mailbox.send(Queue.notifications, Announcements(notifications=(one.notification,)))
