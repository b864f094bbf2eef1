"""Entra ID for people: device codes, the authorize page, authorization codes, refresh tokens.

Nobody types anything here: in front of the browser sits the person that `Switches.signs_in` or the request's
`login_hint` names, who agrees to everything; who is at a device code is said through the control API
(entra_control.py). Source: "OAuth 2.0 device authorization grant flow", "OAuth 2.0 authorization code flow",
"Refresh tokens in the Microsoft identity platform".
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from simulator import tokens
from simulator.entra_refusals import SignInRefused
from simulator.world import App, Resource, Tenant, User, World

CODE_LIFE = timedelta(minutes=10)
IDLE_LIFE = timedelta(days=90)
OIDC = frozenset({"openid", "profile", "email", "offline_access"})
_TYPED = "BCDFGHJKLMNPQRSTVWXZ23456789"
_REVOKED = "The provided grant has expired due to it being revoked, a fresh auth token is needed."


@dataclass
class DeviceCode:
    """One device sign-in. `answer` is a person who has agreed, "declined", or nothing yet."""

    code: str = field(repr=False)
    user_code: str
    client_id: str
    tenant_id: str
    scope: str
    expires: datetime
    interval: int
    answer: User | str | None = None
    asked: datetime | None = None
    used: bool = False


@dataclass
class Code:
    """An authorization code."""

    user: User
    client_id: str
    tenant_id: str
    redirect_uri: str
    scope: str
    challenge: str
    nonce: str | None
    issued: datetime
    used: bool = False


@dataclass
class RefreshToken:
    """A refresh token; bound to person and app, not to an API. `revoked` is the number it is refused with."""

    user: User
    client_id: str
    proven: bool
    issued: datetime
    revoked: int | None = None


@dataclass
class People:
    """Everything that is going on."""

    devices: list[DeviceCode] = field(default_factory=list)
    codes: dict[str, Code] = field(default_factory=dict)
    refresh: dict[str, RefreshToken] = field(default_factory=dict)


def people(world: World) -> People:
    """The world's sign-ins."""
    return world.part("entra_people", People)


def start_device(world: World, tenant: Tenant, app: App, scope: str) -> dict[str, Any]:
    """A new device code."""
    switches = world.switches
    typed = "".join(secrets.choice(_TYPED) for _ in range(9))
    code = secrets.token_urlsafe(60)
    life = timedelta(seconds=switches.device_lifetime)
    made = DeviceCode(
        code, typed, app.client_id, tenant.id, scope, world.now() + life, switches.device_interval
    )
    people(world).devices.append(made)
    address = f"{world.origin}/common/oauth2/deviceauth"
    return {
        "user_code": typed,
        "device_code": code,
        "verification_uri": address,
        "expires_in": switches.device_lifetime,
        "interval": switches.device_interval,
        "message": f"To sign in, use a web browser to open the page {address} and enter the code {typed} to "
        "authenticate.",
    }


def redeem_device(world: World, app: App, form: dict[str, str]) -> tuple[User, str]:
    """Who agreed, and to which scope. Raises SignInRefused while nobody has."""
    wanted = form.get("device_code") or form.get("code")
    found = next((d for d in people(world).devices if d.code == wanted), None)
    if found is None or found.client_id != app.client_id:
        raise SignInRefused(70018, "bad_verification_code", "The verification code is not valid.")
    if found.expires <= world.now():
        text = "The provided value for the input parameter 'device_code' is not valid. This device code has "
        raise SignInRefused(70020, "expired_token", text + "expired.")
    if found.used:
        raise SignInRefused(54005, "invalid_grant", "OAuth2 Authorization code was already redeemed.")
    if found.answer == "declined":
        text = "User declined to sign in on the device."
        raise SignInRefused(70017, "authorization_declined", text)
    if not isinstance(found.answer, User):
        raise _wait(world, found)
    found.used = True
    return found.answer, found.scope


