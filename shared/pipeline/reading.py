"""From a vendor's JSON to a detection, whatever is in it: what cannot be read is Unreadable, and nothing
else is raised."""

from __future__ import annotations

import json
from typing import Any

from shared.detections import Channel, Detection
from shared.errors import Unreadable
from shared.vendors.vendor import Vendor


def storable(value: Any) -> Any:
    """The same JSON value without lone surrogates, which JSON can spell (`"\\ud800"`) and UTF-8 cannot."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode("utf-8", "replace"))
    return value


def read_alert(vendor: Vendor, raw: Any, channel: Channel) -> Detection:
    """Map one raw alert. Raises Unreadable, with the reason, for anything that goes wrong."""
    try:
        return vendor.to_detection(raw, channel=channel)
    except Unreadable:
        raise
    except Exception as error:  # a fault in our mapping must cost this one alert's order, never its page
        raise Unreadable(f"The mapping failed on this alert ({type(error).__name__}).") from error
