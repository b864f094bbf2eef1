"""Installations: the app on one phone or browser registers here to be told things. One's own; an Admin sees
all."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from shared.api.acts import note
from shared.api.caller import Caller, Reader, Role, may
from shared.api.fields import Id
from shared.api.parts import ApiParts, Parts
from shared.api.problems import FieldError, Invalid
from shared.errors import Forbidden, NotFound
from shared.nouns.detections import Instant, Severity, Status, instant_of
from shared.nouns.notifications import Installation, Notification, Outcome, Privacy, Reason, Transport
from shared.push.transport import PushTransport

router = APIRouter(tags=["installations"])
_MOST_OF_ONE = 25


class InstallationIn(BaseModel):
    """A registration. `registration` is what the push service gave: for Web Push the subscription's
    `endpoint` and `keys`, for APNs the `token`."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=80)
    platform: str = Field("web", pattern=r"^[a-z][a-z0-9_-]{0,19}$")
    transport: Transport
    registration: dict[str, JsonValue] = Field(json_schema_extra={"writeOnly": True})
    privacy: Privacy = Privacy.full


class InstallationOut(BaseModel):
    """The app on one phone or browser. Its registration is never shown. `mine`: it is the caller's own.
    `admin`: it is told of the product's own troubles, because an Admin registered it."""

    id: str
    owner: str
    mine: bool
    name: str
    platform: str
    transport: Transport
    privacy: Privacy
    registered: Instant
    last_delivered: Instant | None
    admin: bool


class InstallationList(BaseModel):
    """Installations, the newest first."""

    items: list[InstallationOut]


class TestDelivery(BaseModel):
    """What became of a test push. `reason` is in plain words; `gone`: the registration is dead and has been
    removed."""

    outcome: Outcome
    reason: str
    retry_after: float | None = None


class WebPushKey(BaseModel):
    """What a browser needs to subscribe: the VAPID public key, base64url."""

    public_key: str


@router.get("/installations", operation_id="list_installations")
def list_installations(
    caller: Reader, parts: Parts, everybody: Annotated[bool, Query(alias="all")] = False
) -> InstallationList:
    """The caller's installations; with `all=true`, everybody's (Admin)."""
    if everybody and not may(caller, Role.admin):
        raise Forbidden(f"Seeing everybody's installations needs the role {Role.admin}.")
    found = parts.installations.all() if everybody else parts.installations.of(caller.oid)
    newest_first = sorted(found, key=lambda i: i.registered, reverse=True)
    return InstallationList(items=[_shown(i, caller) for i in newest_first])


@router.post("/installations", operation_id="register_installation", status_code=201)
def register_installation(wanted: InstallationIn, caller: Reader, parts: Parts) -> InstallationOut:
    """Register this phone or browser. Doing it again with the same registration changes the one that is
    there. Of one person's the newest twenty-five are kept: each is written to whenever something is said."""
    transport = _transport(parts, wanted.transport)
    registration = transport.validate(wanted.registration)
    name = _id(caller.oid, wanted.transport, registration)
    before = parts.installations.get(name)
    made = Installation(
        id=name,
        owner=caller.oid,
        registration=registration,
        registered=before.registered if before else instant_of(parts.now()),
        last_delivered=before.last_delivered if before else None,
        admin=may(caller, Role.admin),
        **wanted.model_dump(exclude={"registration"}),
    )
    parts.installations.register(made)
    _forget_former_owners(parts, made)
    _forget_the_oldest(parts, made)
    return _shown(made, caller)


@router.delete("/installations/{id}", operation_id="remove_installation", status_code=204)
def remove_installation(id: Id, caller: Reader, parts: Parts) -> None:
    """Forget an installation: one's own, or as Admin anybody's."""
    found = _owned(parts, id, caller)
    if found.owner != caller.oid:
        note(parts, caller, "remove_installation", id, owner=found.owner)
    parts.installations.remove(found.id)


@router.post("/installations/{id}/test", operation_id="test_installation")
def test_installation(id: Id, caller: Reader, parts: Parts) -> TestDelivery:
    """Send a test push now and say what became of it."""
    installation = _owned(parts, id, caller)
    delivery = _transport(parts, installation.transport).send(_test_notification(parts), installation)
    if delivery.outcome is Outcome.gone:
        parts.installations.remove(installation.id)
    return TestDelivery(outcome=delivery.outcome, reason=delivery.reason, retry_after=delivery.retry_after)


@router.get("/push/web", operation_id="get_web_push_key")
def get_web_push_key(caller: Reader, parts: Parts) -> WebPushKey:
    """The key with which a browser subscribes to Web Push."""
    transport = parts.transports.get(Transport.webpush)
    key = transport.public_key() if transport else None
    if key is None:
        raise NotFound("Web Push is not switched on here.")
    return WebPushKey(public_key=key)


def _transport(parts: ApiParts, name: Transport) -> PushTransport:
    transport = parts.transports.get(name)
    if transport is None:
        wrong = FieldError(field="body.transport", message=f"{name} is not switched on here")
        raise Invalid("This push service is not switched on here.", [wrong])
    return transport


def _owned(parts: ApiParts, id: str, caller: Caller) -> Installation:
    found = parts.installations.get(id)
    # Who may not touch it may not learn that it exists either.
    if found is None or (found.owner != caller.oid and not may(caller, Role.admin)):
        raise NotFound("There is no such installation.")
    return found


def _id(owner: str, transport: Transport, registration: dict[str, Any]) -> str:
    identity = json.dumps([owner, transport, registration], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _forget_former_owners(parts: ApiParts, made: Installation) -> None:
    # A shared phone has one registration whoever signs in: the one before must not go on receiving on it.
    for other in parts.installations.all():
        same = other.transport == made.transport and other.registration == made.registration
        if same and other.id != made.id:
            parts.installations.remove(other.id)


def _forget_the_oldest(parts: ApiParts, made: Installation) -> None:
    own = sorted(parts.installations.of(made.owner), key=lambda one: one.registered, reverse=True)
    for other in own[_MOST_OF_ONE:]:
        if other.id != made.id:
            parts.installations.remove(other.id)


def _shown(installation: Installation, caller: Caller) -> InstallationOut:
    values = installation.model_dump(exclude={"registration"})
    return InstallationOut(**values, mine=installation.owner == caller.oid)


def _test_notification(parts: ApiParts) -> Notification:
    return Notification(
        id=f"test-{uuid4().hex[:16]}",
        detection_id="",
        reason=Reason.test,
        title="Test notification",
        severity=Severity.informational,
        status=Status.active,
        vendor="pocketsoc",
        created=instant_of(parts.now()),
    )
