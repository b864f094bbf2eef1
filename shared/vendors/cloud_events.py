"""What workflow automation and continuous export send to a webhook, told apart by what it is about.

Alerts go on to `to_detection`; assessments (recommendations), findings below them, scores and compliance
are kept as what they are. Their casing differs by class of event, and `action: Delete` means that the thing
is gone. Promise: never raises; what is not recognised is `unknown`, with its content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from shared.errors import Unreadable
from shared.vendors.cloud_dialects import is_alert, read_alert, wrapped
from shared.vendors.loose_json import fields, line, text
from shared.vendors.vendor import EventKind, WebhookItem

_DEEPEST = 8
# In this order: a finding's id contains its assessment's, a compliance assessment's type ends like an
# assessment's.
_KINDS: tuple[tuple[EventKind, re.Pattern[str]], ...] = (
    ("compliance", re.compile(r"microsoft\.security/regulatorycompliance", re.IGNORECASE)),
    ("secure_score", re.compile(r"microsoft\.security/securescore", re.IGNORECASE)),
    (
        "sub_assessment",
        re.compile(r"microsoft\.security/(assessments/)?([^/]+/)?subassessments", re.IGNORECASE),
    ),
    ("assessment", re.compile(r"microsoft\.security/assessments", re.IGNORECASE)),
)


def read_webhook(body: Any) -> tuple[WebhookItem, ...]:
    """Each event in the body, in its order; an empty list holds none, everything else at least one."""
    return tuple(_items(body.decode("utf-8", "replace") if isinstance(body, bytes) else body, 0))


def _items(body: Any, depth: int) -> Iterator[WebhookItem]:
    inner = wrapped(body) if depth < _DEEPEST else None
    if inner is None:
        yield _item(body)
        return
    for part in inner:
        yield from _items(part, depth + 1)


def _item(event: Any) -> WebhookItem:
    found = fields(event)
    if is_alert(found):
        try:
            native_id = read_alert(event).native_id
        except Unreadable:
            native_id = ""
        return WebhookItem("alert", event, native_id, _name(found), _action(found))
    kind = _kind(found)
    return WebhookItem(kind, event, text(found.get("id")) or "", _name(found), _action(found))


def _kind(found: dict[str, Any]) -> EventKind:
    for value in (text(found.get("type")), text(found.get("id")), text(found.get("$type"))):
        for kind, pattern in _KINDS:
            if value and pattern.search(value):
                return kind
    return "sub_assessment" if "subassessment" in (text(found.get("$type")) or "").lower() else "unknown"


def _name(found: dict[str, Any]) -> str:
    inner = fields(found.get("properties"))
    title = fields(found.get("eventname")).get("value")  # Activity Log
    names = (inner.get("alertdisplayname"), found.get("alertdisplayname"), inner.get("displayname"), title)
    return next((said for name in (*names, found.get("name")) if (said := line(name))), "")


def _action(found: dict[str, Any]) -> str | None:
    for name in ("securityeventdataenrichment", "assessmenteventdataenrichment"):
        if (action := text(fields(found.get(name)).get("action"))) is not None:
            return action
    return None
