"""What a configuration needs to sign in, where its secrets go, and that a check follows each save."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.errors import SignInFailed, Throttled
from shared.settings import Settings
from tests.api.conftest import MadeUpVendor
from tests.api.made_up import CANARY, DOMAINS, TENANT

URL = "/api/v1/configurations"


def test_a_check_tells_what_works_and_shows_only_known_claims(
    admin: Any, configuration: dict[str, Any]
) -> None:
    """What the token says is for looking at, and nothing else of it comes out."""
    answer = admin.post(f"{URL}/{configuration['id']}/check")
    found = answer.json()

    assert found["ok"]
    assert (found["tokens"][0]["tenant_id"], found["tokens"][0]["roles"]) == (TENANT, ["Alert.Read.All"])
    assert CANARY not in answer.text
    assert found["features"][0] == {
        "feature": "read_alerts",
        "state": "on",
        "works": True,
        "missing": None,
        "remedy": None,
    }


def test_a_failing_check_is_an_answer(admin: Any, parts: Any, configuration: dict[str, Any]) -> None:
    """What the operator must do is why they asked."""
    parts.vendors["defender_endpoint"].answer = SignInFailed("The client secret has expired: make a new one.")

    answer = admin.post(f"{URL}/{configuration['id']}/check")

    assert (answer.status_code, answer.json()["ok"]) == (200, False)
    assert answer.json()["summary"] == "The client secret has expired: make a new one."


def test_of_a_busy_vendor_nothing_is_known(admin: Any, parts: Any, configuration: dict[str, Any]) -> None:
    """Nothing is wrong, so no feature is called missing."""
    parts.vendors["defender_endpoint"].answer = Throttled("The vendor is busy.", retry_after=41.2)

    found = admin.post(f"{URL}/{configuration['id']}/check").json()

    assert (found["ok"], found["summary"], found["findings"]) == (False, "The vendor is busy.", [])
    assert found["features"][0]["state"] == "unknown"


def test_a_save_is_followed_by_a_check(admin: Any, parts: Any, configuration: dict[str, Any]) -> None:
    """Its answer is part of what was saved, and stays to be looked at."""
    assert configuration["last_check"]["ok"]
    parts.vendors["defender_endpoint"].answer = SignInFailed("The client secret has expired.")

    changed = admin.patch(f"{URL}/{configuration['id']}", json={"fields": {"display_name": "New"}})

    assert (changed.status_code, changed.json()["last_check"]["ok"]) == (200, False)
    assert admin.get(f"{URL}/{configuration['id']}").json()["last_check"] == changed.json()["last_check"]
    assert admin.get(URL).json()["items"][0]["last_check"]["summary"] == "The client secret has expired."


def test_a_check_that_breaks_does_not_fail_the_save(
    admin: Any, parts: Any, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was saved is saved."""
    monkeypatch.setattr(MadeUpVendor, "check", lambda *_: 1 / 0)

    answer = admin.post(URL, json={"vendor": "defender_endpoint", "fields": fields})

    assert (answer.status_code, answer.json()["last_check"]) == (201, None)


@pytest.mark.parametrize(
    ("auth_type", "lacking"),
    [
        ("client_secret", {"tenant_id", "client_id", "client_secret"}),
        ("certificate", {"tenant_id", "client_id", "certificate"}),
        ("federated", {"tenant_id", "client_id"}),
        ("device_code", {"tenant_id", "client_id"}),
        ("authorization_code", {"tenant_id", "client_id"}),
        ("managed_identity", set()),
    ],
)
def test_what_a_way_to_sign_in_lacks_is_said_at_once(admin: Any, auth_type: str, lacking: set[str]) -> None:
    """All of it, each at its field, with words."""
    form = {"display_name": "Bare", "auth_type": auth_type}

    answer = admin.post(URL, json={"vendor": "defender_endpoint", "fields": form})

    errors = {e["field"].removeprefix("body.fields."): e["message"] for e in answer.json().get("errors", ())}
    assert (answer.status_code, set(errors)) == (422 if lacking else 201, lacking)
    assert all(words.startswith("This way to sign in needs") for words in errors.values())


def test_a_tenant_is_kept_by_its_id_however_it_was_typed(admin: Any, fields: dict[str, Any]) -> None:
    """So that one tenant is one."""
    made = admin.post(
        URL, json={"vendor": "defender_endpoint", "fields": fields | {"tenant_id": "other.example.test"}}
    )

    assert made.json()["fields"]["tenant_id"] == DOMAINS["other.example.test"]


@pytest.mark.parametrize(
    ("domain", "words"),
    [("nowhere.example.test", "no such tenant"), ("away.example.test", "cannot be asked")],
)
def test_a_domain_that_says_nothing_asks_for_the_id(
    admin: Any, fields: dict[str, Any], domain: str, words: str
) -> None:
    """Whether there is no such tenant, or nobody can be asked."""
    answer = admin.post(URL, json={"vendor": "defender_endpoint", "fields": fields | {"tenant_id": domain}})

    [wrong] = answer.json()["errors"]
    assert (answer.status_code, wrong["field"]) == (422, "body.fields.tenant_id")
    assert words in wrong["message"]
    assert "Enter the" in wrong["message"]


def test_a_managed_identitys_tenant_is_the_products_own(
    admin: Any, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody needs to type in where the product itself lives."""
    own = Settings(public_url="https://soc.example.test/", api_tenant_id=TENANT)
    admin.app.state.parts = replace(parts, settings=own)
    form = {"display_name": "Identity", "auth_type": "managed_identity"}

    made = admin.post(URL, json={"vendor": "defender_endpoint", "fields": form}).json()

    assert made["fields"]["tenant_id"] == TENANT


def test_each_secret_has_a_place_of_its_own(
    admin: Any, parts: Any, configuration: dict[str, Any], fields: dict[str, Any]
) -> None:
    """The next secret lies beside the first; what another way to sign in has no use for is deleted."""
    id, url = configuration["id"], f"{URL}/{configuration['id']}"

    with_next = admin.patch(url, json={"fields": {"next_client_secret": "second~secret"}}).json()

    assert with_next["secrets_set"] == ["client_secret", "next_client_secret"]
    assert parts.secrets.get(f"vendor-{id}-next") == "second~secret"
    assert "second~secret" not in str(with_next)
    admin.patch(url, json={"fields": {"auth_type": "managed_identity"}})
    assert [parts.secrets.get(name) for name in (f"vendor-{id}", f"vendor-{id}-next")] == [None, None]


def test_what_is_no_certificate_is_not_kept(admin: Any, parts: Any, configuration: dict[str, Any]) -> None:
    """It is said at its field, without a word of it."""
    form = {"auth_type": "certificate", "certificate": "-----BEGIN CANARY-----"}

    answer = admin.patch(f"{URL}/{configuration['id']}", json={"fields": form})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.fields.certificate")
    assert "CANARY" not in answer.text
    assert parts.secrets.get(f"vendor-{configuration['id']}-certificate") is None


def test_another_configurations_certificate_cannot_be_named(
    admin: Any, parts: Any, configuration: dict[str, Any], fields: dict[str, Any]
) -> None:
    """One configuration's sign-in is never used for another."""
    parts.secrets.set("vendor-other-certificate", "its certificate")
    for name in ("vendor-other-certificate", "Vendor-Other-Certificate"):
        form = {"auth_type": "certificate", "certificate_name": name}

        answer = admin.patch(f"{URL}/{configuration['id']}", json={"fields": form})

        assert answer.status_code == 422
        assert [one["field"] for one in answer.json()["errors"]] == ["body.fields.certificate_name"]
