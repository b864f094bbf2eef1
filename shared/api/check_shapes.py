"""What a check of a configuration looks like on the wire."""

from __future__ import annotations

from pydantic import BaseModel

from shared.nouns.checkups import Checkup, CredentialKind, ExpirySource, FeatureState
from shared.nouns.detections import Instant
from shared.vendors.vendor import Feature

_WORKS = {FeatureState.on: True, FeatureState.off: False, FeatureState.read_only: False}


class FeatureOut(BaseModel):
    """Whether a feature works (`works`: true, false, or null for not known; `state` says it more finely), the
    exact permission, role or consent that is missing, and where to give it."""

    feature: Feature
    state: FeatureState
    works: bool | None
    missing: str | None
    remedy: str | None


class FindingOut(BaseModel):
    """Something that is wrong: its cause, what to do, and the vendor's number for it."""

    cause: str
    remedy: str
    code: str | None


class TokenOut(BaseModel):
    """What a token says; never the token. `problem`: why there is none."""

    api: str
    audience: str
    ok: bool
    tenant_id: str | None
    app_id: str | None
    person: str | None
    roles: list[str]
    scopes: list[str]
    expires: Instant | None
    problem: str | None
    code: str | None


class CredentialOut(BaseModel):
    """When a credential ends, and how that is known."""

    kind: CredentialKind
    expires: Instant | None
    source: ExpirySource


class CheckOut(BaseModel):
    """What a check found: in a sentence, what is wrong, each feature, each token, when credentials end."""

    at: Instant
    ok: bool
    summary: str
    findings: list[FindingOut]
    features: list[FeatureOut]
    tokens: list[TokenOut]
    credentials: list[CredentialOut]


def check_out(checkup: Checkup) -> CheckOut:
    """A checkup as it may be shown."""
    shown = checkup.model_dump(exclude={"credentials": {"__all__": {"reference"}}})
    for line in shown["features"]:
        line["works"] = _WORKS.get(line["state"])
    return CheckOut.model_validate(shown)