def _wait(world: World, found: DeviceCode) -> SignInRefused:
    now, before = world.now(), found.asked
    found.asked = now
    if before is not None and (now - before).total_seconds() < found.interval - 1:
        found.interval += 5
        return SignInRefused(70016, "slow_down", "The device asks too often.")
    text = "OAuth 2.0 device flow error. Authorization is pending. Continue polling."
    return SignInRefused(70016, "authorization_pending", text)


def authorize(world: World, tenant: Tenant, app: App, query: dict[str, str]) -> Code:
    """A person agrees in the browser. Raises SignInRefused."""
    if query.get("response_type") != "code":
        raise SignInRefused(70011, "unsupported_response_type", "The response type is not supported.")
    challenge = query.get("code_challenge", "")
    if query.get("code_challenge_method", "S256") != "S256" or len(challenge) != 43:
        text = "The size of the code_challenge parameter is not valid."
        raise SignInRefused(50147, "invalid_request", text)
    user = person(world, query.get("login_hint") or world.switches.signs_in)
    check_tenant(tenant, user)
    return Code(
        user=user,
        client_id=app.client_id,
        tenant_id=tenant.id,
        redirect_uri=query["redirect_uri"],
        scope=query.get("scope", ""),
        challenge=challenge,
        nonce=query.get("nonce"),
        issued=world.now(),
    )


def redeem_code(world: World, app: App, form: dict[str, str]) -> tuple[User, str, str | None]:
    """Who signed in, the scope, and the nonce for the id token. Raises SignInRefused."""
    found = people(world).codes.get(form.get("code", ""))
    if found is None or found.client_id != app.client_id:
        text = "The provided value for the 'code' parameter is not valid."
        raise SignInRefused(70000, "invalid_grant", text)
    if found.used:
        raise SignInRefused(54005, "invalid_grant", "OAuth2 Authorization code was already redeemed.")
    if world.now() - found.issued > CODE_LIFE:
        raise SignInRefused(70008, "invalid_grant", "The provided authorization code has expired.")
    if form.get("redirect_uri") != found.redirect_uri:
        text = "The reply address does not match the one of the authorization request."
        raise SignInRefused(500112, "invalid_grant", text)
    _check_verifier(found, form.get("code_verifier", ""))
    found.used = True
    return found.user, form.get("scope") or found.scope, found.nonce


def _check_verifier(found: Code, verifier: str) -> None:
    if not verifier:
        raise SignInRefused(50148, "invalid_grant", "The code_verifier is missing.")
    digest = tokens.b64url(hashlib.sha256(verifier.encode()).digest())
    if digest != found.challenge:
        text = "The Code_Verifier does not match the code_challenge supplied in the authorization request."
        raise SignInRefused(501481, "invalid_grant", text)


def redeem_refresh(world: World, app: App, given: str) -> RefreshToken:
    """The refresh token behind a request. Raises SignInRefused."""
    found = people(world).refresh.get(given)
    if found is None or found.client_id != app.client_id:
        raise SignInRefused(70000, "invalid_grant", "The provided refresh token is not valid.")
    if found.revoked is not None:
        raise SignInRefused(found.revoked, "invalid_grant", _REVOKED, suberror="bad_token")
    if world.now() - found.issued > IDLE_LIFE:
        text = "The refresh token has expired due to inactivity."
        raise SignInRefused(700082, "invalid_grant", text, suberror="bad_token")
    return found


def person(world: World, username: str) -> User:
    """Who signs in. Raises SignInRefused for somebody nobody knows."""
    from simulator.sample import user_with_role

    if not username:
        somebody = user_with_role(world, "Responder")
        assert isinstance(somebody, User)
        return somebody
    found = world.user(username)
    if found is None:
        raise SignInRefused(50034, "invalid_grant", "The user account does not exist in the directory.")
    return found


def check_tenant(tenant: Tenant, user: User) -> None:
    """People of another tenant cannot sign in here (no guests in this simulator)."""
    if user.tenant_id != tenant.id:
        text = (
            f"User account '{user.username}' from another identity provider does not exist in tenant "
            f"'{tenant.domain}' and cannot access the application."
        )
        raise SignInRefused(50020, "invalid_grant", text)


