"""The package holds the product and nothing else, needs only requirements.txt, and works alone."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from deployment.bill import write_bill
from deployment.closure import closure
from deployment.ignored import Ignored, included
from deployment.package import LARGEST, build
from devhost import seed as seeds
from devhost.local_product import product_environment
from devhost.show import Places
from devhost.web_client import CallFailed, WebClient
from simulator.serve import Simulator
from simulator.world import World
from tests.infra.conftest import ROOT
from tests.test_function_app import INDEX

IMPORT_ALL = """
import sys, pathlib, importlib
sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [{site!r}, {app!r}]
for path in sorted(pathlib.Path({app!r}, "shared").rglob("*.py")):
    importlib.import_module(".".join(path.relative_to({app!r}).with_suffix("").parts).removesuffix(".__init__"))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built and unpacked where nothing else is."""
    folder = tmp_path_factory.mktemp("package")
    built = build(ROOT, folder / "package.zip")
    with zipfile.ZipFile(built.path) as package:
        package.extractall(folder / "app")
    return folder / "app"


def test_it_holds_the_product_and_nothing_else(unpacked: Path) -> None:
    """No test, tool, page, cache, secret or local state goes to the cloud; nothing of the product stays."""
    entries = {path.name for path in unpacked.iterdir()}
    sources = {str(p.relative_to(ROOT)) for p in (ROOT / "shared").rglob("*.py")}

    assert entries - {"portal"} == {"function_app.py", "host.json", "requirements.txt", "shared", "templates"}
    assert {str(p.relative_to(unpacked)) for p in (unpacked / "shared").rglob("*.py")} == sources
    assert list(unpacked.rglob("__pycache__")) == []


@pytest.mark.parametrize(
    "name", [".env", ".env.local", "app.pem", "shared/app.pfx", "a.p12", "apns.key", "local.settings.json"]
)
def test_what_may_hold_a_secret_stays_behind(tmp_path: Path, name: str) -> None:
    """A developer's folder holds more than the repository does."""
    (tmp_path / "shared").mkdir()
    (tmp_path / name).write_text("secret", encoding="utf-8")
    lines = (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()

    assert list(included(tmp_path, Ignored.read(lines))) == []


def test_it_is_small(tmp_path: Path) -> None:
    """It is loaded at every cold start."""
    assert build(ROOT, tmp_path / "package.zip").size < LARGEST


def test_the_same_files_make_the_same_bytes(tmp_path: Path) -> None:
    """Whoever builds it, and whenever."""
    first, second = build(ROOT, tmp_path / "one.zip"), build(ROOT, tmp_path / "two.zip")

    assert first.sha256 == second.sha256


def test_it_says_what_is_left_out_as_git_would(tmp_path: Path) -> None:
    """Names at any depth, anchored paths, folders only, wildcards."""
    for name in ("a.md", "d/a.md", "d/keep.py", "docs", "x/docs/y", "x/z/deep.txt", "top/only"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    left = included(tmp_path, Ignored.read(["# words", "", "*.md", "docs/", "/top/only", "x/**/deep.txt"]))

    assert list(left) == [PurePosixPath("d/keep.py"), PurePosixPath("docs")]


def test_taking_something_in_again_is_refused() -> None:
    """Rather than read wrongly."""
    with pytest.raises(ValueError, match="not supported"):
        Ignored.read(["!shared"])


def site_of(folder: Path) -> Path:
    """A site-packages with what requirements.txt brings, and no tool of ours."""
    site = folder / "site"
    for one in closure(ROOT / "requirements.txt"):
        for file in one.installed.files or ():
            if not file.parts[0].startswith("..") and file.suffix != ".pyc":
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():
                    target.symlink_to(Path(str(file.locate())))
    return site


def test_it_imports_with_only_what_requirements_txt_brings(unpacked: Path, tmp_path: Path) -> None:
    """Every module, on an interpreter that has nothing else; and then the host finds the functions."""
    site = site_of(tmp_path)
    code = IMPORT_ALL.format(site=str(site), app=str(unpacked)) + INDEX
    clean = [sys.executable, "-I", "-S", "-B", "-c", code]

    ended = subprocess.run(clean, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    assert ended.returncode == 0, ended.stderr
    assert '"name": "webhook_defender_for_cloud"' in ended.stdout
    assert not (site / "pytest").exists()
    assert not (site / "uvicorn").exists()


@pytest.fixture
def running(unpacked: Path, tmp_path: Path, storage: str) -> Iterator[tuple[WebClient, WebClient, Path]]:
    """The local host on the package, with storage and a simulated cloud; and nothing of the checkout in reach
    but the host itself. Gives the product, the simulator, the folder of the host's keys."""
    host = tmp_path / "host"
    host.mkdir()
    (host / "devhost").symlink_to(ROOT / "devhost")
    with Simulator(World.sample(), folder=tmp_path / "simulator") as simulator:
        port, state = free_port(), tmp_path / "state"
        places = Places(port, int(simulator.url.rpartition(":")[2]), tmp_path, "python")
        environ = product_environment(storage, places) | {"POCKETSOC_CA_BUNDLE": str(simulator.ca_bundle)}
        command = [sys.executable, "-B", "-m", "devhost", "--port", str(port), "--state", str(state)]
        output = (tmp_path / "host.log").open("wb")
        with (
            output,
            subprocess.Popen(
                [*command, "--script-root", str(unpacked)],
                cwd=host,
                env=os.environ | environ,
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            product = WebClient(places.product)
            try:
                wait_for_health(product, process, tmp_path / "host.log")
                yield product, WebClient(simulator.url, ca_bundle=simulator.ca_bundle), state
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def wait_for_health(product: WebClient, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the API answers."""
    until = time.monotonic() + 30
    while True:
        try:
            product.call("GET", "/api/v1/health")
            return
        except CallFailed:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)


@pytest.mark.azurite
@pytest.mark.peer
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_it_runs_alone_and_takes_an_alert(running: tuple[WebClient, WebClient, Path]) -> None:
    """Configured through its API, the webhook answers 202, and the alert is in the feed."""
    product, simulator, state = running
    token = seeds.admin_token(simulator)
    seeded = seeds.seed(product, simulator, token)
    key = json.loads((state / "keys.json").read_text())["default"]

    WebClient(seeded.webhook_url).call("POST", f"?code={key}", seeded.webhook_body)

    title, until = seeded.webhook_body["AlertDisplayName"], time.monotonic() + 20
    while title not in {
        one["title"] for one in product.call("GET", "/api/v1/detections", token=token)["items"]
    }:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_the_closure_is_complete_for_this_interpreter() -> None:
    """Each of requirements.txt, and what those bring; none of the tools."""
    names = {one.name for one in closure(ROOT / "requirements.txt")}

    assert {"azure-functions", "fastapi", "starlette", "msal", "urllib3", "cffi"} <= names
    assert names & {"pytest", "mypy", "uvicorn", "packaging"} == set()


FAKE_TOOL = """#!/bin/sh
exec '{python}' - "$@" <<'PROGRAM'
import json, pathlib, sys
lines = pathlib.Path(sys.argv[2]).read_text().split()
parts = [{{"name": l.split("==")[0], "version": l.split("==")[1], "bom-ref": l}} for l in lines]
made = {{"metadata": {{"component": {{"bom-ref": "root"}}}}, "components": parts}}
pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_text(json.dumps(made))
PROGRAM
"""


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for the tool")
def test_the_bill_of_materials_is_whole(tmp_path: Path) -> None:
    """Each package of the closure with version and licence, and who needs whom, without a loose end."""
    tool = tmp_path / "cyclonedx-py"
    tool.write_text(FAKE_TOOL.format(python=sys.executable))
    tool.chmod(0o755)

    count = write_bill(tool, tmp_path / "sbom.json")

    bill = json.loads((tmp_path / "sbom.json").read_text())
    known = {one["bom-ref"] for one in bill["components"]} | {"root"}
    assert count == len(closure(ROOT / "requirements.txt"))
    assert {one["ref"] for one in bill["dependencies"]} == known
    needed = {ref for one in bill["dependencies"] for ref in one["dependsOn"]}
    assert needed == known - {"root"}  # nothing is there that nobody needs
    assert [one["name"] for one in bill["components"] if not one.get("licenses")] == []
