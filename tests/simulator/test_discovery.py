"""What a client reads before it trusts a token."""

from __future__ import annotations

import jwt
import pytest
import requests

from simulator import sample
from simulator.serve import Simulator
from simulator.tokens import SigningKeys
from simulator.world import World

pytestmark = pytest.mark.peer

CONFIGURATION = ".well-known/openid-configuration"


def _json(http: requests.Session, url: str) -> dict[str, object]:
    return dict(http.get(url, timeout=10).json())


def test_an_api_token_validates_with_the_published_documents(
    simulator: Simulator, http: requests.Session
) -> None:
    """Issuer, key and audience of a user's token are those that discovery promises."""
    document = _json(http, f"{simulator.url}/{sample.TENANT_ID}/v2.0/{CONFIGURATION}")
    keys = jwt.PyJWKSet.from_dict(_json(http, str(document["jwks_uri"])))
    token = simulator.world.api_token("Responder")
    claims = jwt.decode(
        token,
        keys[jwt.get_unverified_header(token)["kid"]],
        algorithms=["RS256"],
        audience=sample.API_CLIENT_ID,
        issuer=str(document["issuer"]),
    )
    assert claims["roles"] == ["Responder"]
    assert claims["preferred_username"] == f"ravi@{sample.TENANT_DOMAIN}"


def test_shared_tenants_have_a_template_as_issuer(simulator: Simulator, http: requests.Session) -> None:
    """`common` and `organizations` leave the tenant open."""
    for name in ("common", "organizations"):
        document = _json(http, f"{simulator.url}/{name}/v2.0/{CONFIGURATION}")
        assert document["issuer"] == f"{simulator.url}/{{tenantid}}/v2.0"


def test_v1_has_its_own_issuer_and_endpoints(simulator: Simulator, http: requests.Session) -> None:
    """v1 tokens are issued by sts.windows.net."""
    document = _json(http, f"{simulator.url}/{sample.TENANT_ID}/{CONFIGURATION}")
    assert document["issuer"] == f"https://sts.windows.net/{sample.TENANT_ID}/"
    assert document["token_endpoint"] == f"{simulator.url}/{sample.TENANT_ID}/oauth2/token"


def test_an_unknown_tenant_is_refused(simulator: Simulator, http: requests.Session) -> None:
    """Discovery of a tenant that is not there says 90002."""
    answer = http.get(f"{simulator.url}/nowhere.example/v2.0/{CONFIGURATION}", timeout=10)
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [90002])


def test_a_rollover_publishes_a_new_key_and_keeps_one(
    simulator: Simulator, world: World, http: requests.Session
) -> None:
    """After a rollover new tokens need the new key; yesterday's are still good, and one key is gone."""
    world.keys = SigningKeys()
    url = f"{simulator.url}/{sample.TENANT_ID}/discovery/v2.0/keys"
    before = [key["kid"] for key in http.get(url, timeout=10).json()["keys"]]
    new = http.post(f"{simulator.url}/_control/keys", timeout=10).json()["kid"]
    after = [key["kid"] for key in http.get(url, timeout=10).json()["keys"]]
    assert after == [new, before[0]]
    assert jwt.get_unverified_header(world.api_token("Reader"))["kid"] == new
