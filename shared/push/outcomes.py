"""What an answer means for a delivery, in words that an operator may read: never a token, an endpoint or a
body."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from shared.errors import PocketSOCError, TryLater
from shared.nouns.notifications import Outcome
from shared.push.transport import Delivery

_ONE_DAY = 86_400.0
_MAX_BODY = 4096
# A push service's own word, such as BadDeviceToken. Nothing else of an answer is repeated: it may quote
# what we sent.
_WORD = re.compile(r"[A-Z][A-Za-z]{2,40}")


def of_status(
    service: str, status: int, *, word: str | None = None, retry_after: float | None = None
) -> Delivery:
    """Sort an HTTP answer: 2xx delivered, 404 and 410 gone, 408, 429 and 5xx later, anything else our
    fault."""
    text = f"{service} answered {status}" + (f" {word}" if word else "")
    if 200 <= status < 300:
        return Delivery(Outcome.delivered)
    if status in (404, 410):
        return Delivery(Outcome.gone, text)
    if status in (408, 425, 429) or status >= 500:
        return Delivery(Outcome.later, text, retry_after)
    return Delivery(Outcome.our_fault, text)


def of_error(error: PocketSOCError) -> Delivery:
    """What stopped us before the push service was asked: later if that passes by itself, else our fault."""
    if isinstance(error, TryLater):
        return Delivery(Outcome.later, str(error), error.retry_after)
    return Delivery(Outcome.our_fault, str(error))


def no_answer(service: str, error: Exception) -> Delivery:
    """The push service was not reached. Only the error's kind is kept, because its text holds the address."""
    return Delivery(Outcome.later, f"{service} did not answer ({type(error).__name__})")


def seconds_until(retry_after: str | None, now: datetime) -> float | None:
    """A Retry-After header (seconds or an HTTP date) as seconds from now, 0 to one day; None if there is
    none we can read."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            when = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        seconds = ((when if when.tzinfo else when.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(seconds, 0.0), _ONE_DAY) if seconds == seconds else None


def answer_of(body: bytes) -> dict[str, Any]:
    """An answer's JSON object; empty when it is none or long."""
    try:
        answer = json.loads(body) if len(body) <= _MAX_BODY else None
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def word_of(answer: dict[str, Any]) -> str | None:
    """The one word with which a push service says why (`reason`); None if it is not plainly a word."""
    word = answer.get("reason")
    return word if isinstance(word, str) and _WORD.fullmatch(word) else None
