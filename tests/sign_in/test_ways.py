"""Every way to sign in, through the API, against the simulated Entra ID: the doctor's answer is exact in each
case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from simulator import sample
from simulator.entra_people import revoke
from simulator.world import FederatedCredential
from tests.sign_in.clinic import (
    APP_WAYS,
    PERSON_WAYS,
    Clinic,
    certificate,
    features,
    grant,
    missing,
    pem_of,
    refused,
    without_trace,
)

pytestmark = pytest.mark.peer
WAYS = (*APP_WAYS, *PERSON_WAYS)
_APP_TABLE = {
    "read_alerts": "on",
    "change_status": "on",
    "response_actions": "on",
    "hunting": "off",
    "inventory": "on",
    "vulnerabilities": "off",
    "recommendations": "off",
    "scores": "off",
}
_PERSON_TABLE = _APP_TABLE | {"response_actions": "off"}


def _table(way: str) -> dict[str, str]:
    if way in PERSON_WAYS:
        return _PERSON_TABLE
    return _APP_TABLE | ({"secret_expiry": "on"} if way in ("client_secret", "certificate") else {})


@pytest.mark.parametrize("way", WAYS)
def test_each_way_gets_a_token_and_reads(clinic: Clinic, way: str) -> None:
    """The table names each feature with what the token allows; polling works."""
    id = clinic.ready(way)

    found = clinic.check(id)

    assert (found["ok"], found["summary"], found["findings"]) == (True, "Connected: alerts can be read.", [])
    assert features(found) == _table(way)
    hunting = "AdvancedQuery.Read" if way in PERSON_WAYS else "AdvancedQuery.Read.All"
    assert missing(found)["hunting"] == hunting
    token = found["tokens"][0]
    identity = sample.USER_IDENTITY_CLIENT_ID if way == "managed_identity" else sample.CLIENT_ID
    assert (token["tenant_id"], token["app_id"]) == (sample.TENANT_ID, identity)
    assert bool(token["scopes"]) == (way in PERSON_WAYS)
    assert token["person"] == (f"ravi@{sample.TENANT_DOMAIN}" if way in PERSON_WAYS else None)
    assert clinic.poll(id) is None


@pytest.mark.parametrize("way", WAYS)
def test_roles_in_azure_are_proved_by_calling(clinic: Clinic, way: str) -> None:
    """No token shows them; without the role the answer names the roles of which one is enough."""
    id = clinic.ready(way, "defender_for_cloud")
    found = clinic.check(id)
    states = features(found)
    assert (found["ok"], states["read_alerts"], states["scores"], found["findings"]) == (True, "on", "on", [])
    # The app is Security Admin, the person Security Reader.
    assert states["change_status"] == ("read_only" if way in PERSON_WAYS else "on")
    for principal in clinic.world.principals.values():
        principal.arm_roles.clear()

    found = clinic.check(id)

    assert not found["ok"]
    assert features(found)["read_alerts"] == "off"
    assert "Security Reader" in missing(found)["read_alerts"]
    assert "Access control (IAM)" in found["features"][0]["remedy"]


@pytest.mark.parametrize("way", APP_WAYS)
def test_without_consent_a_token_holds_nothing(clinic: Clinic, way: str) -> None:
    """An app gets a token all the same; the doctor says what it lacks, for each feature."""
    id = clinic.ready(way)
    for principal in (clinic.app, clinic.world.principals[sample.USER_IDENTITY_OBJECT_ID]):
        principal.roles.clear()

    found = clinic.check(id)

    assert not found["ok"]
    assert [one["cause"] for one in found["findings"]] == [
        "the token holds no permission: none is granted to the app, or admin consent is missing"
    ]
    states = features(found)
    assert set(states.values()) == {"off"}
    assert missing(found)["read_alerts"] == "Alert.Read.All or Alert.ReadWrite.All"
    if "secret_expiry" in states:
        assert missing(found)["secret_expiry"] == "Application.Read.All"


@pytest.mark.parametrize("way", PERSON_WAYS)
def test_without_consent_a_person_gets_no_token(clinic: Clinic, way: str) -> None:
    """Entra refuses it by number, at the sign-in and later."""
    id = clinic.ready(way)
    clinic.app.delegated.clear()

    assert refused(clinic.check(id)) == (
        "AADSTS65001",
        "nobody has consented to the app's permissions",
        "Grant admin consent in Entra ID > App registrations > API permissions.",
    )
    again = clinic.sign_in(id, way)
    assert (again["state"], again["code"]) == ("failed", "AADSTS65001")
    grant(clinic.world)
    assert clinic.check(id)["ok"]  # consent mends it, nobody has to sign in again
    assert clinic.poll(id) is None


@pytest.mark.parametrize("way", WAYS)
def test_reading_without_writing_is_read_only(clinic: Clinic, way: str) -> None:
    """What changes alerts is named as what is missing."""
    id = clinic.ready(way)
    for principal in (clinic.app, clinic.world.principals[sample.USER_IDENTITY_OBJECT_ID]):
        principal.roles[sample.ENDPOINT_AUDIENCE] = {"Alert.Read.All"}
    clinic.app.delegated[sample.ENDPOINT_AUDIENCE] = {"Alert.Read"}

    found = clinic.check(id)

    assert (features(found)["read_alerts"], features(found)["change_status"]) == ("on", "read_only")
    wanted = "Alert.ReadWrite" if way in PERSON_WAYS else "Alert.ReadWrite.All"
    assert missing(found)["change_status"] == wanted


@pytest.mark.parametrize("way", ["client_secret", "certificate", "federated"])
def test_an_app_of_another_tenant_is_not_known(clinic: Clinic, way: str) -> None:
    """A tenant that exists, but not for this app."""
    id = clinic.configure(way, tenant_id=sample.OTHER_TENANT_ID)

    assert refused(clinic.check(id)) == (
        "AADSTS700016",
        "the tenant does not know an app with this client id",
        "Compare this configuration's client id and tenant id with Entra ID > App registrations > Overview.",
    )


@pytest.mark.parametrize("way", ["client_secret", "certificate", "federated"])
def test_a_tenant_of_nowhere_is_named(clinic: Clinic, way: str) -> None:
    """A tenant id that is none in this cloud."""
    id = clinic.configure(way, tenant_id="00000000-1111-4222-8333-444444444444")

    code, cause, remedy = refused(clinic.check(id))

    assert (code, cause) == ("AADSTS90002", "there is no such tenant in this cloud")
    assert "Choose the cloud" in remedy


def test_a_managed_identity_of_another_tenant_is_told_by_its_token(clinic: Clinic) -> None:
    """It cannot be refused: its token says where it lives."""
    id = clinic.configure("managed_identity", tenant_id=sample.OTHER_TENANT_ID)

    found = clinic.check(id)

    assert [one["cause"] for one in found["findings"]] == [
        f"the token is for the tenant {sample.TENANT_ID}, the configuration names {sample.OTHER_TENANT_ID}"
    ]


@pytest.mark.parametrize("way", PERSON_WAYS)
def test_a_person_of_another_tenant_is_told(clinic: Clinic, way: str) -> None:
    """Entra lets nobody of another tenant in; the answer says so."""
    id = clinic.configure(way)
    begun = clinic.start(id, way)
    if way == "device_code":
        clinic.world.switches.signs_in = sample.STRANGER
        from simulator.entra_people import people, person

        people(clinic.world).devices[-1].answer = person(clinic.world, sample.STRANGER)
        clinic.world.advance(begun["interval"])
        found = clinic.look(id)
    else:
        found = clinic.complete(id, redirect_url=clinic.browse(begun, sample.STRANGER))

    assert (found["state"], found["code"]) == ("failed", "AADSTS50020")
    assert "the account belongs to another tenant" in found["problem"]
    assert clinic.check(id)["findings"][0]["cause"].startswith("nobody has signed in")


def test_a_pasted_secret_id_is_recognised(clinic: Clinic) -> None:
    """The most frequent mistake of all."""
    id = clinic.configure("client_secret", client_secret=sample.SECRET_ID)

    code, cause, remedy = refused(clinic.check(id))

    assert (code, cause) == ("AADSTS7000215", "the client secret is wrong")
    assert remedy.startswith("Most often the secret's id was pasted instead of its value.")


def test_an_expired_secret_is_named(clinic: Clinic) -> None:
    """And what to do."""
    id = clinic.configure("client_secret", client_secret=sample.EXPIRED_SECRET)

    code, cause, remedy = refused(clinic.check(id))

    assert (code, cause) == ("AADSTS7000222", "the client secret has expired")
    assert remedy.startswith("Make a new secret in Entra ID")
    assert without_trace(clinic.poll(id) or "") == (
        "Sign-in failed: the client secret has expired (AADSTS7000222). " + remedy
    )


def test_a_certificate_that_is_not_registered_is_named(clinic: Clinic) -> None:
    """One that nobody has uploaded."""
    id = clinic.configure("certificate", certificate=pem_of(*certificate()))

    code, cause, remedy = refused(clinic.check(id))

    assert (code, cause) == ("AADSTS700027", "the certificate's signature was not accepted")
    assert remedy.startswith("Upload the certificate in use")


def test_an_expired_certificate_is_named(clinic: Clinic) -> None:
    """Its registration ends with it."""
    id = clinic.ready("certificate")
    clinic.app.certificates[:] = [
        replace(one, expires=clinic.world.now() - timedelta(days=1)) for one in clinic.app.certificates
    ]

    code, cause, _ = refused(clinic.check(id))

    assert (code, cause) == ("AADSTS1000502", "the certificate has expired")


@pytest.mark.parametrize(
    ("trusted", "code", "cause"),
    [
        (None, "AADSTS70021", "no federated credential of the app matches the identity"),
        (
            {"issuer": "https://other.example/v2.0"},
            "AADSTS700211",
            "the federated credential has another issuer",
        ),
        ({"audiences": ("api://Other",)}, "AADSTS700212", "the federated credential has another audience"),
        (
            {"subject": sample.SYSTEM_IDENTITY_OBJECT_ID},
            "AADSTS700213",
            "the federated credential has another subject",
        ),
    ],
)
def test_what_does_not_fit_in_a_federated_credential_is_named(
    clinic: Clinic, trusted: dict[str, Any] | None, code: str, cause: str
) -> None:
    """Issuer, audience or subject."""
    id = clinic.configure("federated")
    usual = clinic.app.federated[0]
    clinic.app.federated = [] if trusted is None else [replace(usual, **trusted)]

    found = refused(clinic.check(id))

    assert found[:2] == (code, cause)
    assert "Federated credentials" in found[2]


def test_federation_reaches_into_another_tenant(clinic: Clinic) -> None:
    """The app is consented to there; the identity lives here."""
    other = replace(
        clinic.app,
        object_id="b1c8a2d6-90f3-4d5a-a7e4-0c0ffee00099",
        tenant_id=sample.OTHER_TENANT_ID,
        roles={sample.ENDPOINT_AUDIENCE: {"Alert.Read.All"}},
    )
    clinic.world.add(other)
    id = clinic.configure("federated", tenant_id=sample.OTHER_TENANT_DOMAIN)

    found = clinic.check(id)

    assert (found["ok"], found["tokens"][0]["tenant_id"]) == (True, sample.OTHER_TENANT_ID)


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (50173, "the sign-in was revoked"),
        (700082, "the sign-in was not used for too long"),
        (70043, "the sign-in is older than the tenant's policy allows"),
        (50076, "multi-factor authentication is required"),
    ],
)
@pytest.mark.parametrize("way", PERSON_WAYS)
def test_a_sign_in_that_ended_asks_to_sign_in_again(
    clinic: Clinic, way: str, number: int, cause: str
) -> None:
    """The configuration's error says so, a trouble for the admins says so, and a new sign-in heals it."""
    id = clinic.ready(way)
    revoke(clinic.world, number=number)

    assert refused(clinic.check(id))[:2] == (f"AADSTS{number}", cause)
    # What has become of it since: only what Entra will never take again has ended.
    assert clinic.look(id)["state"] == ("done" if number == 50076 else "failed")
    words = without_trace(clinic.poll(id) or "")
    assert words.startswith(f"Sign in again: {cause} (AADSTS{number}).")
    clinic.parts.watcher.watch()
    troubles = {one.trouble.key: one.trouble.text for one in clinic.parts.troubles.all()}
    assert cause in troubles[f"sign_in:{id}"]
    assert clinic.sign_in(id, way)["state"] == "done"
    assert clinic.check(id)["ok"]
    assert clinic.poll(id) is None


