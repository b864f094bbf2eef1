"""The evidence that Defender for Cloud adds as tables and nested notes (`supportingEvidence`).

Promise: rows and elements are kept as they came, cells of any type and empty cells included; kinds that are
not known are kept under their own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from shared.nouns.detections import Evidence
from shared.vendors.loose_json import each, fields, line, portable, text, words

_DEEPEST = 10


def supporting(value: object, depth: int = 0) -> Iterator[Evidence]:
    """Each table and each note; lists of them are walked."""
    for part in each(value):
        known = fields(part)
        kind = (text(known.get("type")) or "unknown").lower()
        inner = known.get("supportingevidencelist")
        if inner and depth < _DEEPEST:
            yield from supporting(inner, depth + 1)
        elif kind == "tabularevidences" or "rows" in known:
            yield Evidence(kind="table", summary=_about_table(known), details=portable(part))
        elif kind == "nestedlist" or "evidenceelements" in known:
            told = "; ".join(_told(known.get("evidenceelements"))) or text(known.get("title"))
            yield Evidence(kind="note", summary=line(told) or "note", details=portable(part))
        elif isinstance(part, Mapping) and part:
            yield Evidence(kind=kind, summary=line(known.get("title")) or kind, details=portable(part))


def _about_table(table: dict[str, Any]) -> str:
    count = len(each(table.get("rows")))
    columns = ", ".join(words(table.get("columns"), separator="\n"))
    size = f"{count} row{'' if count == 1 else 's'}" + (f" ({columns})" if columns else "")
    title = text(table.get("title"))
    return line(f"{title}: {size}" if title else size) or size


def _told(elements: object, depth: int = 0) -> Iterator[str]:
    for element in map(fields, each(elements)):
        told = text(fields(element.get("text")).get("fallback")) or text(element.get("text"))
        if told:
            yield told
        if depth < _DEEPEST:
            yield from _told(element.get("innerelements"), depth + 1)
