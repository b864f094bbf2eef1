"""From an alert of a Microsoft Sentinel incident (a SecurityAlert) to a detection: pure mapping, no I/O.

Promise: any object with an id becomes a detection. Its `systemAlertId` is known to Sentinel only and has a
namespace of its own; what the alert is called by the product that made it (`providerAlertId`, an id in its
link) is kept beside it, so that Defender for Cloud's and Endpoint's own views of it are the same detection.

An alert that Sentinel itself made has no life of its own: analysts work on its incident, so its status, its
owner and its newest time are the incident's. The copy of another product's alert says what it said when it
was copied, and is as old as that. Source: "Security alert schema reference" of Microsoft Sentinel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from shared.errors import Unreadable
from shared.nouns.detections import Asset, AssetKind, Detection, Evidence, Status, unique
from shared.vendors.alert_words import severity_of, status_of
from shared.vendors.cloud_assets import resource_of
from shared.vendors.cloud_entities import last_segment
from shared.vendors.loose_json import each, fields, https_link, leftovers, line, portable, text, when, words
from shared.vendors.sentinel_incidents import listed, modified, name_of, to_incident, xdr_number

NAMESPACE = "sentinel"
_OWN = frozenset({"azure sentinel", "microsoft sentinel"})
_USED = frozenset(
    {
        *("systemalertid", "alertdisplayname", "friendlyname", "description", "severity", "status"),
        *("starttimeutc", "endtimeutc", "processingendtime", "timegenerated", "alertlink", "productname"),
        *("tactics", "techniques", "remediationsteps", "resourceidentifiers"),
    }
)
_LINKED = re.compile(r"/alerts?(?:id)?/([^/?#&\s]{16,200})", re.IGNORECASE)


def to_detection(raw: Any) -> Detection:
    """Map one alert: as the walk hands it out (`{"alert": ..., "incident": ...}`), or bare. Raises Unreadable
    when there is no id."""
    whole = fields(raw)
    incident, alert = whole.get("incident"), whole.get("alert", raw)
    own, entity = _properties(alert), fields(alert)
    known = fields(own)
    native_id = text(known.get("systemalertid")) or text(entity.get("name"))
    if native_id is None:
        raise Unreadable("This Microsoft Sentinel alert has no systemAlertId.")
    severity, status = text(known.get("severity")), text(known.get("status"))
    made_here = (text(known.get("productname")) or "").lower() in _OWN
    times = [time for name in ("timegenerated", "processingendtime") if (time := when(known.get(name)))]
    link = https_link(known.get("alertlink"))
    return Detection(
        native_id=native_id,
        namespace=NAMESPACE,
        other_ids=_other_ids(known, link, native_id if made_here else None),
        title=line(known.get("alertdisplayname"))
        or line(known.get("friendlyname"))
        or line(known.get("alerttype"))
        or f"Alert {native_id}",
        description=text(known.get("description")) or "",
        severity=severity_of(severity),
        status=status_of(status),
        vendor_severity=severity,
        vendor_status=status,
        created=min(times, default=when(known.get("starttimeutc"))),
        updated=max(times, default=None),
        first_activity=when(known.get("starttimeutc")),
        last_activity=when(known.get("endtimeutc")),
        product=text(known.get("productname")) or "Microsoft Sentinel",
        categories=tuple(w for w in words(*listed(known.get("tactics"))) if w.lower() != "unknown"),
        techniques=words(*listed(known.get("techniques"))),
        assets=_assets(known),
        evidence=_evidence(known),
        remediation_steps=unique(text(step) for step in listed(known.get("remediationsteps"))),
        source_link=link,
        properties=leftovers(own, _USED),
    ).model_copy(update=_of_incident(incident, made_here, times, status) if incident is not None else {})


def _of_incident(incident: Any, made_here: bool, times: list[str], own_status: str | None) -> dict[str, Any]:
    """What the alert has from its incident."""
    name = name_of(incident)
    if name is None:
        return {}
    found: dict[str, Any] = {"incident_id": xdr_number(incident) or name}
    if not made_here:
        return found
    case, changed = to_incident(incident), modified(incident)
    # What was merged away goes on in another incident.
    if (own_status or "new").lower() in ("new", "unknown") and case.status is not Status.dismissed:
        found |= {"status": case.status, "vendor_status": case.vendor_status}
    return found | {
        "updated": max((*times, *([changed] if changed else [])), default=None),
        "assigned_to": case.assigned_to,
        "classification": case.classification,
        "determination": case.determination,
    }


def _properties(alert: Any) -> Any:
    inner = fields(alert).get("properties")
    return inner if isinstance(inner, Mapping) else alert


def _other_ids(known: Mapping[str, Any], link: str | None, own: str | None) -> tuple[str, ...]:
    """What other products call it. In Defender XDR an alert that Sentinel made is `sn` and its id."""
    ids = [text(known.get("provideralertid")), text(known.get("vendororiginalid"))]
    ids += _LINKED.findall(link or "")
    return unique([*(id for id in ids if id and _telling(id)), f"sn{own}" if own else None])


def _telling(id: str) -> bool:
    """Whether an id can only be that of one alert. Sources that anybody can connect fill theirs with what
    they like; a number or a word would make unrelated alerts one."""
    return len(id) >= 16 and len(set(id.lower())) >= 6 and any(c.isdigit() for c in id)


def _assets(known: Mapping[str, Any]) -> tuple[Asset, ...]:
    """The Azure resources, and what the alert calls compromised first, each once."""
    rows = map(fields, listed(known.get("resourceidentifiers")))
    ids = [text(row.get("resourceid")) or text(row.get("azureresourceid")) for row in rows]
    found = {id.lower(): resource_of(id) for id in ids if id}
    compromised = text(known.get("compromisedentity"))
    if compromised is None:
        return tuple(found.values())
    first = (last_segment(compromised) or "").lower()
    if not any(asset.name.lower() == first for asset in found.values()):
        asset = _compromised(compromised)
        return ((asset,) if asset else ()) + tuple(found.values())
    return tuple(sorted(found.values(), key=lambda asset: asset.name.lower() != first))


def _compromised(name: str) -> Asset | None:
    """What is compromised, by the form of its name; an address is evidence only."""
    if name.startswith("/subscriptions/"):
        return resource_of(name)
    if _address(name):
        return None
    kind = AssetKind.user if "@" in name or "\\" in name else AssetKind.machine
    return Asset(kind=kind, name=line(name) or name)


def _address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _evidence(known: Mapping[str, Any]) -> tuple[Evidence, ...]:
    """The compromised address, and the resources as the alert names them. Entities are the incident's and
    not told of an alert."""
    found = []
    compromised = text(known.get("compromisedentity"))
    if compromised and _address(compromised):
        found.append(Evidence(kind="ip", summary=compromised, details={"address": compromised}))
    for row in each(listed(known.get("resourceidentifiers"))):
        said = fields(row)
        kind = (text(said.get("type")) or "resource").lower()
        names = (text(said.get(name)) for name in ("resourceid", "azureresourceid", "workspaceid"))
        name = next(filter(None, names), None)
        if isinstance(row, Mapping) and row:
            found.append(Evidence(kind=kind, summary=line(name) or kind, details=portable(row)))
    return tuple(found)
