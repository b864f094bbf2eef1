"""A person's sign-in for a configuration: how it is begun, how it stands, and what is known of one that is
kept. Pure values; codes, verifiers and tokens are not among them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.detections import Instant


class SignInMethod(StrEnum):
    """The two ways in which a person can sign in."""

    device_code = "device_code"
    authorization_code = "authorization_code"


class SignInState(StrEnum):
    """How a sign-in stands. `none`: nobody has begun one. `code_used`: the code was redeemed, but what it
    brought did not arrive here. `failed`: refused; `problem` says why."""

    none = "none"
    pending = "pending"
    declined = "declined"
    expired = "expired"
    code_used = "code_used"
    failed = "failed"
    done = "done"


class SignIn(BaseModel):
    """A sign-in on its way or at its end. With a device code the person opens `verification_uri` and types
    `user_code`; ask how it stands every `interval` seconds. With an authorization code the person opens
    `authorize_url`, and the address that the browser ends at completes it; it must carry `state_value`."""

    model_config = ConfigDict(frozen=True)

    state: SignInState
    method: SignInMethod | None = None
    expires: Instant | None = None
    interval: int | None = None
    user_code: str | None = None
    verification_uri: str | None = None
    authorize_url: str | None = None
    state_value: str | None = None
    redirect_uri: str | None = None
    problem: str | None = None
    code: str | None = None
    signed_in_as: str | None = None
    signed_in: Instant | None = None


class KeptSignIn(BaseModel):
    """What is known of the sign-in that a configuration works with. `made_at` is where the person signed in
    (`Configuration.signs_in_at`). `place` says which of its places in the
    secret store is the newest, `version` how often it was renewed; `ended` since when it no longer serves,
    and `problem` why. `claim` is held, until `claimed_until`, by the instance that renews it into
    `claimed_place`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    configuration_id: str
    made_at: str = ""
    version: int = 0
    place: int = 0
    signed_in_as: str = ""
    signed_in: Instant | None = None
    renewed: Instant | None = None
    ended: Instant | None = None
    problem: str | None = None
    code: str | None = None
    claim: str | None = None
    claimed_until: Instant | None = None
    claimed_place: int | None = None
    etag: str = Field(default="", exclude=True)


class PendingSignIn(BaseModel):
    """A sign-in on its way, as it is kept: its secrets lie in the secret store, this is what else is known.
    `next_ask`: not before then may Entra ID be asked how a device code stands. `taken`: an instance is
    redeeming its code."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    configuration_id: str
    id: str
    method: SignInMethod
    state: SignInState = SignInState.pending
    begun: Instant
    expires: Instant
    interval: int = 5
    next_ask: Instant | None = None
    taken_until: Instant | None = None
    problem: str | None = None
    code: str | None = None
    etag: str = Field(default="", exclude=True)


@dataclass(frozen=True)
class HeldSignIn:
    """The newest kept sign-in: an MSAL cache as text, which is a secret. `proven`: the app's secret goes with
    it, because it was made with it. `made_at`: for which cloud, tenant and app it is good. `ended` is why it
    no longer serves, `code` the number of the refusal that said so."""

    cache: str = field(repr=False)
    version: int
    proven: bool = False
    made_at: str = ""
    ended: str | None = None
    code: str | None = None
