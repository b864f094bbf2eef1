"""People's sign-ins over the API: poll states told apart, single use, surviving a change of instance."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.bootstrap import Parts
from simulator import sample
from simulator.entra_people import decide, people
from simulator.faults import Fault
from tests.sign_in.clinic import Clinic, query_of

pytestmark = pytest.mark.peer
NATIVE, PORTAL = sample.NATIVE_REDIRECT, sample.PORTAL_REDIRECT


def _posts(clinic: Clinic) -> int:
    return sum(n for key, n in clinic.world.requests.items() if key.endswith("/oauth2/v2.0/token"))


def _other_instance(clinic: Clinic) -> Clinic:
    """A second instance of the product on the same storage."""
    own = clinic.parts
    stores: dict[str, Any] = {name: getattr(own, name) for name in ("tables", "queues", "blobs", "secrets")}
    parts = Parts(own.settings, clock=clinic.world.now, **stores)
    return Clinic(parts, clinic.simulator, TestClient(parts.api), clinic.pem)


def test_a_device_code_shows_what_to_do_and_nothing_secret(clinic: Clinic) -> None:
    """Where to go, what to type, until when, how often to ask."""
    id = clinic.configure("device_code")

    begun = clinic.start(id, "device_code")

    device = people(clinic.world).devices[-1]
    assert (begun["state"], begun["user_code"], begun["interval"]) == ("pending", device.user_code, 5)
    assert begun["verification_uri"].startswith("https://")
    assert begun["expires"] > begun["expires"][:10]
    assert device.code not in json.dumps(begun)
    assert clinic.look(id) == begun


@pytest.mark.parametrize(
    ("happens", "state"),
    [("nothing", "pending"), ("declines", "declined"), ("expires", "expired"), ("agrees", "done")],
)
def test_the_states_of_a_device_code_are_told_apart(clinic: Clinic, happens: str, state: str) -> None:
    """Each by its word, as Entra says it."""
    id = clinic.configure("device_code")
    begun = clinic.start(id, "device_code")
    if happens in ("declines", "agrees"):
        decide(clinic.world, begun["user_code"], None if happens == "declines" else "")
    clinic.world.advance(901 if happens == "expires" else 5)

    assert clinic.look(id)["state"] == state
    assert clinic.look(id)["state"] == state  # and stays so


def test_a_code_that_was_redeemed_elsewhere_is_said_to_be_used(clinic: Clinic) -> None:
    """An instance that died after the answer and before keeping it leaves that behind."""
    id = clinic.configure("device_code")
    begun = clinic.start(id, "device_code")
    decide(clinic.world, begun["user_code"], "")
    people(clinic.world).devices[-1].used = True
    clinic.world.advance(5)

    found = clinic.look(id)

    assert (found["state"], found["code"]) == ("code_used", "AADSTS54005")


def test_entra_is_asked_no_more_often_than_it_wants(clinic: Clinic) -> None:
    """However often the portal looks."""
    id = clinic.configure("device_code")
    clinic.start(id, "device_code")
    before = _posts(clinic)
    for _ in range(5):
        clinic.look(id)
    assert _posts(clinic) == before
    clinic.world.advance(5)

    for _ in range(5):
        clinic.look(id)

    assert _posts(clinic) == before + 1


def test_slow_down_makes_it_slower(clinic: Clinic) -> None:
    """By five seconds, for good."""
    id = clinic.configure("device_code")
    clinic.start(id, "device_code")
    clinic.world.advance(5)
    clinic.look(id)
    people(clinic.world).devices[-1].interval = 30  # the service has become stricter meanwhile
    clinic.world.advance(6)

    found = clinic.look(id)

    assert (found["state"], found["interval"]) == ("pending", 10)
    before = _posts(clinic)
    clinic.world.advance(6)
    clinic.look(id)
    assert _posts(clinic) == before


def test_an_outage_while_waiting_is_waited_out(clinic: Clinic) -> None:
    """The sign-in goes on afterwards."""
    id = clinic.configure("device_code")
    begun = clinic.start(id, "device_code")
    decide(clinic.world, begun["user_code"], "")
    clinic.world.faults.append(Fault(f"/{sample.TENANT_ID}/oauth2", "503", times=1))
    clinic.world.advance(5)
    assert clinic.refuse("GET", f"/configurations/{id}/sign-in")[0] == 503
    clinic.world.advance(5)

    assert clinic.look(id)["state"] == "done"


@pytest.mark.parametrize("way", ["device_code", "authorization_code"])
def test_a_sign_in_on_its_way_survives_a_change_of_instance(clinic: Clinic, way: str) -> None:
    """Begun here, completed there, used here."""
    id = clinic.configure(way)
    begun, other = clinic.start(id, way), _other_instance(clinic)
    if way == "device_code":
        decide(clinic.world, begun["user_code"], "")
        clinic.world.advance(5)
        found = other.look(id)
    else:
        found = other.complete(id, redirect_url=clinic.browse(begun))

    assert (found["state"], found["signed_in_as"]) == ("done", f"ravi@{sample.TENANT_DOMAIN}")
    assert clinic.check(id)["ok"]


def test_a_device_needs_an_app_that_allows_it(clinic: Clinic) -> None:
    """7000218 names the switch in the registration."""
    id = clinic.configure("device_code")
    clinic.app.public_flows = False

    found = clinic.sign_in(id, "device_code")

    assert (found["state"], found["code"]) == ("failed", "AADSTS7000218")
    assert "Allow public client flows" in found["problem"]


def test_the_page_to_open_is_entras_with_pkce_state_and_nonce(clinic: Clinic) -> None:
    """The verifier stays here."""
    id = clinic.configure("authorization_code")

    begun = clinic.start(id, "authorization_code")

    query = query_of(begun["authorize_url"])
    assert begun["authorize_url"].startswith(
        f"{clinic.simulator.url}/{sample.TENANT_ID}/oauth2/v2.0/authorize?"
    )
    assert (query["redirect_uri"], query["code_challenge_method"]) == (NATIVE, "S256")
    assert query["state"] == begun["state_value"]
    assert len(query["code_challenge"]) == 43
    assert query["nonce"]
    assert f"{sample.ENDPOINT_AUDIENCE}/.default" in query["scope"].split()
    assert "code_verifier" not in json.dumps(begun)


@pytest.mark.parametrize("slash", [True, False])
def test_the_native_address_may_come_back_with_a_slash(clinic: Clinic, slash: bool) -> None:
    """Entra is known to add one to an address without a path."""
    id = clinic.configure("authorization_code")
    clinic.world.switches.redirect_slash = slash
    begun = clinic.start(id, "authorization_code", redirect_uri=NATIVE + ("/" if slash else ""))
    ended = clinic.browse(begun)
    assert ended.startswith("pocketsoc://auth/?" if slash else "pocketsoc://auth?")

    assert clinic.complete(id, redirect_url=ended)["state"] == "done"


def test_code_and_state_alone_complete_it_too(clinic: Clinic) -> None:
    """The app may have taken the address apart."""
    id = clinic.configure("authorization_code")
    query = query_of(clinic.browse(clinic.start(id, "authorization_code", redirect_uri=PORTAL)))

    assert clinic.complete(id, code=query["code"], state=query["state"])["state"] == "done"


def test_a_web_apps_address_goes_with_the_apps_secret(clinic: Clinic) -> None:
    """Also when the sign-in is renewed later; without a secret Entra's number says what is missing."""
    address = f"{PORTAL}signed-in"
    clinic.app.redirects[address] = "web"
    bare = clinic.configure("authorization_code")
    begun = clinic.start(bare, "authorization_code", redirect_uri=address)
    assert clinic.complete(bare, redirect_url=clinic.browse(begun))["code"] == "AADSTS7000218"
    id = clinic.configure("authorization_code", client_secret=sample.CLIENT_SECRET)
    begun = clinic.start(id, "authorization_code", redirect_uri=address)

    assert clinic.complete(id, redirect_url=clinic.browse(begun))["state"] == "done"

    assert clinic.check(id)["ok"]


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/portal/",
        "pocketsoc://other",
        "http://localhost:7071.evil.example/portal/",
        "http://localhost:7071/portal/?next=x",
        "http://localhost:7071",
        "javascript:alert(1)",
    ],
)
def test_no_other_address_gets_a_code(clinic: Clinic, address: str) -> None:
    """Only the native app's and those below our own."""
    id = clinic.configure("authorization_code")
    body = {"method": "authorization_code", "redirect_uri": address}

    status, words = clinic.refuse("POST", f"/configurations/{id}/sign-in", body)

    assert (status, "POCKETSOC_PUBLIC_URL" in words) == (400, True)


