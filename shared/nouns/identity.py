"""Which views are of one and the same alert, though several products report it. Pure.

Every name of an alert is brought into one canonical form, so that most products' views meet in one alias
without having to know each other:

* Defender XDR and Graph put two letters before the id that the detecting product gave (`fa` Office 365, `sn`
  Sentinel, ...); Endpoint's own API writes them too, its alerts as providers see them do not. The letters go
  if what is left has the form of a product's id.
* Defender for Cloud and links embed the id of the Endpoint alert that they wrap.
* Case does not count.

A title, a time or a host never makes two alerts one. A GUID without its letters counts as a whole only,
never inside other text. Sources: "Investigate alerts in Microsoft Defender XDR" (alert sources), and
payloads of several products for one alert.
"""

from __future__ import annotations

import re

from shared.nouns.detections import Detection, unique

_PREFIXES = "da|ed|fa|aa|ri|ca|rm|ma|ad|dl|dc|sn|ir|ra|ta|ea"
_GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PREFIXED = re.compile(rf"(?:{_PREFIXES})({_GUID}(?:_\d{{1,6}})?|\d{{18}}_-?\d{{1,10}}|[0-9a-f]{{24}})")
# An Endpoint alert inside another product's id or link: ticks and a number, or a GUID and a number.
_EMBEDDED_ENDPOINT = re.compile(rf"(?<![0-9a-z])da(\d{{18}}_-?\d{{1,10}}|{_GUID}_\d{{1,6}})(?![0-9a-z])")
_EMBEDDED_CLOUD = re.compile(rf"(?<!\d)(25\d{{17}}_{_GUID})(?![0-9a-z])")
_CLOUD_APPS_LINK = re.compile(
    r"cloudappsecurity(?:gov)?\.com/#?/?(?:policy/)?alerts?/([0-9a-f]{24})(?![0-9a-z])"
)


def canonical(id: str) -> str:
    """An id in the form in which products agree on it."""
    text = id.strip().lower()
    found = _PREFIXED.fullmatch(text)
    return found[1] if found else text


def aliases(detection: Detection) -> tuple[str, ...]:
    """Every name under which another view of this alert may come, each once; the first is the alert's own."""
    own = f"{detection.namespace}:{detection.native_id}".lower() if detection.namespace else None
    ids = [*([] if own else [detection.native_id]), *detection.other_ids]
    embedded: list[str] = []
    for text in (detection.native_id, *detection.other_ids, detection.source_link or ""):
        plain = text.lower()
        embedded += _EMBEDDED_ENDPOINT.findall(plain)
        embedded += _EMBEDDED_CLOUD.findall(plain)
        embedded += _CLOUD_APPS_LINK.findall(plain)
    return unique([own, *map(canonical, ids), *embedded])
