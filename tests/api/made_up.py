"""What the API is given instead of Entra ID and a vendor."""

from __future__ import annotations

from typing import Any

from shared.errors import BadRequest, SignInFailed, TryLater
from shared.nouns.configurations import Cloud
from shared.nouns.sign_ins import SignIn, SignInMethod, SignInState

TENANT = "3f9b6c1e-57a0-4c2d-9d0e-6a8b1c2d3e4f"
AUDIENCE = "5b1f0a77-1d3c-4b8e-8a55-90c3d7e6f201"
CANARY = "canary~8Q~never-to-be-shown"


class MadeUpApi:
    """A vendor's API to which one has signed in."""

    def token_claims(self) -> dict[str, Any]:
        return {"tid": TENANT, "appid": AUDIENCE, "roles": ["Alert.Read.All"], "secret_claim": CANARY}

    def get(self, path_or_url: str, params: Any = None) -> dict[str, Any]:
        return {}


class MadeUpSignIns:
    """No person signs in here; tests/sign_in has the whole way."""

    def start(self, *_: Any) -> SignIn:
        return SignIn(state=SignInState.pending, method=SignInMethod.device_code, user_code="ABC")

    def look(self, *_: Any) -> SignIn:
        return SignIn(state=SignInState.none)

    def complete(self, *_: Any) -> SignIn:
        raise BadRequest("No sign-in in the browser is on its way for this configuration: start one.")


DOMAINS = {"other.example.test": "0ffee000-57a0-4c2d-9d0e-6a8b1c2d3e4f"}


def tenant_id_of(named: str, cloud: Cloud) -> str:
    """The tenants that there are; `away.example.test` cannot be asked about."""
    if named == "away.example.test":
        raise TryLater("Entra ID's sign-in service did not answer in time; the next poll tries again.")
    if "." in named and named not in DOMAINS:
        raise SignInFailed("Sign-in failed: there is no such tenant in this cloud (AADSTS90002).")
    return DOMAINS.get(named, named.lower())
