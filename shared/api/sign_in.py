"""A person signs in for a configuration: begin, look how it stands, complete. Answers hold codes that a
person types in and addresses to open; device codes, verifiers and tokens never."""

from __future__ import annotations

from typing import Protocol

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from shared.api.caller import Admin
from shared.api.fields import Id
from shared.api.parts import Parts
from shared.errors import NotFound, OperatorMustAct
from shared.nouns.configurations import Configuration
from shared.nouns.detections import Instant
from shared.nouns.sign_ins import SignIn, SignInMethod, SignInState

router = APIRouter(tags=["configurations"])


class SignInStart(BaseModel):
    """How the person signs in. `redirect_uri` (authorization_code): `pocketsoc://auth`, or an address below
    this product's own, registered with the app."""

    model_config = ConfigDict(extra="forbid")

    method: SignInMethod
    redirect_uri: str | None = Field(None, max_length=256)


class SignInCompletion(BaseModel):
    """What the browser brought back: the whole address at which it ended, or its `code` and `state`."""

    model_config = ConfigDict(extra="forbid")

    redirect_url: str | None = Field(None, max_length=8000)
    code: str | None = Field(None, max_length=4000)
    state: str | None = Field(None, max_length=400)


class SignInOut(BaseModel):
    """How a sign-in stands. While `pending`: with a device code, the person opens `verification_uri` and
    types `user_code`, and you ask again every `interval` seconds; else the person opens `authorize_url`, and
    what comes back must carry `state_value`. `problem` says what went wrong and what to do."""

    state: SignInState
    method: SignInMethod | None
    expires: Instant | None
    interval: int | None
    user_code: str | None
    verification_uri: str | None
    authorize_url: str | None
    state_value: str | None
    redirect_uri: str | None
    problem: str | None
    code: str | None = Field(description="Entra ID's number of the problem.")
    signed_in_as: str | None
    signed_in: Instant | None


class SignsIn(Protocol):
    """Begins, watches and completes sign-ins; see auth/desk.py."""

    def start(
        self, configuration: Configuration, audience: str, method: SignInMethod, redirect_uri: str | None
    ) -> SignIn: ...
    def look(self, configuration: Configuration) -> SignIn: ...
    def complete(
        self, configuration: Configuration, redirect_url: str | None, code: str | None, state: str | None
    ) -> SignIn: ...


@router.post("/configurations/{id}/sign-in", operation_id="start_sign_in")
def start_sign_in(id: Id, wanted: SignInStart, caller: Admin, parts: Parts) -> SignInOut:
    """Begin a sign-in, in place of one that is on its way. What Entra ID refuses is an answer (`failed`)."""
    configuration = parts.configured(id).configuration
    vendor = parts.vendors.get(configuration.vendor)
    if vendor is None:
        raise NotFound("The vendor of this configuration is not known here.")
    audience = vendor.audience(configuration, parts.clouds[configuration.cloud])
    try:
        begun = parts.sign_in.start(configuration, audience, wanted.method, wanted.redirect_uri)
    except OperatorMustAct as error:
        begun = SignIn(
            state=SignInState.failed,
            method=wanted.method,
            problem=str(error),
            code=getattr(error, "code", None),
        )
    return _shown(begun)


@router.get("/configurations/{id}/sign-in", operation_id="look_at_sign_in")
def look_at_sign_in(id: Id, caller: Admin, parts: Parts) -> SignInOut:
    """How the last sign-in stands. Ask as often as you like; Entra ID is asked no more often than it
    wants."""
    return _shown(parts.sign_in.look(parts.configured(id).configuration))


@router.post("/configurations/{id}/sign-in/complete", operation_id="complete_sign_in")
def complete_sign_in(id: Id, wanted: SignInCompletion, caller: Admin, parts: Parts) -> SignInOut:
    """Complete a sign-in in the browser. What belongs to another sign-in is refused, and this one still
    waits."""
    configuration = parts.configured(id).configuration
    return _shown(parts.sign_in.complete(configuration, wanted.redirect_url, wanted.code, wanted.state))


def _shown(sign_in: SignIn) -> SignInOut:
    return SignInOut(**sign_in.model_dump())
