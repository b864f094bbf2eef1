"""The dialects in which one Defender for Cloud alert is written, read into one view.

* ARM list: an envelope (`id`, `name`, `properties`) with names like `systemAlertId`.
* Event (workflow automation, Event Hub): flat, names like `SystemAlertId`, status `New`, no ARM id.
* Flat with names like `systemAlertId` (a manually triggered Logic App), sometimes wrapped in `body`.
* Activity Log: the alert as an operation; texts under `value`, lists as JSON text.

Promise: casing never matters, wrapping never matters, and nothing raises but an alert without any id. Source:
"Alerts - List" in the ARM reference and "Alert schemas" in the product's documentation; where these
contradict captured events, the events are right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import Unreadable
from shared.vendors.loose_json import each, fields, leftovers, text

_DEEPEST_WRAPPING = 8
_ALERT_IN_ID = re.compile(r"/alerts/([^/]+)", re.IGNORECASE)
_ALERT_MARKS = frozenset({"systemalertid", "alertdisplayname", "alerttype", "alerturi"})
_ACTIVITY_FIELDS = frozenset(
    {
        *(
            "eventname",
            "status",
            "properties",
            "correlationid",
            "eventdataid",
            "operationid",
            "resourceid",
            "id",
        ),
        *("eventtimestamp", "submissiontimestamp", "description", "resourcegroupname", "subscriptionid"),
    }
)


@dataclass(frozen=True)
class CloudAlert:
    """`known`: the alert's fields under lower-case names of the event dialect or ARM's. `own`: what may be
    shown as further properties, under the vendor's names. `arm_id` is None in dialects that do not carry
    it."""

    native_id: str
    known: dict[str, Any]
    own: Mapping[str, Any]
    arm_id: str | None


def read_alert(raw: Any) -> CloudAlert:
    """One alert in any dialect. Raises Unreadable when it is no object or has no id."""
    outer = unwrapped(raw)
    found = fields(outer)
    if is_activity(found):
        known, own, arm_id = _activity(found, outer)
    elif isinstance(found.get("properties"), Mapping) and "systemalertid" not in found:
        known, own, arm_id = fields(found["properties"]), found["properties"], text(found.get("id"))
    else:
        own_id = text(found.get("id"))
        known, own, arm_id = found, outer, own_id if own_id and own_id.startswith("/") else None
    last_segment = (text(found.get("id")) or "").rstrip("/").rpartition("/")[2]
    native_id = text(known.get("systemalertid")) or text(found.get("name")) or last_segment
    if not native_id:
        raise Unreadable("This Defender for Cloud alert has no id.")
    return CloudAlert(native_id, known, own, arm_id)


def unwrapped(raw: Any) -> Any:
    """The event inside `body`, JSON text and lists of one; what holds several is left as it is."""
    for _ in range(_DEEPEST_WRAPPING):
        inner = wrapped(raw)
        if inner is None or len(inner) != 1:
            return raw
        raw = inner[0]
    return raw


def wrapped(raw: Any) -> list[Any] | None:
    """What a wrapping holds: JSON text, a list, `body`, Event Hub's `records`, ARM's `value`; None for no
    wrapping."""
    if isinstance(raw, str):
        parsed = parsed_text(raw)
        return None if parsed is None else [parsed]
    if isinstance(raw, list):
        return list(raw)
    found = fields(raw)
    if not found or is_alert(found) or "type" in found:
        return None
    for several in (found.get("records"), found.get("value")):
        if isinstance(several, list):
            return list(several)
    body = found.get("body")
    return [body] if isinstance(body, Mapping | list) or parsed_text(body) is not None else None


def parsed_text(value: object) -> Any:
    """The object or list in a JSON text; None when it is none."""
    if not isinstance(value, str) or not value.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return None
    try:
        found = json.loads(value.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, Mapping | list) else None


def is_alert(found: Mapping[str, Any]) -> bool:
    """Whether fields (lower-case names) are those of an alert, in any dialect."""
    inner = fields(found.get("properties"))
    kind = (text(found.get("type")) or "").lower()
    marked = bool(_ALERT_MARKS & found.keys() or _ALERT_MARKS & inner.keys())
    return marked or kind.endswith("microsoft.security/locations/alerts") or is_activity(found)


def is_activity(found: Mapping[str, Any]) -> bool:
    """Whether fields (lower-case names) are an Activity Log entry about an alert."""
    about = text(found.get("resourceid")) or text(found.get("id")) or ""
    return "eventname" in found and "eventtimestamp" in found and bool(_ALERT_IN_ID.search(about))


def listed(value: object) -> list[Any]:
    """A list, the list in a JSON text, or a list of one."""
    parsed = parsed_text(value)
    return parsed if isinstance(parsed, list) else each(value)


def _activity(found: dict[str, Any], outer: Any) -> tuple[dict[str, Any], Mapping[str, Any], str | None]:
    inner = fields(found.get("properties"))
    arm_id = text(found.get("resourceid")) or text(found.get("id"))
    match = _ALERT_IN_ID.search(arm_id or "")
    known = {
        **{name: inner.get(name) for name in ("severity", "intent", "remediationsteps", "compromisedentity")},
        "systemalertid": match[1] if match else found.get("correlationid"),
        "alertdisplayname": _value(found.get("eventname")),
        "description": found.get("description"),
        "status": _value(found.get("status")),
        "timegenerated": found.get("eventtimestamp"),
        "processingendtime": found.get("submissiontimestamp"),
    }
    extended = leftovers(found.get("properties"), ("severity", "intent", "remediationsteps"))
    return known, {**leftovers(outer, _ACTIVITY_FIELDS), "extendedProperties": extended}, arm_id


def _value(named: object) -> Any:
    """The Activity Log writes a word as `{"value", "localizedValue"}`."""
    return fields(named).get("value") if isinstance(named, Mapping) else named
