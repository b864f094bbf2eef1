"""Sign-in of a person with a device code: they open a page anywhere, type a short code in, and agree; we ask
how it stands.

Source: "OAuth 2.0 device authorization grant flow", RFC 8628.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.auth.person import Conversation
from shared.errors import SignInFailed, TryLater
from shared.nouns.configurations import Cloud, Configuration
from shared.nouns.sign_ins import SignInState

if TYPE_CHECKING:
    from msal import SerializableTokenCache

_STATES = {
    "authorization_pending": SignInState.pending,
    "slow_down": SignInState.pending,
    "authorization_declined": SignInState.declined,
    "access_denied": SignInState.declined,  # RFC 8628's word for it
    "expired_token": SignInState.expired,
    "code_expired": SignInState.expired,
}
_USED = frozenset({54005, 90120})
_SLOWER = 5  # seconds, RFC 8628


@dataclass(frozen=True)
class DeviceFlow:
    """What Entra gave out. `device_code` is a secret; `user_code` is what the person types in."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    interval: int
    expires_in: int
    scope: str


@dataclass(frozen=True)
class Heard:
    """How a device code stands. `answer` is MSAL's, when it is done; `error` why it failed."""

    state: SignInState
    interval: int
    answer: dict[str, Any] = field(default_factory=dict, repr=False)
    error: SignInFailed | None = None


def start(configuration: Configuration, cloud: Cloud, audience: str, *, ca_bundle: str | None) -> DeviceFlow:
    """Ask for a code. Raises SignInFailed and TryLater."""
    conversation = Conversation(configuration, cloud, ca_bundle=ca_bundle)
    given = conversation.ask(lambda app: _initiated(app, f"{audience}/.default"))
    try:
        return DeviceFlow(
            device_code=str(given["device_code"]),
            user_code=str(given["user_code"]),
            verification_uri=str(given["verification_uri"]),
            interval=int(given.get("interval") or 5),
            expires_in=int(given.get("expires_in") or 900),
            scope=f"{audience}/.default",
        )
    except (KeyError, ValueError) as error:
        raise TryLater("Entra ID's sign-in service gave no device code; try again.") from error


def _initiated(app: Any, scope: str) -> dict[str, Any]:
    given: dict[str, Any] = app.initiate_device_flow([scope])
    return given


def ask(
    configuration: Configuration,
    cloud: Cloud,
    flow: DeviceFlow,
    *,
    cache: SerializableTokenCache,
    ca_bundle: str | None,
) -> Heard:
    """How it stands. Asks once; not sooner than `interval` seconds after the last time. Raises TryLater."""
    # An interval of one second is one look at `exit_condition`: MSAL asks once.
    given = {"device_code": flow.device_code, "interval": 1, "scope": flow.scope.split()}
    conversation = Conversation(configuration, cloud, ca_bundle=ca_bundle, cache=cache)
    answer = conversation.ask_openly(
        lambda app: app.acquire_token_by_device_flow(given, exit_condition=lambda _: True)
    )
    if "access_token" in answer:
        return Heard(SignInState.done, flow.interval, answer)
    word = str(answer.get("error"))
    if word in _STATES:
        slower = _SLOWER if word == "slow_down" else 0
        return Heard(_STATES[word], flow.interval + slower)
    refused = conversation.refusal()
    if isinstance(refused, TryLater):
        raise refused
    used = bool(_USED & {code for code in answer.get("error_codes") or () if isinstance(code, int)})
    return Heard(SignInState.code_used if used else SignInState.failed, flow.interval, error=refused)