def test_another_state_is_refused_and_the_sign_in_still_waits(clinic: Clinic) -> None:
    """Somebody else's code does not come in, and does not spoil ours."""
    id = clinic.configure("authorization_code")
    stale = clinic.browse(clinic.start(id, "authorization_code"))
    ended = clinic.browse(clinic.start(id, "authorization_code"))

    status, words = clinic.refuse("POST", f"/configurations/{id}/sign-in/complete", {"redirect_url": stale})

    assert (status, "belongs to another sign-in" in words) == (400, True)
    assert clinic.complete(id, redirect_url=ended)["state"] == "done"


def test_a_sign_in_is_completed_once(clinic: Clinic) -> None:
    """A second time there is nothing to complete."""
    id = clinic.configure("authorization_code")
    ended = clinic.browse(clinic.start(id, "authorization_code"))
    clinic.complete(id, redirect_url=ended)

    status, _ = clinic.refuse("POST", f"/configurations/{id}/sign-in/complete", {"redirect_url": ended})

    assert status == 409
    assert clinic.check(id)["ok"]


@pytest.mark.parametrize(
    ("spoil", "state", "number"),
    [("used", "code_used", "AADSTS54005"), ("challenge", "failed", "AADSTS501481")],
)
def test_what_is_wrong_with_a_code_is_said_by_its_number(
    clinic: Clinic, spoil: str, state: str, number: str
) -> None:
    """Redeemed before, or not ours."""
    id = clinic.configure("authorization_code")
    ended = clinic.browse(clinic.start(id, "authorization_code"))
    [code] = people(clinic.world).codes.values()
    if spoil == "used":
        code.used = True
    else:
        code.challenge = "x" * 43

    found = clinic.complete(id, redirect_url=ended)

    assert (found["state"], found["code"]) == (state, number)


