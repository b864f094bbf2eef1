"""Azurite as a developer's storage: installed once, started on ports of its own, stopped for good."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devhost import azurite
from shared.settings import Settings
from shared.store.stores import Insert, Row
from shared.store.tables import azure_tables

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(running_azurite: azurite.Azurite) -> tuple[Path, Path]:
    """Where Azurite and Node.js are; asks for the running one so as to be skipped without it."""
    return running_azurite.folder, azurite.find_node(Path(sys.prefix))


@pytest.mark.azurite
def test_what_is_on_disk_survives_a_restart(place: tuple[Path, Path], tmp_path: Path) -> None:
    """Stopping saves what came last."""
    with azurite.Azurite(*place, data=tmp_path) as first:
        azure_tables(Settings(storage=first.connection_string)).write(
            "things", [Insert(Row("p", "k", {"n": 1}))]
        )

    with azurite.Azurite(*place, data=tmp_path) as second:
        row = azure_tables(Settings(storage=second.connection_string)).get("things", "p", "k")

    assert row is not None
    assert row.values == {"n": 1}
    assert not first.alive()


@pytest.mark.azurite
def test_a_port_that_somebody_has_is_an_error(
    place: tuple[Path, Path], running_azurite: azurite.Azurite
) -> None:
    """It is not taken for ours because it answers."""
    with pytest.raises(RuntimeError, match="taken"):
        azurite.Azurite(*place, ports=running_azurite.ports).start()


@pytest.mark.azurite
def test_an_azurite_that_dies_says_its_last_words(place: tuple[Path, Path], tmp_path: Path) -> None:
    """A location that is a file, for example."""
    spoilt = tmp_path / "file"
    spoilt.write_text("")

    with pytest.raises(RuntimeError, match="did not start"):
        azurite.Azurite(*place, data=spoilt).start()


def test_installing_runs_npm_once_with_the_lock(tmp_path: Path) -> None:
    """What is there already is left alone; install scripts do not run."""
    commands: list[list[str]] = []

    def run(command: list[str], *, cwd: Path, check: bool, env: dict[str, str]) -> None:
        commands.append(command)
        assert (cwd / "package-lock.json").read_bytes() == (azurite.LOCK / "package-lock.json").read_bytes()
        script = cwd / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
        script.parent.mkdir(parents=True)
        script.touch()

    node = azurite.find_node(Path(sys.prefix))
    assert azurite.install(tmp_path / "azurite", node, run)
    assert not azurite.install(tmp_path / "azurite", node, run)

    assert [command[-4:-1] for command in commands] == [["ci", "--omit=optional", "--ignore-scripts"]]


def test_an_installation_that_failed_is_not_taken_for_one(tmp_path: Path) -> None:
    """The mark is set last."""

    def run(command: list[str], **options: Any) -> None:
        raise subprocess.CalledProcessError(1, command)

    with pytest.raises(subprocess.CalledProcessError):
        azurite.install(tmp_path, azurite.find_node(Path(sys.prefix)), run)

    assert not azurite.installed(tmp_path)


def test_the_lock_pins_azurite_and_names_no_registry() -> None:
    """Whoever installs takes it from the registry they have configured, with our checksums."""
    packages = json.loads((azurite.LOCK / "package-lock.json").read_text())["packages"]
    fetched = {
        name: p for name, p in packages.items() if name.startswith("node_modules/") and not p.get("link")
    }

    assert packages["node_modules/azurite"]["version"] == "3.37.0"
    assert all(p["integrity"].startswith("sha512-") and "resolved" not in p for p in fetched.values())


def test_dev_tools_can_import_it_before_anything_is_installed() -> None:
    """Only the standard library, so a bare interpreter is enough."""
    code = "import devhost.azurite as a, sys; print(a.Azurite, 'azure' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.endswith("False\n")


def test_free_ports_are_free() -> None:
    """Three different ones, on loopback."""
    ports = azurite._free((0, 0, 0))

    assert len(set(ports)) == 3
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
