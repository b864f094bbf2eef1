"""The incidents of a vendor's page: mapped, compared and stored before the page's cursor moves. One that
cannot be read goes to quarantine and stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.errors import BadRequest, Unreadable
from shared.nouns.configurations import CloudName, Configuration
from shared.nouns.detections import Instant, instant, instant_of
from shared.nouns.incidents import Incident
from shared.pipeline.reading import as_bytes, linked, storable
from shared.store.configurations import Configurations
from shared.store.incidents import Incidents
from shared.store.quarantine import Kind, Quarantine
from shared.vendors.abilities import IncidentVendor
from shared.vendors.vendor import Vendor


@dataclass(frozen=True)
class IncidentReader:
    """Takes raw incidents in."""

    incidents: Incidents
    configurations: Configurations
    quarantine: Quarantine
    vendors: Mapping[str, Vendor]
    clock: Callable[[], datetime]

    def keep(
        self, configuration: Configuration, raws: Iterable[Any], *, received: Instant | None = None
    ) -> int:
        """Store what the configuration says of its incidents; gives how many that changed."""
        vendor = self.vendors[configuration.vendor]
        if not isinstance(vendor, IncidentVendor):
            return 0
        read: list[Incident] = []
        for raw in raws:
            try:
                read.append(read_incident(vendor, raw, configuration.cloud))
            except Unreadable as error:
                self.quarantine.put(Kind.incident, as_bytes(raw), reason=str(error), source=configuration.id)
        received = received or instant_of(self.clock())
        return self.incidents.record(configuration, read, received=received) if read else 0

    def replay(self, configuration_id: str, raw: Any, received: Instant) -> None:
        """The same for one that was in quarantine; what still cannot be read goes back there. Raises
        BadRequest when its configuration is gone."""
        found = self.configurations.get(configuration_id)
        if found is None:
            raise BadRequest("The configuration that brought this incident is gone.")
        self.keep(found.configuration, [raw], received=received)


def read_incident(vendor: IncidentVendor, raw: Any, cloud: CloudName) -> Incident:
    """Map one raw incident. Raises Unreadable, with the reason, for anything that goes wrong."""
    try:
        incident = vendor.to_incident(storable(raw))
    except Unreadable:
        raise
    except Exception as error:  # a fault in our mapping must cost this one incident's order, never its page
        raise Unreadable(f"The mapping failed on this incident ({type(error).__name__}).") from error
    # A time that is none would stop the page, and every page after it.
    times = {"created": instant(incident.created), "updated": instant(incident.updated)}
    return linked(incident.model_copy(update=times), cloud)
