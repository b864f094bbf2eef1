"""From a vendor's JSON to a detection, whatever is in it: what cannot be read is Unreadable, and nothing
else is raised."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from shared.errors import Unreadable
from shared.nouns.configurations import CLOUDS, CloudName
from shared.nouns.detections import Channel, Detection
from shared.nouns.incidents import Incident
from shared.vendors.vendor import Vendor

Linked = TypeVar("Linked", Detection, Incident)
_DEEPEST = 100  # what we write must be read again: pydantic reads JSON up to 200 levels deep


def storable(value: Any) -> Any:
    """The same JSON value without lone surrogates, which JSON can spell (`"\\ud800"`) and UTF-8 cannot.
    Raises Unreadable for what is nested more than a hundred levels deep."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError as error:
        raise Unreadable(_TOO_DEEP) from error
    if text.count("{") + text.count("[") > _DEEPEST and _deeper(value, _DEEPEST):
        raise Unreadable(_TOO_DEEP)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-8", "replace"))
    return value


_TOO_DEEP = f"This JSON is nested more than {_DEEPEST} levels deep."


def _deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested more than so many levels."""
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(layer)


def as_bytes(value: Any) -> bytes:
    """A JSON value as it is kept in quarantine."""
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    except RecursionError:
        return b'"nested too deeply to be written"'


def read_alert(vendor: Vendor, raw: Any, channel: Channel, cloud: CloudName) -> Detection:
    """Map one raw alert. Raises Unreadable, with the reason, for anything that goes wrong."""
    try:
        return linked(vendor.to_detection(raw, channel=channel), cloud)
    except Unreadable:
        raise
    except Exception as error:  # a fault in our mapping must cost this one alert's order, never its page
        raise Unreadable(f"The mapping failed on this alert ({type(error).__name__}).") from error


def linked(read: Linked, cloud: CloudName) -> Linked:
    """A detection or incident with its link into its own cloud's portal: a vendor's mapping knows no cloud
    and names the commercial one."""
    commercial, own = CLOUDS[CloudName.commercial].defender_portal, CLOUDS[cloud].defender_portal
    link = read.source_link or ""
    if own == commercial or not link.startswith(f"{commercial}/"):
        return read
    return read.model_copy(update={"source_link": own + link.removeprefix(commercial)})
