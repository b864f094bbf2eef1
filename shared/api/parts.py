"""Everything the API works with, handed in once by bootstrap, and how a route gets at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Protocol, cast

from fastapi import Depends, Request

from shared.errors import NotFound
from shared.nouns.checkups import Checkup
from shared.nouns.configurations import Cloud, CloudName, Configuration
from shared.nouns.detections import Instant
from shared.nouns.notifications import Transport
from shared.push.transport import PushTransport
from shared.settings import Settings
from shared.store.stores import Queues, Secrets
from shared.vendors.vendor import Connection, Vendor

if TYPE_CHECKING:
    from shared.api.caller import Verifier
    from shared.api.sign_in import SignsIn
    from shared.nouns.cards import Card
    from shared.store.audit import Audit
    from shared.store.checkups import Checkups
    from shared.store.configurations import Configurations, Configured
    from shared.store.detections import Detections
    from shared.store.exported import Exported
    from shared.store.feed import Feed
    from shared.store.incident_list import IncidentList
    from shared.store.incidents import Incidents
    from shared.store.installations import Installations
    from shared.store.inventory import Inventory
    from shared.store.ledger import Ledger
    from shared.store.quarantine import Quarantine
    from shared.store.sign_ins import SignIns
    from shared.store.troubles import Troubles


class InventoryReadings(Protocol):
    """Queues readings of the inventory."""

    def read_now(self, configuration: Configuration) -> int:
        """Every kind of a configuration; gives how many were queued."""
        ...


class Replayer(Protocol):
    """Sends what is in quarantine on its way again."""

    def replay(self, id: str) -> None:
        """Raises NotFound, or BadRequest for what cannot be replayed."""
        ...


class Receipt(Protocol):
    """What became of a webhook's call: 202, or the status and words of a refusal."""

    @property
    def status(self) -> int: ...
    @property
    def detail(self) -> str: ...
    @property
    def retry_after(self) -> int | None: ...


class Receives(Protocol):
    """Takes webhook calls."""

    def receive(self, configuration_id: str, vendor_slug: str, body: bytes) -> Receipt:
        """Queue the body as it came."""
        ...

    def answered(self, configuration: Configuration, raw: Any) -> None:
        """Queue an alert as the vendor gave it after a change."""
        ...


class Differences(Protocol):
    """What a remapping found (pipeline/remap.py)."""

    sightings: int
    without_raw: int
    unreadable: int
    cursor: str | None

    @property
    def differences(self) -> Sequence[Any]: ...


class Remaps(Protocol):
    """Reads stored raw alerts once more."""

    def remap(self, since: Instant, *, apply: bool, cursor: str | None = None) -> Differences:
        """A page of what comes out differently."""
        ...


class Doctors(Protocol):
    """Examines configurations; see pipeline/doctor.py."""

    def check(self, configuration: Configuration) -> Checkup:
        """Now."""
        ...

    def check_within(self, configuration: Configuration, seconds: float) -> Checkup | None:
        """Now, but waited for only so long. Raises nothing."""
        ...


@dataclass(frozen=True)
class ApiParts:
    """The API's collaborators. `clouds` says where each cloud's services live, `connect` builds the way to
    a configuration's vendor (raises OperatorMustAct when that cannot be built), `verifier` proves access
    tokens, `now` is the clock (aware UTC). `tenant_id_of` gives the tenant of a domain (raises SignInFailed,
    TryLater), `read_certificate` takes a certificate that was typed in, with its password (raises
    SignInFailed)."""

    settings: Settings
    detections: Detections
    feed: Feed
    configurations: Configurations
    installations: Installations
    incidents: Incidents
    incident_list: IncidentList
    inventory: Inventory
    inventory_ticker: InventoryReadings
    audit: Audit
    exported: Exported
    quarantine: Quarantine
    quarantiner: Replayer
    receiver: Receives
    remapper: Remaps
    troubles: Troubles
    ledger: Ledger
    queues: Queues
    secrets: Secrets
    clouds: Mapping[CloudName, Cloud]
    vendors: Mapping[str, Vendor]
    transports: Mapping[Transport, PushTransport]
    connect: Callable[[Configuration], Connection]
    doctor: Doctors
    checkups: Checkups
    sign_in: SignsIn
    sign_ins: SignIns
    tenant_id_of: Callable[[str, Cloud], str]
    read_certificate: Callable[[str, str | None], object]
    verifier: Verifier
    now: Callable[[], datetime]

    def configured(self, id: str) -> Configured:
        """One vendor configuration and how it is doing. Raises NotFound."""
        found = self.configurations.get(id)
        if found is None:
            raise NotFound("There is no such vendor configuration.")
        return found

    def card(self, id: str) -> Card:
        """One detection. Raises NotFound."""
        found = self.detections.get(id)
        if found is None:
            raise NotFound("There is no such detection.")
        return found

    def display_names(self) -> dict[str, str]:
        """What each configuration is called, by its id."""
        return {c.configuration.id: c.configuration.display_name for c in self.configurations.all()}


async def parts_of(request: Request) -> ApiParts:
    """The parts the app was made with."""
    return cast(ApiParts, request.app.state.parts)


Parts = Annotated[ApiParts, Depends(parts_of)]
