"""What the doctor concludes: from an error, from a token's claims, from a vendor's check. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.errors import OperatorMustAct, PocketSOCError, SignInFailed
from shared.nouns.checkups import FeatureLine, FeatureState, Finding, TokenLine
from shared.nouns.configurations import Configuration
from shared.nouns.detections import instant_of
from shared.vendors.vendor import Check, Feature, FeatureCheck, Permission

SKEW = timedelta(minutes=5)  # what the APIs forgive
_READS = frozenset({Feature.read_alerts, Feature.read_incidents})
_UNGRANTED = (
    "Add the permissions that the features need in Entra ID > App registrations > API permissions, then "
    "Grant admin consent."
)
_CLOCK = "Correct the clock of the machine this runs on (time synchronisation), then check again."


def finding_of(error: PocketSOCError) -> Finding:
    """The error as a finding: cause and remedy apart where it has them."""
    if isinstance(error, SignInFailed) and error.meaning:
        return Finding(cause=error.meaning, remedy=error.remedy or "", code=error.code)
    code = error.code if isinstance(error, SignInFailed) else None
    return Finding(cause=str(error), remedy="", code=code)


def lines_without_token(
    permissions: Mapping[Feature, Permission], error: PocketSOCError
) -> tuple[FeatureLine, ...]:
    """Every feature when there is no token: off when a person must act, else not known."""
    if not isinstance(error, OperatorMustAct):
        return tuple(FeatureLine(feature=name, state=FeatureState.unknown) for name in permissions)
    finding = finding_of(error)
    return tuple(
        FeatureLine(
            feature=name, state=FeatureState.off, missing="a token", remedy=finding.remedy or finding.cause
        )
        for name in permissions
    )


def token_line(api: str, audience: str, claims: Mapping[str, Any]) -> TokenLine:
    """What a token says."""
    return TokenLine(
        api=api,
        audience=audience,
        ok=True,
        tenant_id=_text(claims.get("tid")),
        app_id=_text(claims.get("appid") or claims.get("azp")),
        person=_text(claims.get("upn") or claims.get("preferred_username") or claims.get("unique_name")),
        roles=_names(claims.get("roles")),
        scopes=tuple(str(claims.get("scp") or "").split()),
        expires=_moment(claims.get("exp")),
    )


def token_findings(
    configuration: Configuration, token: TokenLine, claims: Mapping[str, Any], now: datetime, *, rbac: bool
) -> Iterator[Finding]:
    """What is odd about a token. `rbac`: what it allows is decided elsewhere, so that it needs no roles."""
    yield from _clock(claims, now)
    wanted = (configuration.tenant_id or "").lower()
    if token.tenant_id and "." not in wanted and wanted not in ("", token.tenant_id.lower()):
        yield Finding(
            cause=f"the token is for the tenant {token.tenant_id}, the configuration names {wanted}",
            remedy="Correct the tenant id of this configuration.",
        )
    client = (configuration.client_id or "").lower()
    if token.app_id and client and token.app_id.lower() != client:
        yield Finding(
            cause=f"the token belongs to the app {token.app_id}, the configuration names {client}",
            remedy="Correct the client id of this configuration.",
        )
    if not (token.roles or token.scopes or rbac):
        yield Finding(
            cause="the token holds no permission: none is granted to the app, or admin consent is missing",
            remedy=_UNGRANTED,
        )


def _clock(claims: Mapping[str, Any], now: datetime) -> Iterator[Finding]:
    begins, ends = (_datetime(claims.get(name)) for name in ("nbf", "exp"))
    behind = begins - now if begins else timedelta()
    if behind > SKEW:
        yield Finding(cause=f"this machine's clock is {_minutes(behind)} behind Entra ID's", remedy=_CLOCK)
    elif ends is not None and ends <= now:
        ahead = now - (begins or ends)
        yield Finding(cause=f"this machine's clock is {_minutes(ahead)} ahead of Entra ID's", remedy=_CLOCK)


def _minutes(span: timedelta) -> str:
    return f"{round(span.total_seconds() / 60)} minutes"


def feature_lines(
    configuration: Configuration, permissions: Mapping[Feature, Permission], check: Check
) -> tuple[FeatureLine, ...]:
    """The vendor's check as the doctor's table, with the permissions by the names that this way to sign in
    has for them."""
    found = {one.feature: one for one in check.features}
    reads = any(found[name].works for name in _READS if name in found)
    delegated = configuration.auth_type.delegated
    return tuple(
        _line(found.get(name), name, permission, reads=reads, delegated=delegated)
        for name, permission in permissions.items()
        if name is not Feature.secret_expiry
    )


def _line(
    checked: FeatureCheck | None, name: Feature, permission: Permission, *, reads: bool, delegated: bool
) -> FeatureLine:
    works = checked.works if checked else None
    if works:
        return FeatureLine(feature=name, state=FeatureState.on)
    state = FeatureState.unknown if works is None else FeatureState.off
    if state is FeatureState.off and name is Feature.change_status and reads:
        state = FeatureState.read_only
    # What is granted already but could not be proved is not called missing.
    if checked is not None and works is None and checked.missing is None:
        return FeatureLine(feature=name, state=state)
    names = permission.delegated if delegated and permission.delegated else permission.any_of
    return FeatureLine(feature=name, state=state, missing=" or ".join(names), remedy=permission.where)


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) and value else None


def _names(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _datetime(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _moment(value: Any) -> str | None:
    found = _datetime(value)
    return instant_of(found) if found else None