@pytest.mark.parametrize("way", PERSON_WAYS)
def test_nobody_has_signed_in_yet(clinic: Clinic, way: str) -> None:
    """A configuration that waits for a person says so."""
    id = clinic.configure(way)

    assert refused(clinic.check(id)) == (
        None,
        "nobody has signed in for this configuration yet",
        "Start a sign-in for this configuration.",
    )


@pytest.mark.parametrize("way", PERSON_WAYS)
def test_a_kept_sign_in_is_used_for_months(clinic: Clinic, way: str) -> None:
    """Each refresh makes the next possible: it never becomes 90 days old."""
    id = clinic.ready(way)

    for _ in range(4):
        clinic.world.advance(60 * 86_400)
        clinic.parts.doctor.check(clinic.parts.configurations.get(id).configuration)  # type: ignore[union-attr]
        clinic.parts._connections.clear()
        clinic.parts.sign_ins.keeper(id).read()
    found = clinic.check(id)

    assert found["ok"]


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_clock_is_named(clinic: Clinic, way: str) -> None:
    """An assertion outside of its time, or a token that is not valid yet."""
    id = clinic.ready(way)
    clinic.world.switches.clock_skew = 3600.0

    found = clinic.check(id)

    if way == "certificate":
        code, cause, remedy = refused(found)
        assert (code, cause) == ("AADSTS700024", "the assertion is not valid at this time")
        assert remedy.startswith("Correct the clock")
        return
    [finding] = [one for one in found["findings"] if "clock" in one["cause"]]
    assert finding["cause"] == "this machine's clock is 60 minutes behind Entra ID's"
    assert finding["remedy"].startswith("Correct the clock")


