"""Whether the webhook brings what polling finds. Pure.

A poll sees for each alert whether the webhook had brought it. The webhook is silent when several alerts in a
row, newer than the newest that it brought, were found by polling alone. Only alerts count that a workflow
automation forwards as our guide sets it up (medium and worse, not closed), and only where the webhook has
worked before, or the configuration says that it is expected to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.nouns.configurations import Configuration, PollState
from shared.nouns.detections import Channel, Instant, Severity
from shared.pipeline.sift import View

ENOUGH = 3
EXPECTED = "webhook_expected"


def heard(
    configuration: Configuration, state: PollState, views: Iterable[View], received: Instant
) -> dict[str, Any]:
    """What the poll state must say after these alerts were read."""
    webhook, poll = (f"{configuration.id}:{channel}" for channel in (Channel.webhook, Channel.poll))
    newest, unheard = state.webhook_heard or "", set(state.unheard)
    for view in views:
        seen, made = view.seen or {}, min(view.made(received), received)
        if webhook in seen:
            newest = max(newest, made)
        elif poll not in seen and _is_forwarded(view):
            unheard.add(made)
    # What is older than the configuration cannot have come by its webhook.
    since = max(newest, configuration.created or "")
    kept = sorted(when for when in unheard if when > since)[:ENOUGH]
    return {"webhook_heard": newest or None, "unheard": tuple(kept)}


def silent_since(configuration: Configuration, state: PollState) -> Instant | None:
    """When the first of the alerts was made that the webhook should have brought; None while all is well."""
    if state.webhook_heard is None and not configuration.options.get(EXPECTED):
        return None
    return state.unheard[0] if len(state.unheard) >= ENOUGH else None


def _is_forwarded(view: View) -> bool:
    return view.detection.severity.rank >= Severity.medium.rank and not view.detection.status.closed