def test_a_nonce_that_does_not_fit_is_refused(clinic: Clinic) -> None:
    """What Entra gives must be for this sign-in."""
    id = clinic.configure("authorization_code")
    ended = clinic.browse(clinic.start(id, "authorization_code"))
    [code] = people(clinic.world).codes.values()
    code.nonce = "another"

    found = clinic.complete(id, redirect_url=ended)

    assert (found["state"], "belongs to another sign-in" in found["problem"]) == ("failed", True)
    assert clinic.check(id)["findings"][0]["cause"].startswith("nobody has signed in")


def test_a_sign_in_in_the_browser_expires(clinic: Clinic) -> None:
    """After ten minutes nobody waits any more."""
    id = clinic.configure("authorization_code")
    ended = clinic.browse(clinic.start(id, "authorization_code"))
    clinic.world.advance(601)

    assert clinic.complete(id, redirect_url=ended)["state"] == "expired"


def test_an_unregistered_address_is_entras_to_refuse(clinic: Clinic) -> None:
    """The browser says 50011; here the sign-in simply waits."""
    import requests

    id = clinic.configure("authorization_code")
    begun = clinic.start(id, "authorization_code", redirect_uri=f"{PORTAL}elsewhere")
    answer = requests.get(begun["authorize_url"], verify=clinic.simulator.ca_bundle, timeout=10)

    assert (answer.status_code, "AADSTS50011" in answer.text) == (400, True)


def test_an_app_signs_nobody_in(clinic: Clinic) -> None:
    """A configuration with a secret has no use for a person."""
    id = clinic.configure("client_secret")

    status, words = clinic.refuse("POST", f"/configurations/{id}/sign-in", {"method": "device_code"})

    assert (status, "Change its auth type" in words) == (400, True)


def test_what_entra_refuses_at_the_start_is_an_answer(clinic: Clinic) -> None:
    """A client id that nobody knows."""
    id = clinic.configure("device_code", client_id=sample.SECRET_ID)

    found = clinic.start(id, "device_code")

    assert (found["state"], found["code"]) == ("failed", "AADSTS700016")


@pytest.mark.parametrize("strict", [False, True])
def test_two_instances_that_renew_at_once_lose_no_refresh_token(clinic: Clinic, strict: bool) -> None:
    """One renews, the other uses what it got; also where a used refresh token is void at once."""
    from concurrent.futures import ThreadPoolExecutor

    clinic.world.switches.strict_rotation = strict
    clinic.world.switches.token_lifetime = 200  # every token is used up: each use renews
    id = clinic.ready("device_code")
    stored = clinic.parts.configurations.get(id)
    assert stored is not None
    instances = [_other_instance(clinic) for _ in range(4)]

    def claims(instance: Clinic) -> int:
        assert stored is not None
        for _ in range(3):
            instance.parts._connections.clear()
            assert instance.parts.connect(stored.configuration).api.token_claims()["scp"]
        return 3

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(claims, instances)) == 12

    kept = clinic.parts.sign_ins.kept(id)
    assert kept is not None
    assert kept.ended is None
    alive = [t for t, r in people(clinic.world).refresh.items() if r.revoked is None]
    held = clinic.parts.sign_ins.held(kept)
    assert [t for t in alive if t in held.cache]
    assert kept.version >= 12


def test_removing_a_configuration_removes_its_sign_in(clinic: Clinic) -> None:
    """Nothing stays in the secret store."""
    id = clinic.ready("authorization_code")
    headers = {"Authorization": f"Bearer {clinic.world.api_token('Admin')}"}

    assert clinic.client.delete(f"/api/v1/configurations/{id}", headers=headers).status_code == 204

    assert [name for name in clinic.parts.secrets._values if id in name] == []  # type: ignore[attr-defined]
    assert clinic.parts.sign_ins.kept(id) is None
    assert clinic.parts.checkups.get(id) is None
