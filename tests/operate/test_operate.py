"""An operator's day with the tool, against the running product."""

from __future__ import annotations

import json
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from operate.__main__ import main, parser
from operate.exporting import broken
from operate.product import Product, Unreachable, token_from
from shared.nouns.configurations import Configuration
from shared.nouns.incidents import Incident
from shared.store.quarantine import Kind
from simulator import entra_people, sample, scenarios, xdr_scenarios
from tests.operate.conftest import Deployment, Typed

pytestmark = pytest.mark.peer
ROOT = Path(__file__).parents[2]
DOUBLE = Configuration(id="d1", vendor="double", display_name="Double", tenant_id=sample.TENANT_ID)


def test_a_configuration_from_its_making_to_its_end(deployment: Deployment, typed: Typed) -> None:
    """Added with its secret on standard input, checked, changed, removed."""
    typed(f"{sample.CLIENT_SECRET}\n")
    fields = [f"tenant_id={sample.TENANT_ID}", f"client_id={sample.CLIENT_ID}", "display_name=Head office"]
    added = deployment.operate(
        *("configurations", "add", "defender_endpoint", *fields, "poll_interval=90"),
        *("--secret", "client_secret", "--json"),
    )
    id = added.json["id"]

    listed = deployment.operate("configurations", "list")
    checked = deployment.operate("configurations", "check", id)
    changed = deployment.operate("configurations", "change", id, "enabled=false", "--json")
    typed("no\n")
    kept = deployment.operate("configurations", "remove", id)
    removed = deployment.operate("configurations", "remove", id, "--yes")

    assert (added.code, added.json["client_secret_set"]) == (0, True)
    assert (added.json["fields"]["poll_interval"], changed.json["enabled"]) == (90, False)
    assert "Head office" in listed.out
    assert (checked.code, "read_alerts" in checked.out) == (0, True)
    assert (kept.code, removed.code) == (2, 0)
    assert deployment.parts.configurations.all() == []
    assert sample.CLIENT_SECRET not in added.out + listed.out + checked.out


def test_a_secret_is_never_taken_from_the_command(deployment: Deployment) -> None:
    """Others on the machine can read it there."""
    said = deployment.operate("configurations", "add", "defender_endpoint", "client_secret=hush")

    assert (said.code, "--secret client_secret" in said.err) == (2, True)
    assert "hush" not in said.out + said.err


def test_what_the_product_refuses_is_told_field_by_field(deployment: Deployment) -> None:
    """With exit status 3."""
    said = deployment.operate(
        "configurations", "add", "defender_endpoint", "display_name=X", "poll_interval=1"
    )

    assert (said.code, "\n  poll_interval: " in said.err) == (3, True)


def test_check_looks_at_everything(deployment: Deployment) -> None:
    """Well: 0. A wrong secret: 1, with what is wrong and what to do."""
    deployment.configure_endpoint()
    deployment.work()
    well = deployment.operate("check")
    deployment.parts.secrets.set("vendor-e1", "wrong")
    found = deployment.parts.configurations.get("e1")
    assert found is not None
    deployment.parts.configurations.save(
        found.configuration.model_copy(update={"changed": "2026-01-01T00:00:00.0000000Z"})
    )
    ill = deployment.operate("check")

    assert (well.code, "all is well" in well.out) == (0, True), well.out
    assert (ill.code, "NOT OK" in ill.out) == (1, True)
    assert "secret" in ill.out


def test_status_and_ledger_can_be_read_by_machines(deployment: Deployment) -> None:
    """As the API answers."""
    deployment.configure_endpoint()

    status = deployment.operate("status", "--json")
    ledger = deployment.operate("--json", "ledger")

    assert status.json["configurations"][0]["display_name"] == "Endpoint"
    assert [book["configuration_id"] for book in ledger.json] == ["e1"]
    assert deployment.operate("troubles").code == 0


def incident(**more: Any) -> Incident:
    """Incident 437."""
    usual = {
        "native_id": "437",
        "number": "437",
        "title": "Ransomware",
        "updated": "2026-11-20T09:00:00.0000000Z",
    }
    return Incident.model_validate(usual | more)


