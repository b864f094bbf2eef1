"""Of the raw alerts that a vendor gave: which are new, changed, known, unwanted or unreadable. Polls and the
ledger's sweeps ask the same question; what cannot be read goes to quarantine here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import Unreadable
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Channel, Detection, Instant, RawAlert
from shared.nouns.identity import aliases
from shared.pipeline.reading import as_bytes, read_alert, storable
from shared.store.detections import Detections
from shared.store.filtered import Filtered
from shared.store.quarantine import Kind, Quarantine
from shared.vendors.vendor import Vendor


@dataclass(frozen=True)
class View:
    """An alert as it was read. `seen` is what each source last said under its name; None when no source has:
    it is not stored."""

    raw: Any
    detection: Detection
    name: str
    seen: Mapping[str, str] | None

    def said_by(self, source: str) -> bool:
        """Whether this source has said exactly this before."""
        return self.seen is not None and self.seen.get(source) == self.detection.fingerprint

    def made(self, received: Instant) -> Instant:
        """When the alert was made, as far as anybody knows."""
        return self.detection.created or self.detection.updated or received

    def queued(self, received: Instant) -> RawAlert:
        """As it goes to ingest."""
        return RawAlert(body=self.raw, received=received, known_new=self.seen is None)


@dataclass(frozen=True)
class Sifted:
    """The alerts of a page. `kept_out` are unknown ones that the filters do not want; `kept_out_in_all`
    counts those of the configuration, None if none were on this page; `unreadable` are in quarantine now."""

    views: tuple[View, ...]
    kept_out: tuple[View, ...]
    unreadable: int
    kept_out_in_all: int | None = None


@dataclass(frozen=True)
class Sifter:
    """Sifts pages."""

    detections: Detections
    quarantine: Quarantine
    filtered: Filtered
    vendors: Mapping[str, Vendor]

    def sift(self, configuration: Configuration, alerts: Iterable[Any], received: Instant) -> Sifted:
        """Map each alert and look for it in the store; about one storage call for a page of neighbours."""
        read, unreadable = self._read(configuration, alerts)
        known = self.detections.known(configuration.scope, [name for _, _, name in read])
        views = [
            View(raw, detection, name, known[name].seen if name in known else None)
            for raw, detection, name in read
        ]
        wants = configuration.filters.wants
        kept_out = tuple(view for view in views if view.seen is None and not wants(view.detection))
        in_all = None
        if kept_out:
            made = [(view.name, view.made(received)) for view in kept_out]
            in_all = self.filtered.note(configuration.id, made)
            out = {id(view) for view in kept_out}
            views = [view for view in views if id(view) not in out]
        return Sifted(tuple(views), kept_out, unreadable, in_all)

    def _read(
        self, configuration: Configuration, alerts: Iterable[Any]
    ) -> tuple[list[tuple[Any, Detection, str]], int]:
        vendor, read, unreadable = self.vendors[configuration.vendor], [], 0
        for alert in alerts:
            try:
                raw = storable(alert)
                detection = read_alert(vendor, raw, Channel.poll, configuration.cloud)
                read.append((raw, detection, aliases(detection)[0]))
            except Unreadable as error:
                unreadable += 1
                self.quarantine.put(Kind.alert, as_bytes(alert), reason=str(error), source=configuration.id)
        return read, unreadable
