"""What Graph knows of a tenant: the devices that Intune manages, the secure score, and its controls.

Promise: page by page; a row without an id is left out, everything else that is missing or unknown is kept or
left out, never an error. Source: Graph v1.0's reference ("managedDevice", "secureScore",
"secureScoreControlProfile").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from shared.errors import BadRequest, Refused
from shared.nouns.inventory import InventoryKind, Item
from shared.vendors.listing import Trail, pages, read_page
from shared.vendors.loose_json import each, fields, https_link, leftovers, number, text, when
from shared.vendors.vendor import Connection

WHO = "Microsoft Graph"
DEVICES = "/deviceManagement/managedDevices"
SCORES = "/security/secureScores"
PROFILES = "/security/secureScoreControlProfiles"
KINDS = (InventoryKind.managed_device, InventoryKind.score, InventoryKind.control)

_INTUNE = {
    "https://security.microsoft.com": "https://intune.microsoft.com",
    "https://security.microsoft.us": "https://intune.microsoft.us",
    "https://security.apps.mil": "https://intune.microsoft.us",
}
_NOBODY = "00000000-0000-0000-0000-000000000000"
_PAGE = 500  # of controls; there are some hundreds
_LARGEST_SKIP = 500


def inventory(connection: Connection, kind: InventoryKind) -> Iterator[tuple[Item, ...]]:
    """Everything of one kind, page by page. Raises what `Api.get` raises, BadRequest for a kind that this
    product does not have."""
    if kind not in _READERS:
        raise BadRequest(f"{WHO} has no inventory of kind '{kind}'.")
    yield from _READERS[kind](connection)


def device(row: Any, portal: str = "") -> Item | None:
    """A managed device. Its status is the compliance state; times that mean never are no times."""
    known = fields(row)
    device_id = text(known.get("id"))
    if device_id is None:
        return None
    system = (text(known.get("operatingsystem")), text(known.get("osversion")))
    joined = text(known.get("azureaddeviceid"))
    return Item(
        kind=InventoryKind.managed_device,
        id=device_id,
        name=text(known.get("devicename")) or text(known.get("manageddevicename")) or device_id,
        operating_system=" ".join(filter(None, system)) or None,
        device_class=text(known.get("devicecategorydisplayname")),
        status=text(known.get("compliancestate")),
        owner=text(known.get("userprincipalname")) or text(known.get("emailaddress")),
        joined_id=joined if joined != _NOBODY else None,
        updated=_ever(known.get("lastsyncdatetime")),
        link=_intune_link(device_id, portal),
        properties={k: v for k, v in leftovers(row, _DEVICE_FIELDS).items() if not _never(v)},
    )


_DEVICE_FIELDS = (
    *("@odata.context", "id", "devicename", "operatingsystem", "osversion", "compliancestate"),
    *("userprincipalname", "azureaddeviceid", "lastsyncdatetime"),
)


def _devices(connection: Connection) -> Iterator[tuple[Item, ...]]:
    portal = connection.cloud.defender_portal
    for rows in pages(connection.api, DEVICES, {}, who=WHO):
        yield tuple(item for row in rows if (item := device(row, portal)) is not None)


def _scores(connection: Connection) -> Iterator[tuple[Item, ...]]:
    """The latest day's."""
    latest = _latest(connection)
    known = fields(latest)
    if known:
        yield (
            Item(
                kind=InventoryKind.score,
                id="secureScore",
                name="Secure score",
                score=number(known.get("currentscore")),
                maximum=number(known.get("maxscore")),
                updated=when(known.get("createddatetime")),
                properties=leftovers(
                    latest, ("controlscores", "currentscore", "maxscore", "createddatetime")
                ),
            ),
        )


def _controls(connection: Connection) -> Iterator[tuple[Item, ...]]:
    """What can be improved, with how far the latest day's score says it is."""
    reached = {
        (text(row.get("controlname")) or "").lower(): row
        for row in map(fields, each(fields(_latest(connection)).get("controlscores")))
    }
    for rows in _profiles(connection):
        yield tuple(item for row in rows if (item := control(row, reached)) is not None)


def control(row: Any, reached: Mapping[str, Mapping[str, Any]]) -> Item | None:
    """A control. Its status is the newest state that somebody gave it; `reached` are the scores by name."""
    known = fields(row)
    name = text(known.get("id"))
    if name is None:
        return None
    states = [fields(one) for one in each(known.get("controlstateupdates"))]
    newest = max(states, key=lambda one: when(one.get("updateddatetime")) or "", default={})
    own = reached.get(name.lower(), {})
    return Item(
        kind=InventoryKind.control,
        id=name,
        name=text(known.get("title")) or name,
        status=text(newest.get("state")),
        owner=text(newest.get("assignedto")),
        score=number(own.get("score")),
        maximum=number(known.get("maxscore")),
        updated=when(known.get("lastmodifieddatetime")),
        link=https_link(known.get("actionurl")),
        properties=leftovers(row, ("id", "title", "maxscore", "lastmodifieddatetime")),
    )


def _latest(connection: Connection) -> Any:
    rows, _ = read_page(connection.api.get(SCORES, {"$top": "1"}), WHO)
    return next((row for row in rows if number(fields(row).get("currentscore")) is not None), None)


def _profiles(connection: Connection) -> Iterator[tuple[Any, ...]]:
    """The list's own links have been refused with 400 for months at a time; then rows are counted."""
    params, skip, trail = {"$top": str(_PAGE)}, 0, Trail(WHO)
    answer: Mapping[str, Any] = connection.api.get(PROFILES, params)
    while True:
        rows, link = read_page(answer, WHO)
        skip += len(rows)
        trail.refuse_repetition(rows, link)
        yield rows
        if link is None:
            return
        try:
            answer = connection.api.get(link)
        except Refused as error:
            if error.status != 400 or not rows or skip > _LARGEST_SKIP:
                raise
            answer = connection.api.get(PROFILES, {**params, "$skip": str(skip)})


def _intune_link(device_id: str, portal: str) -> str | None:
    home = _INTUNE.get(portal)
    view = "#view/Microsoft_Intune_Devices/DeviceSettingsMenuBlade/~/overview/mdmDeviceId"
    return f"{home}/{view}/{quote(device_id, safe='')}" if home else None


def _ever(value: object) -> str | None:
    return None if _never(value) else when(value)


def _never(value: object) -> bool:
    """Whether a time is one of those that Intune writes where there is none."""
    return isinstance(value, str) and value.startswith(("0001-01-01T", "9999-12-31T"))


_READERS: Mapping[InventoryKind, Callable[[Connection], Iterator[tuple[Item, ...]]]] = {
    InventoryKind.managed_device: _devices,
    InventoryKind.score: _scores,
    InventoryKind.control: _controls,
}