def answer(
    world: World,
    tenant: Tenant,
    app: App,
    user: User,
    form: dict[str, str],
    *,
    scope: str,
    proven: bool,
    nonce: str | None = None,
) -> dict[str, Any]:
    """What the token endpoint gives to a person's app. Raises SignInRefused."""
    asked = scope.split()
    resource, audience = _resource(world, tenant, asked)
    granted = tokens.scopes(app, resource)
    if not granted:
        text = (
            f"The user or administrator has not consented to use the application with ID '{app.client_id}' "
            f"named '{app.name}'. Send an interactive authorization request for this user and resource."
        )
        raise SignInRefused(65001, "invalid_grant", text, suberror="consent_required")
    seconds = world.switches.token_lifetime
    body: dict[str, Any] = {
        "token_type": "Bearer",
        "scope": " ".join(f"{audience}/{one}" for one in (*sorted(granted), ".default")),
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": tokens.issue(world, user, audience, via=app),
    }
    if "offline_access" in asked:
        body["refresh_token"] = _new_refresh(world, app, user, proven=proven)
    if "openid" in asked:
        body["id_token"] = _id_token(world, tenant, app, user, nonce)
    if form.get("client_info"):
        known = json.dumps({"uid": user.object_id, "utid": user.tenant_id}).encode()
        body["client_info"] = base64.urlsafe_b64encode(known).decode()
    return body


def _resource(world: World, tenant: Tenant, asked: list[str]) -> tuple[Resource, str]:
    names = {one.rpartition("/")[0] for one in asked if one not in OIDC}
    if len(names) != 1:
        raise SignInRefused(28000, "invalid_scope", "The scope must name exactly one API.")
    [audience] = names
    resource = world.resource(audience, tenant)
    if resource is None:
        text = f"The resource principal named {audience} was not found in tenant {tenant.domain}."
        raise SignInRefused(500011, "invalid_resource", text)
    return resource, audience


def _new_refresh(world: World, app: App, user: User, *, proven: bool) -> str:
    text = f"1.{secrets.token_urlsafe(180)}"
    people(world).refresh[text] = RefreshToken(user, app.client_id, proven, world.now())
    return text


def _id_token(world: World, tenant: Tenant, app: App, user: User, nonce: str | None) -> str:
    now = int(world.service_wall().timestamp())
    claims = {
        "aud": app.client_id,
        "iss": f"{world.origin}/{tenant.id}/v2.0",
        "iat": now,
        "nbf": now,
        "exp": now + 3900,
        "name": user.name,
        "preferred_username": user.username,
        "oid": user.object_id,
        "sub": hashlib.sha256(f"{user.object_id}{app.client_id}".encode()).hexdigest()[:43],
        "tid": tenant.id,
        "ver": "2.0",
    }
    return tokens.sign(world, claims | ({"nonce": nonce} if nonce else {}))


def decide(world: World, user_code: str, username: str | None) -> None:
    """Somebody types a device code in and agrees (`username`; empty: the sample's person), or declines
    (None). LookupError: there is no such code. SignInRefused: that person may not."""
    found = next((d for d in people(world).devices if d.user_code == user_code.upper()), None)
    if found is None:
        raise LookupError("there is no such device code")
    if found.answer is not None or found.expires <= world.now():
        raise SignInRefused(90120, "invalid_grant", "The code that you entered was used or has expired.")
    if username is None:
        found.answer = "declined"
        return
    user = person(world, username)
    check_tenant(world.tenants[found.tenant_id], user)
    found.answer = user


def revoke(world: World, username: str = "", *, number: int = 50173) -> int:
    """Make a person's refresh tokens void; `number` is what they are refused with (50173 revoked, 700082
    unused, 70008 expired, 70043 sign-in frequency, 50076 MFA). Gives how many."""
    user = person(world, username)
    held = [one for one in people(world).refresh.values() if one.user is user]
    for one in held:
        one.revoked = number
    return len(held)
