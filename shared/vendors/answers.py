"""Reads a vendor's answer: a JSON object, or the error that says what the caller does next. No I/O.

Endpoint, ARM and Graph share one shape: `{"error": {"code", "message", "target"}}`; any part may be missing,
the message may be HTML, and proxies answer in their own way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.auth.wire import quoted
from shared.errors import (
    OperatorMustAct,
    PermissionMissing,
    PocketSOCError,
    Refused,
    SignInFailed,
    Throttled,
    TryLater,
)
from shared.vendors.waiting import asked_for, from_headers

DEFAULT_WAIT = 60.0  # seconds, for a 429 that names no time
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{3,79}")

# Defender for Endpoint's two ways (2026, 2021) to name the roles it wants; Microsoft may change the text, not
# the code.
_ROLES = (
    re.compile(r"Missing application roles\. API required roles: "),
    re.compile(r"does not have any of the required application permissions \("),
)
_ARM_PROVIDER = re.compile(r"namespace '(Microsoft\.\w+)'")
_ARM_ACTION = re.compile(r"perform action '([\w./-]+)'")


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class _Refusal:
    """What an error answer says. `who` is the vendor's title; `trace` ends the operator's text."""

    who: str
    status: int
    code: str
    message: str
    trace: str
    retry_after: float | None

    @property
    def said(self) -> str:
        """The vendor's code and message, for the end of a sentence."""
        words = ": ".join(part for part in (self.code, self.message) if part)
        return f" It says: {words.rstrip('.')}." if words else ""


def read(answer: Answer, who: str, *, may_be_empty: bool) -> dict[str, Any]:
    """The answer's JSON object; `{}` for an empty one where that is allowed. Raises what the vendor's refusal
    means."""
    if answer.status >= 400:
        raise refusal(answer, who)
    if answer.status >= 300:
        raise TryLater(
            f"{who} answered with a redirect (HTTP {answer.status}), which is not followed: a proxy, or a "
            "wrong base URL?"
        )
    if may_be_empty and not answer.content.strip():
        return {}
    body = _json(answer.content)
    if not isinstance(body, dict):
        raise TryLater(
            f"{who} answered something that is not JSON (a proxy or an outage page?); polling tries "
            f"again by itself.{_trace(answer, {})}"
        )
    return body


def refusal(answer: Answer, who: str) -> PocketSOCError:
    """The error for an answer with a status of 400 or more."""
    said = _refusal(answer, who)
    if said.status == 429 or (said.status in (409, 503) and said.retry_after is not None):
        return _throttled(said)
    if said.status >= 500 or said.status == 408:
        return TryLater(
            f"{who} is out of order for the moment (HTTP {said.status}); polling tries again by itself."
            f"{said.said}{said.trace}"
        )
    return _BY_STATUS.get(said.status, _refused)(said)


def _throttled(said: _Refusal) -> Throttled:
    wait = DEFAULT_WAIT if said.retry_after is None else said.retry_after
    return Throttled(
        f"{said.who} asks to wait for {wait:.0f} seconds.{said.said}{said.trace}", retry_after=wait
    )


def _unauthorized(said: _Refusal) -> SignInFailed:
    remedy = "Check this configuration's cloud, tenant id and base URL."
    if said.code == "InvalidAuthenticationTokenTenant":
        remedy = "The subscription belongs to another tenant: correct the tenant id or the subscription."
    text = f"{said.who} does not accept the access token, not even a new one. {remedy}{said.said}{said.trace}"
    return SignInFailed(text, code=said.code or None)


def _forbidden(said: _Refusal) -> PermissionMissing:
    return PermissionMissing(f"{_missing(said)}{said.trace}")


def _missing(said: _Refusal) -> str:
    if any(pattern.search(said.message) for pattern in _ROLES):
        return (
            f'{said.who} refuses: "{said.message}" Grant the app one of the roles that the API requires in '
            "Entra ID > App registrations > API permissions, with admin consent. "
            "A token that was already given out does not have it; that takes up to an hour."
        )
    if said.code == "AuthorizationFailed":
        action = _ARM_ACTION.search(said.message)
        reader, writer, scope = _arm_roles(action[1] if action else "")
        role = reader if action is None or action[1].endswith("/read") else writer
        lacking = f" for {action[1]}" if action else ""
        return (
            f"{said.who} refuses: the app has no role{lacking}. Give the app the role {role} on the "
            f"{scope} (Access control (IAM)); assignments take minutes to act."
        )
    return (
        f"{said.who} refuses: the app may not do this. Grant it the permissions that the configuration's "
        f"check names, with admin consent; a new grant takes some minutes to act.{said.said}"
    )


def _arm_roles(action: str) -> tuple[str, str, str]:
    """Which roles read and write what the action belongs to, and on what they are assigned."""
    if action.lower().startswith("microsoft.securityinsights/"):
        return "Microsoft Sentinel Reader", "Microsoft Sentinel Responder", "workspace"
    return "Security Reader", "Security Admin", "subscription"


def _not_found(said: _Refusal) -> OperatorMustAct:
    if said.code == "SubscriptionNotFound":
        return PermissionMissing(
            f"{said.who} does not show this subscription to the app: check the subscription id and the "
            "tenant id, and give the app the role Security Reader on the subscription; assignments take "
            f"minutes to act.{said.trace}"
        )
    return _refused(said, "does not have what was asked for")


def _conflict(said: _Refusal) -> OperatorMustAct:
    if said.code == "MissingSubscriptionRegistration":
        named = _ARM_PROVIDER.search(said.message)
        provider = named[1] if named else "Microsoft.Security"
        return OperatorMustAct(
            f"The subscription is not registered for {provider}. Register it: Azure portal > "
            f"Subscriptions > (subscription) > Resource providers > {provider}.{said.trace}"
        )
    return _refused(said)


def _refused(said: _Refusal, how: str = "did not accept the request") -> OperatorMustAct:
    text = f"{said.who} {how} (HTTP {said.status}).{said.said}{said.trace}"
    return Refused(text, status=said.status, code=said.code or None)


_BY_STATUS: dict[int, Callable[[_Refusal], OperatorMustAct]] = {
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    409: _conflict,
}


def _refusal(answer: Answer, who: str) -> _Refusal:
    body = _json(answer.content)
    inner = body.get("error") if isinstance(body, dict) else None
    said: dict[str, Any] = inner if isinstance(inner, dict) else {}
    code, message = str(said.get("code") or ""), str(said.get("message") or _detail(body))
    return _Refusal(
        who=who,
        status=answer.status,
        code=quoted(code, limit=80),
        message=quoted(message),
        trace=_trace(answer, said),
        retry_after=_wait(answer, message),
    )


def _detail(body: Any) -> str:
    """Defender for Cloud Apps has a form of its own: `{"detail": text}`."""
    detail = body.get("detail") if isinstance(body, dict) else None
    return detail if isinstance(detail, str) else ""


def _wait(answer: Answer, message: str) -> float | None:
    # Other refusals may speak of times as well; only a 429's words are about waiting.
    return asked_for(answer.headers, message) if answer.status == 429 else from_headers(answer.headers)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None


def _trace(answer: Answer, said: Mapping[str, Any]) -> str:
    """The number that the vendor's support asks for: Azure's request id, or Endpoint's `target`."""
    found = [answer.headers.get("x-ms-request-id"), answer.headers.get("request-id"), said.get("target")]
    ids = dict.fromkeys(one for one in found if isinstance(one, str) and _ID.fullmatch(one))
    return f" (request id {', '.join(ids)})" if ids else ""
