"""How a vendor's check is made: ask what proves most at the least cost, and say what works and what does not.

Promise: what a check is for is never raised. A call that is refused proves that what it is for does not work;
one that fails otherwise proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.errors import PermissionMissing, PocketSOCError
from shared.vendors import access
from shared.vendors.vendor import Check, Connection, Feature, Permission

ALERTS_CAN_BE_READ = "Connected: alerts can be read."


@dataclass(frozen=True)
class Probe:
    """A call whose answer proves these features."""

    ask: Callable[[], object]
    proves: tuple[Feature, ...] = (Feature.read_alerts,)


def check(
    connection: Connection,
    permissions: Mapping[Feature, Permission],
    *probes: Probe,
    connected: str = ALERTS_CAN_BE_READ,
    rights: Callable[[], Mapping[Feature, bool | None]] | None = None,
) -> Check:
    """Ask each of the probes, and compare what the token grants with what the other features need. `rights`
    says it instead where tokens do not show what is granted. `connected` is the summary of a check that went
    well; of others it is what went wrong first."""
    try:
        claims = connection.api.token_claims()
    except PocketSOCError as error:
        return Check(ok=False, summary=str(error))
    proven: dict[Feature, bool | None] = {}
    troubles = []
    for probe in probes:
        works: bool | None = True
        try:
            probe.ask()
        except PocketSOCError as error:
            works = False if isinstance(error, PermissionMissing) else None
            troubles.append(str(error))
        proven |= dict.fromkeys(probe.proves, works)
    names = access.granted(claims) if rights is None else ()
    known = {} if rights is None else rights()
    features = access.features(permissions, names, {**known, **proven})
    return Check(not troubles, next(iter(troubles), connected), features, access.shown(claims))