@pytest.mark.parametrize("way", ["client_secret", "certificate", "federated"])
def test_an_outage_of_entra_is_not_called_a_mistake(clinic: Clinic, way: str) -> None:
    """Nothing is known, and nothing is missing."""
    from simulator.faults import Fault

    id = clinic.ready(way)
    clinic.world.faults.append(Fault(f"/{sample.TENANT_ID}/oauth2", "503"))

    found = clinic.check(id)

    assert (found["ok"], set(features(found).values())) == (False, {"unknown"})
    assert "out of order for the moment" in found["summary"]


def test_a_public_redirect_refuses_a_secret(clinic: Clinic) -> None:
    """The native app's address never goes with the app's secret, also where there is one."""
    id = clinic.configure("authorization_code", client_secret=sample.CLIENT_SECRET)

    assert clinic.sign_in(id, "authorization_code")["state"] == "done"
    assert clinic.check(id)["ok"]


def test_trust_in_another_origin_is_no_trust(clinic: Clinic) -> None:
    """A federated credential of an issuer elsewhere does not match by its end."""
    clinic.app.federated = [
        FederatedCredential(f"https://evil.example/{sample.TENANT_ID}/v2.0", sample.USER_IDENTITY_OBJECT_ID)
    ]

    code, _, _ = refused(clinic.check(clinic.configure("federated")))

    assert code == "AADSTS700211"
