"""For whom a person's sign-in is good: the cloud, tenant and app that it was made for, and no others."""

from __future__ import annotations

import pytest

from simulator import sample
from tests.sign_in.clinic import Clinic

pytestmark = pytest.mark.peer


def _posts(clinic: Clinic) -> int:
    return sum(n for key, n in clinic.world.requests.items() if key.endswith("/oauth2/v2.0/token"))


ELSEWHERE = [{"tenant_id": sample.OTHER_TENANT_ID}, {"client_id": sample.USER_IDENTITY_CLIENT_ID}]


@pytest.mark.parametrize("way", ["device_code", "authorization_code"])
@pytest.mark.parametrize("fields", ELSEWHERE, ids=["tenant", "app"])
def test_a_sign_in_serves_no_other_tenant_and_no_other_app(
    clinic: Clinic, way: str, fields: dict[str, str]
) -> None:
    """What one tenant says would else be read, stored and changed as if it were the other's."""
    id = clinic.ready(way)
    found = clinic.parts.configurations.get(id)
    assert found is not None
    clinic.parts.configurations.save(found.configuration.model_copy(update=fields))
    before = _posts(clinic)

    checkup = clinic.check(id)

    [finding] = checkup["findings"]
    assert "signed in for another tenant, app or cloud" in finding["cause"]
    assert "Sign in again" in (clinic.poll(id) or "")
    assert _posts(clinic) == before  # the refresh token is not even shown to another tenant


@pytest.mark.parametrize("fields", [*ELSEWHERE, {"auth_type": "client_secret", "client_secret": "x" * 40}])
def test_a_sign_in_without_a_use_is_not_kept(clinic: Clinic, fields: dict[str, str]) -> None:
    """Neither its refresh token nor one that is on its way."""
    id = clinic.ready("device_code")
    clinic.start(id, "device_code")

    clinic.call("PATCH", f"/configurations/{id}", {"fields": fields})

    names = [name for name in clinic.parts.secrets._values if id in name]  # type: ignore[attr-defined]
    assert [name for name in names if "sign-in" in name or "pending" in name] == []
    assert clinic.parts.sign_ins.kept(id) is None


def test_a_sign_in_outlives_changes_that_do_not_concern_it(clinic: Clinic) -> None:
    """A new name is no reason to bother a person."""
    id = clinic.ready("device_code")

    clinic.call("PATCH", f"/configurations/{id}", {"fields": {"display_name": "Another name"}})

    assert clinic.check(id)["ok"]
