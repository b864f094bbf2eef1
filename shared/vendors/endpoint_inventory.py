"""What Defender for Endpoint knows of a tenant: machines, vulnerabilities, recommendations, scores.

Promise: lists are read page by page in the largest pages that the API allows; a row without an id is left
out, everything else that is missing or unknown is kept or left out, never an error. Source: the API's
reference ("Machine", "Vulnerability", "Recommendation", "Score" resource types and their list methods).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from shared.errors import BadRequest, Refused, Unreadable
from shared.nouns.detections import Severity, unique
from shared.nouns.inventory import InventoryKind, Item
from shared.vendors.alert_words import severity_of
from shared.vendors.listing import pages
from shared.vendors.loose_json import each, fields, leftovers, number, text, when
from shared.vendors.vendor import Connection

WHO = "Defender for Endpoint"
# Path and largest page of each list. Vulnerabilities are the exception in the reference: 8,000.
_LISTS: Mapping[InventoryKind, tuple[str, int]] = {
    InventoryKind.machine: ("/api/machines", 10_000),
    InventoryKind.vulnerability: ("/api/vulnerabilities", 8_000),
    InventoryKind.machine_vulnerability: ("/api/vulnerabilities/machinesVulnerabilities", 10_000),
    InventoryKind.recommendation: ("/api/recommendations", 10_000),
}
_SCORES = {"exposureScore": ("Exposure score", 100.0), "configurationScore": ("Configuration score", None)}
KINDS = (*_LISTS, InventoryKind.score)


def inventory(connection: Connection, kind: InventoryKind) -> Iterator[tuple[Item, ...]]:
    """Everything of one kind, page by page. Raises what `Api.get` raises, BadRequest for a kind that this
    product does not have."""
    if kind is InventoryKind.score:
        yield from _scores(connection)
        return
    if kind not in _LISTS:
        raise BadRequest(f"{WHO} has no inventory of kind '{kind}'.")
    portal = connection.cloud.defender_portal
    for rows in _rows(connection, *_LISTS[kind]):
        yield tuple(item for row in rows if (item := _READERS[kind](row, portal)) is not None)


def _rows(connection: Connection, path: str, size: int) -> Iterator[tuple[Any, ...]]:
    found = pages(connection.api, path, {"$top": str(size)}, who=WHO, page_size=size)
    try:
        yield next(found)
    except Refused as error:
        if error.status != 404:  # the reference: 404 when a tenant has no recent machines
            raise
        return
    yield from found


def _scores(connection: Connection) -> Iterator[tuple[Item, ...]]:
    for name, (title, maximum) in _SCORES.items():
        answer = connection.api.get(f"/api/{name}")
        known = fields(answer)
        score = number(known.get("score"))
        if score is None:
            raise Unreadable(f"{WHO} answered without a score. The next reading tries again.")
        yield (
            Item(
                kind=InventoryKind.score,
                id=name,
                name=title,
                score=score,
                maximum=maximum,
                updated=when(known.get("time")),
                properties=leftovers(answer, ("@odata.context", "score", "time")),
            ),
        )


def machine(row: Any, portal: str = "") -> Item | None:
    """A machine. Its severity is the vendor's risk score; its status says whether it is onboarded, or, if it
    is, how its sensor does."""
    known = fields(row)
    machine_id = text(known.get("id"))
    if machine_id is None:
        return None
    dns_name, onboarding = text(known.get("computerdnsname")), text(known.get("onboardingstatus"))
    onboarded = (onboarding or "onboarded").lower() == "onboarded"
    return Item(
        kind=InventoryKind.machine,
        id=machine_id,
        name=dns_name or machine_id,
        dns_name=dns_name,
        addresses=_addresses(known),
        operating_system=_system(known),
        device_class=text(known.get("devicetype")) or text(known.get("deviceclass")),
        status=(text(known.get("healthstatus")) or onboarding) if onboarded else onboarding,
        joined_id=text(known.get("aaddeviceid")),
        severity=_severity(known.get("riskscore")),
        updated=when(known.get("lastseen")),
        link=f"{portal}/machines/{quote(machine_id, safe='')}/overview" if portal else None,
        properties=leftovers(row, ("@odata.context", "id", "computerdnsname", "aaddeviceid", "lastseen")),
    )


def vulnerability(row: Any, portal: str = "") -> Item | None:
    """A CVE in the tenant; its score is CVSS 3."""
    known = fields(row)
    cve = text(known.get("id")) or text(known.get("name"))
    if cve is None:
        return None
    score = number(known.get("cvssv3"))
    return Item(
        kind=InventoryKind.vulnerability,
        id=cve,
        name=text(known.get("name")) or cve,
        severity=_severity(known.get("severity")),
        score=score,
        maximum=None if score is None else 10.0,
        updated=when(known.get("updatedon")),
        properties=leftovers(row, ("@odata.type", "id", "name", "cvssv3", "updatedon")),
    )


def machine_vulnerability(row: Any, portal: str = "") -> Item | None:
    """A CVE on a machine, from the list of all machines or, with more fields, from the export. The export
    also has software without a vulnerability: such a row is no item."""
    known = fields(row)
    row_id, cve = text(known.get("id")), text(known.get("cveid"))
    if row_id is None or cve is None:
        return None
    return Item(
        kind=InventoryKind.machine_vulnerability,
        id=row_id,
        name=cve,
        dns_name=text(known.get("devicename")),
        machine_id=text(known.get("machineid")) or text(known.get("deviceid")),
        severity=_severity(known.get("severity")) or _severity(known.get("vulnerabilityseveritylevel")),
        updated=when(known.get("lastseentimestamp")),
        properties=leftovers(row, ("id", "cveid", "machineid", "deviceid", "devicename")),
    )


def recommendation(row: Any, portal: str = "") -> Item | None:
    """Something that the vendor advises; its score is how much it matters."""
    known = fields(row)
    row_id = text(known.get("id"))
    if row_id is None:
        return None
    score = number(known.get("severityscore"))
    return Item(
        kind=InventoryKind.recommendation,
        id=row_id,
        name=text(known.get("recommendationname")) or text(known.get("productname")) or row_id,
        status=text(known.get("status")),
        score=score,
        maximum=None if score is None else 10.0,
        properties=leftovers(row, ("id", "recommendationname", "severityscore", "status")),
    )


_READERS: Mapping[InventoryKind, Callable[[Any, str], Item | None]] = {
    InventoryKind.machine: machine,
    InventoryKind.vulnerability: vulnerability,
    InventoryKind.machine_vulnerability: machine_vulnerability,
    InventoryKind.recommendation: recommendation,
}


def _addresses(known: Mapping[str, Any]) -> tuple[str, ...]:
    """The machine's own addresses. Loopback is everybody's, and the external one that of many."""
    found = [text(known.get("lastipaddress"))]
    for interface in map(fields, each(known.get("ipaddresses"))):
        if text(interface.get("type")) != "SoftwareLoopback":
            found.append(text(interface.get("ipaddress")))
    return unique(found)


def _system(known: Mapping[str, Any]) -> str | None:
    platform, version = text(known.get("osplatform")), text(known.get("version"))
    return " ".join(unique((platform, version, text(known.get("osversion"))))) or None


def _severity(value: object) -> Severity | None:
    """None where the vendor says nothing or `None`; a word that is not known is `unknown`."""
    word = text(value) or "None"
    return None if word.lower() == "none" else severity_of(word)