def test_incidents_are_listed_shown_and_updated(deployment: Deployment) -> None:
    """By id or by number; the change is made at the vendor and in the audit."""
    deployment.parts.configurations.save(DOUBLE)
    deployment.parts.__dict__["connect"] = lambda c: None
    deployment.parts.incidents.record(DOUBLE, [incident()])
    deployment.double.changed = incident(status="resolved", updated="2026-11-20T10:00:00.0000000Z")

    listed = deployment.operate("incidents", "list")
    updated = deployment.operate(
        "incidents", "update", "437", "--status", "resolved", "--tag", "a", "--tag", "b", "--json"
    )
    shown = deployment.operate("incidents", "show", "437")
    absent = deployment.operate("incidents", "show", "438")

    assert "Ransomware" in listed.out
    assert updated.json["status"] == "resolved", updated.err
    assert deployment.double.asked[0][2].tags == ("a", "b")
    assert ("resolved" in shown.out, absent.code) == (True, 3)
    assert deployment.operate("incidents", "update", "437").code == 2


def test_hunting_from_the_command_a_file_and_standard_input(
    deployment: Deployment, typed: Typed, tmp_path: Path
) -> None:
    """All the same; through the simulated vendor."""
    id = deployment.configure_endpoint()
    query = "DeviceInfo | take 1"
    (tmp_path / "query.kql").write_text(query)
    typed(query)

    answers = [
        deployment.operate("hunt", id, query),
        deployment.operate("hunt", id, "--file", str(tmp_path / "query.kql")),
        deployment.operate("hunt", id),
    ]

    assert [said.code for said in answers] == [0, 0, 0], answers[0].err
    assert "rows" in answers[0].out


def test_a_host_is_known_or_not(deployment: Deployment) -> None:
    """0, 1, or 5 where nobody could be asked."""
    unknown = deployment.operate("affiliation", "--name", "srv-1")
    deployment.configure_endpoint()
    no = deployment.operate("affiliation", "--name", "no-such-host.contoso.example")
    deployment.work()
    [first, *_] = deployment.operate("inventory", "machine", "--json").json["items"]
    yes = deployment.operate("affiliation", "--name", first["dns_name"])

    assert (unknown.code, no.code, yes.code) == (5, 1, 0)
    assert "yes" in yes.out


def test_the_inventory_is_listed_with_the_time_it_was_read(deployment: Deployment) -> None:
    """And what could not be read."""
    deployment.configure_endpoint()
    deployment.work()

    kinds = deployment.operate("inventory")
    machines = deployment.operate("inventory", "machine", "--most", "2", "--json")

    assert "machine" in kinds.out
    assert len(machines.json["items"]) == 2
    assert machines.json["readings"][0]["read"]
    assert deployment.operate("configurations", "read-inventory", "e1").code == 0


def test_quarantine_is_shown_replayed_and_thrown_away(deployment: Deployment, typed: Typed) -> None:
    """One, or all; what cannot be replayed stays, and says why."""
    deployment.configure_endpoint()
    put = deployment.parts.quarantine.put
    good = put(Kind.alert, b'{"id": "odd"}', reason="No title.", source="e1")
    bad = put(Kind.message, b"no message", reason="Failed.", source="polls")

    listed = deployment.operate("quarantine", "list")
    shown = deployment.operate("quarantine", "show", good)
    replayed = deployment.operate("quarantine", "replay", "--all", "--json")

    assert (listed.code, "No title." in listed.out) == (1, True)
    assert '{"id": "odd"}' in shown.out
    assert {one["id"]: one["outcome"] == "replayed" for one in replayed.json} == {good: True, bad: False}
    assert [one.id for one in deployment.parts.quarantine.all()] == [bad]
    assert deployment.operate("quarantine", "replay").code == 2

    typed("no\n")
    kept = deployment.operate("quarantine", "discard", bad)
    gone = deployment.operate("quarantine", "discard", bad, "--yes")

    assert (kept.code, gone.code) == (2, 0)
    assert deployment.operate("quarantine", "list").code == 0


