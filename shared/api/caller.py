"""Who is calling and whether they may. Admin may do all that Responder may, Responder all that Reader may.

A route names its callers by the type of one parameter: `caller: Reader`, `caller: Responder`, `caller:
Admin`, `caller: Sender` for a Logic App, or `caller: Anyone` for no sign-in at all. There is no default (a
test walks all routes)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.api.parts import Parts
from shared.errors import Forbidden, Unauthenticated


class Role(StrEnum):
    """The app roles, as their values stand in the API's registration and in the token's `roles`."""

    reader = "Reader"
    responder = "Responder"
    admin = "Admin"

    def covers(self, other: Role) -> bool:
        """Whether who has this role may do what the other role may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Caller(Protocol):
    """Whom an access token speaks for; `roles` are the app roles as the token names them."""

    @property
    def oid(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def roles(self) -> Set[str]: ...
    @property
    def app_only(self) -> bool: ...
    @property
    def tenant_id(self) -> str: ...


class Verifier(Protocol):
    """Proves access tokens."""

    def verify(self, token: str) -> Caller:
        """Whom the token speaks for. Raises Unauthenticated, TryLater or OperatorMustAct."""
        ...


def highest_role(caller: Caller) -> Role | None:
    """The caller's strongest role that we know; None without any."""
    return max((r for r in Role if r.value in caller.roles), key=list(Role).index, default=None)


def may(caller: Caller, role: Role) -> bool:
    """Whether the caller has the role, or one that covers it."""
    has = highest_role(caller)
    return has is not None and has.covers(role)


_bearer = HTTPBearer(
    bearerFormat="JWT",
    scheme_name="EntraId",
    description="An Entra ID access token for this API, with the app role Reader, Responder or Admin.",
    auto_error=False,
)


SENDER = "Alerts.Send"
"""The app role of a Logic App that forwards alerts; it covers nothing else, and nothing covers it."""


@dataclass(frozen=True)
class Allowed:
    """A dependency: lets through who has the role. What Responders and Admins are about to change is noted in
    the audit first."""

    role: Role | str

    def __call__(
        self,
        request: Request,
        parts: Parts,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Caller:
        """The caller. Raises Unauthenticated without a valid token, Forbidden without the role, TryLater when
        the act cannot be noted."""
        if credentials is None:
            raise Unauthenticated("Sign in: this needs an access token (Authorization: Bearer).")
        caller = parts.verifier.verify(credentials.credentials)
        allowed = may(caller, self.role) if isinstance(self.role, Role) else self.role in caller.roles
        if not allowed:
            raise Forbidden(f"This needs the role {self.role}, which your account does not have here.")
        if self.role in (Role.responder, Role.admin):
            _note(request, parts, caller)
        return caller


# These note themselves, with more than can be told from here.
_NOTED_BY_THEMSELVES = frozenset(
    {
        *("hunt", "change_incident", "change_detection", "split_detection", "replay"),
        "discard_quarantined",
        *("create_configuration", "replace_configuration", "change_configuration"),
    }
)


def _note(request: Request, parts: Parts, caller: Caller) -> None:
    act = getattr(request.scope.get("route"), "operation_id", None) or "unknown"
    if request.method not in ("GET", "HEAD") and act not in _NOTED_BY_THEMSELVES:
        subject = "/".join(map(str, request.path_params.values()))
        parts.audit.note(act, subject, actor=caller.oid, name=caller.name)


@dataclass(frozen=True)
class Open:
    """A dependency: lets everybody through, on purpose."""

    async def __call__(self) -> None:
        """Nobody is asked who they are."""


Anyone = Annotated[None, Depends(Open())]
Reader = Annotated[Caller, Depends(Allowed(Role.reader))]
Responder = Annotated[Caller, Depends(Allowed(Role.responder))]
Admin = Annotated[Caller, Depends(Allowed(Role.admin))]
Sender = Annotated[Caller, Depends(Allowed(SENDER))]
