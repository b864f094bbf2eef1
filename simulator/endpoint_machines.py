"""What `GET /api/machines` can be filtered on: the documented list."""

from __future__ import annotations

from collections.abc import Mapping

from simulator import ticks
from simulator.odata import Kind, Property


def _field(name: str, kind: Kind = Kind.text) -> Property:
    return Property(kind, lambda machine: machine.get(name))


MACHINE_SCHEMA: Mapping[str, Property] = {
    **{
        name.lower(): _field(name)
        for name in (
            "id",
            "computerDnsName",
            "version",
            "deviceValue",
            "aadDeviceId",
            "exposureLevel",
            "onboardingStatus",
            "lastIpAddress",
            "healthStatus",
            "osPlatform",
            "riskScore",
        )
    },
    "rbacgroupid": _field("rbacGroupId", Kind.number),
    "lastseen": Property(Kind.time, lambda machine: ticks.parse(machine["lastSeen"])),
}
