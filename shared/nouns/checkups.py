"""What the credential doctor found out about a configuration. Pure values; names of permissions and claims
that may be shown, never a token or a secret."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from shared.nouns.detections import Instant


class FeatureState(StrEnum):
    """Whether a feature works. `read_only`: what it changes can be read, but not changed."""

    on = "on"
    off = "off"
    read_only = "read_only"
    unknown = "unknown"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class FeatureLine(_Value):
    """One feature: `missing` is the exact permission, role or consent that it lacks, `remedy` where to give
    it."""

    feature: str
    state: FeatureState
    missing: str | None = None
    remedy: str | None = None


class TokenLine(_Value):
    """One token: for which API, whether it could be had, and what it says."""

    api: str
    audience: str
    ok: bool
    tenant_id: str | None = None
    app_id: str | None = None
    person: str | None = None
    roles: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    expires: Instant | None = None
    problem: str | None = None
    code: str | None = None


class CredentialKind(StrEnum):
    """What can end."""

    client_secret = "client_secret"
    next_client_secret = "next_client_secret"
    certificate = "certificate"


class ExpirySource(StrEnum):
    """How we know when a credential ends: read in Entra ID, typed in, out of the certificate itself, or not
    at all."""

    graph = "graph"
    typed = "typed"
    certificate = "certificate"
    unknown = "unknown"


class CredentialLine(_Value):
    """One credential and when it ends. `reference` is its name in the secret store: a line about a secret
    that has been replaced since says nothing."""

    kind: CredentialKind
    expires: Instant | None = None
    source: ExpirySource = ExpirySource.unknown
    reference: str | None = Field(default=None, repr=False)


class Finding(_Value):
    """Something that is wrong: its cause, what to do, and the vendor's number for it if there is one."""

    cause: str
    remedy: str
    code: str | None = None


class Checkup(_Value):
    """The doctor's answer. `ok`: what the configuration is there for works. `findings` come most important
    first."""

    at: Instant
    ok: bool
    summary: str
    findings: tuple[Finding, ...] = ()
    features: tuple[FeatureLine, ...] = ()
    tokens: tuple[TokenLine, ...] = ()
    credentials: tuple[CredentialLine, ...] = ()