def test_a_certificate_of_many_lines_comes_on_standard_input(deployment: Deployment, typed: Typed) -> None:
    """All of it is the secret."""
    typed("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    ids = (f"tenant_id={sample.TENANT_ID}", f"client_id={sample.CLIENT_ID}", "auth_type=certificate")
    said = deployment.operate(
        *("configurations", "add", "defender_endpoint", "display_name=X", *ids, "--secret", "certificate")
    )

    assert (said.code, "certificate cannot be read" in said.err) == (3, True), said.err  # this one is cut


def test_stored_alerts_are_mapped_once_more_with_a_report(deployment: Deployment) -> None:
    """Nothing differs, since the mapping is the same."""
    deployment.configure_endpoint()
    scenarios.add_endpoint_alerts(deployment.simulator.world, count=3)
    deployment.work()

    said = deployment.operate("replay", "--since", "2020-01-01", "--json")

    assert said.code == 0, said.err
    assert said.json["sightings"] > 0
    assert said.json["differences"] == []


@pytest.mark.parametrize("what", ["ocsf", "risks", "assets"])
def test_an_export_is_a_file_of_lines(deployment: Deployment, tmp_path: Path, what: str) -> None:
    """Whole or not there, and nobody else's to read."""
    deployment.configure_endpoint()
    scenarios.add_endpoint_alerts(deployment.simulator.world, count=3)
    deployment.work()
    target, others = tmp_path / "out.ndjson", tmp_path / "others"
    others.write_text("theirs", encoding="utf-8")
    target.with_name("out.ndjson.part").symlink_to(others)  # in a folder that others write into, too

    said = deployment.operate("export", what, str(target), "--json")

    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert (said.code, said.json["lines"]) == (0, len(lines))
    assert lines
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert others.read_text(encoding="utf-8") == "theirs"
    assert list(tmp_path.glob(".out*")) == []


def test_a_risk_export_is_filtered_at_the_product(deployment: Deployment, tmp_path: Path) -> None:
    """By severity and by time."""
    deployment.configure_endpoint()
    scenarios.add_endpoint_alerts(deployment.simulator.world, count=6)
    deployment.work()
    target = str(tmp_path / "risks.ndjson")

    deployment.operate("export", "risks", target, "--minimum-severity", "high")
    high = Path(target).read_text().splitlines()
    deployment.operate("export", "risks", target, "--from", "2099-01-01")

    assert {json.loads(line)["severity"] for line in high} <= {"high", "critical", "unknown"}
    assert Path(target).read_text() == ""


def test_the_audit_is_verified_from_outside(deployment: Deployment) -> None:
    """Whole; whatever is changed, taken out or cut off shows."""
    for n in range(5):
        deployment.parts.audit.note("hunt", f"c{n}", actor="oid", name="Ana")
    whole = deployment.operate("audit", "verify", "--json")
    again = deployment.operate("audit", "verify", "--expect", whole.json["head"])
    lost = deployment.operate("audit", "verify", "--expect", "0" * 64)

    assert (whole.code, whole.json["entries"], again.code, lost.code) == (0, 5, 0, 1)
    entries = deployment.operate("audit", "list", "--json").json[::-1]
    assert broken(entries) == []
    assert broken([entries[0], entries[2]]) == ["entry 2 is missing"]
    assert "entry 2 was changed" in broken([entries[0], entries[1] | {"subject": "x"}, *entries[2:]])


def test_nobody_signed_in_is_told_how(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No token, a bad one, one that a command prints."""
    token = token_from(None)
    monkeypatch.setenv("POCKETSOC_TOKEN", "bad")
    bad = deployment.operate("status")
    monkeypatch.delenv("POCKETSOC_TOKEN")
    monkeypatch.chdir(tmp_path)
    none = deployment.operate("status")
    printed = deployment.operate("status", "--token-command", f"{sys.executable} -c \"print('{token}')\"")
    failed = deployment.operate("status", "--token-command", "false")

    assert (bad.code, none.code, printed.code, failed.code) == (4, 4, 0, 4)
    assert "--token-command" in none.err


def test_who_does_not_answer_is_unreachable(deployment: Deployment) -> None:
    """Exit status 4, and no token in what is said."""
    said = deployment.operate("--url", "http://127.0.0.1:1", "status")

    assert (said.code, "does not answer" in said.err) == (4, True)


@pytest.mark.parametrize(
    "url", ["http://soc.example.test", "ftp://localhost", "http://localhost.example.test"]
)
def test_a_token_is_sent_over_https_only(url: str) -> None:
    """Except on this machine."""
    with pytest.raises(Unreachable):
        Product(url if "localhost.example" in url or url.startswith("http") else "http://elsewhere", "token")


def test_it_runs_where_only_requests_is_installed() -> None:
    """Nothing of the product is imported."""
    ours = "('shared', 'azure', 'pydantic', 'fastapi')"
    code = f"import sys, operate.__main__; print([m for m in sys.modules if m.startswith({ours})])"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ended.stdout.strip() == "[]"


def test_every_command_of_its_page_is_one() -> None:
    """Its parser takes each line."""
    page = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("python -m operate ")]

    assert len(lines) > 20
    for line in lines:
        words = shlex.split(re.split(r" [<>] ", line)[0])[3:]
        assert callable(parser().parse_args(words).run), line
    with pytest.raises(SystemExit):
        main(["no-such-command"])


@pytest.mark.parametrize("way", ["graph", "xdr"])
def test_an_incident_of_defender_xdr_from_the_poll_to_its_end(deployment: Deployment, way: str) -> None:
    """Read with its detections, found from each of them, resolved at the vendor, and then nothing is news."""
    deployment.configure_xdr(way)
    [number] = xdr_scenarios.add_incidents(deployment.simulator.world, count=1, alerts=3)
    deployment.work()

    shown = deployment.operate("incidents", "show", number, "--json").json
    found = {deployment.api(f"detections/{detection['id']}")["incident"] for detection in shown["detections"]}
    resolved = deployment.operate(
        *("incidents", "update", number, "--status", "resolved", "--comment", "Cleaned up.", "--json")
    )
    deployment.simulator.world.advance(120)
    deployment.work()
    again = deployment.operate("incidents", "show", number, "--json").json

    assert (len(shown["detections"]), shown["alerts_without_detection"]) == (3, [])
    assert found == {shown["id"]}
    assert (resolved.code, resolved.json["status"]) == (0, "resolved"), resolved.err
    assert again["status"] == "resolved"
    assert "Cleaned up." in [comment["text"] for comment in again["comments"]]
    assert deployment.pump.failures == []


def test_a_person_signs_in_with_a_device_code(deployment: Deployment) -> None:
    """Begun, looked at, typed in by the person, tested."""
    id = deployment.configure_endpoint(auth_type="device_code", secret_reference=None)
    world = deployment.simulator.world

    begun = deployment.operate("sign-in", "start", id, "--json")
    waiting = deployment.operate("sign-in", "status", id)
    entra_people.decide(world, begun.json["user_code"], "")
    world.advance(begun.json["interval"] + 1)
    done = deployment.operate("sign-in", "status", id, "--json")
    tested = deployment.operate("sign-in", "test", id)
    entra_people.revoke(world)
    refused = deployment.operate("sign-in", "test", id)
    over = deployment.operate("sign-in", "status", id)

    assert (begun.code, begun.json["state"]) == (0, "pending"), begun.err
    assert begun.json["user_code"] in waiting.out
    assert (done.code, done.json["state"]) == (0, "done"), done.out
    assert (tested.code, "read_alerts" in tested.out) == (0, True), tested.out
    assert (refused.code, over.code, "revoked" in over.out) == (1, 1, True), over.out
    assert deployment.operate("sign-in", "start", "absent").code == 3
