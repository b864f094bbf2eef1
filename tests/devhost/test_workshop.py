"""Preparing a checkout: what is done once, what is done again, and the words when it cannot be done."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from devhost.workshop import Trouble, Workshop

ROOT = Path(__file__).parents[2]
GROUPS = '[dependency-groups]\nlocal = ["pip"]\ndev = ["pip"]\n'


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that was prepared with what is there anyway, so that no network is needed."""
    root = tmp_path_factory.mktemp("checkout")
    _write(root, requirements="pip", groups=GROUPS)
    Workshop(root).prepare("local")
    return root


def _write(root: Path, *, requirements: str, groups: str) -> None:
    (root / "requirements.txt").write_text(requirements + "\n")
    (root / "pyproject.toml").write_text(groups)


def _without_tools(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    started: list[str] = []
    monkeypatch.setattr(workshop, "_run", lambda command, name, *_, **__: started.append(name))
    return started


def test_a_prepared_checkout_has_its_own_python(prepared: Path) -> None:
    """With the packages of requirements.txt and of the groups in it."""
    workshop = Workshop(prepared)

    asked = [str(workshop.python), "-c", "import sys, pip; print(sys.prefix)"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True, env=workshop.environment())

    assert Path(said.stdout.strip()).resolve() == (prepared / ".venv").resolve()


def test_a_second_call_starts_nothing(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stamp says that nothing has changed."""
    _write(prepared, requirements="pip", groups=GROUPS)
    workshop = Workshop(prepared)
    started = _without_tools(workshop, monkeypatch)

    workshop.prepare("local")

    assert started == []


@pytest.mark.parametrize(
    ("requirements", "groups", "wanted"),
    [
        ("pip\nwheel", GROUPS, ["local"]),
        ("pip", GROUPS.replace('local = ["pip"]', 'local = ["wheel"]'), ["local"]),
        ("pip", GROUPS, ["local", "dev"]),
    ],
)
def test_changed_packages_are_installed_again(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, requirements: str, groups: str, wanted: list[str]
) -> None:
    """A changed requirement, a changed group, a group that was not asked for before; not the environment."""
    _write(prepared, requirements=requirements, groups=groups)
    workshop = Workshop(prepared)
    started = _without_tools(workshop, monkeypatch)
    monkeypatch.setattr(workshop, "_write_stamp", lambda content: None)

    workshop.prepare(*wanted)

    assert started == ["pip"]


def test_another_python_makes_the_environment_anew(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its packages would not fit."""
    workshop = Workshop(prepared)
    started = _without_tools(workshop, monkeypatch)
    monkeypatch.setattr(workshop, "_write_stamp", lambda content: None)
    monkeypatch.setattr(sys, "version", "3.99.0 (another)")

    workshop.prepare("local")

    assert started[0] == "venv"


def test_a_tool_has_an_environment_of_its_own_and_is_installed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its requirements cannot disturb ours; another version is installed anew."""
    _write(tmp_path, requirements="pip", groups=GROUPS + 'infra = ["pip"]\n')

    pip = Workshop(tmp_path).tool("infra", "pip")
    again = Workshop(tmp_path)
    started = _without_tools(again, monkeypatch)
    assert again.tool("infra", "pip") == pip
    assert started == []
    _write(tmp_path, requirements="pip", groups=GROUPS + 'infra = ["pip<100"]\n')
    again.tool("infra", "pip")

    assert tmp_path / ".local" in pip.parents
    assert subprocess.run([pip, "--version"], check=False, capture_output=True).returncode == 0
    assert not (tmp_path / ".venv").exists()
    assert started == ["venv", "pip"]


def test_pips_last_lines_are_shown_when_it_fails(prepared: Path) -> None:
    """With what to look at first: the network."""
    _write(prepared, requirements="./no-such-package.whl", groups=GROUPS)

    with pytest.raises(Trouble, match=r"(?s)network.*no-such-package\.whl"):
        Workshop(prepared).prepare("local")


def test_npms_last_lines_are_shown_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No registry answers at that address."""
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NPM_CONFIG_FETCH_RETRIES", "0")
    monkeypatch.setenv("npm_config_replace_registry_host", "always")
    workshop = Workshop(tmp_path)
    workshop.venv = Path(sys.prefix)
    (workshop.local / "logs").mkdir(parents=True)

    with pytest.raises(Trouble, match=r"(?s)network.*npm said.*ECONNREFUSED"):
        workshop._install_azurite()


def test_a_python_without_venv_is_told_its_debian_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the version of this Python."""
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "ensurepip" else find_spec(name)
    )

    with pytest.raises(Trouble, match=f"sudo apt install {package}"):
        Workshop(tmp_path).prepare("local")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    """Before anything is downloaded."""
    (tmp_path / ".local").write_text("in the way")

    with pytest.raises(Trouble, match="cannot be written to"):
        Workshop(tmp_path).prepare("local")


def test_nothing_foreign_reaches_what_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another installation's modules would shadow the pinned ones."""
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/elsewhere")

    assert "/elsewhere" not in Workshop(tmp_path).environment().values()


@pytest.mark.skipif(os.name == "nt", reason="Windows has USERPROFILE")
@pytest.mark.parametrize("home", ["", "/no/such/folder"])
def test_without_a_home_caches_are_kept_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    """pip, npm and Node.js must have somewhere to write."""
    monkeypatch.setenv("HOME", home)

    environ = Workshop(tmp_path).environment()

    here = {name: Path(environ[name]) for name in ("HOME", "PIP_CACHE_DIR", "NPM_CONFIG_CACHE")}
    assert all(path.is_relative_to(tmp_path / ".local") for path in here.values())
    assert here["HOME"].is_dir()


def _dev(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "dev.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_command() -> None:
    """Also without any argument."""
    for arguments in ([], ["help"], ["--help"]):
        said = _dev(*arguments)

        assert said.returncode == 0
        assert all(f"\n  {name}" in said.stdout for name in ("run", "test", "lint", "bench", "clean", "help"))


def test_an_unknown_command_is_said_to_be_one() -> None:
    """With the help, and a status that scripts see."""
    said = _dev("nonsense")

    assert said.returncode == 2
    assert "There is no command 'nonsense'." in said.stdout


def test_an_old_python_is_told_so_in_words() -> None:
    """dev.py can be read by Python 3.7, and says what it needs before it imports anything newer."""
    source = (ROOT / "dev.py").read_text()
    ast.parse(source, feature_version=(3, 7))
    faked = f"import sys; sys.version_info = (3, 10, 1); exec(compile({source!r}, 'dev.py', 'exec'))"

    said = subprocess.run([sys.executable, "-c", faked], capture_output=True, text=True, check=False)

    assert said.returncode == 1
    assert said.stderr.startswith("This is Python 3.10; PocketSOC needs 3.11 or newer.")


def _modules_imported_by(path: Path) -> set[str]:
    tree: Any = ast.parse(path.read_text())
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return found | {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_what_runs_before_the_installation_needs_no_package() -> None:
    """dev.py and what it imports use the standard library only."""
    names = ("__init__", "workshop", "azurite", "orphans")
    files = ("dev.py", *(f"devhost/{name}.py" for name in names))

    imported = set().union(*(_modules_imported_by(ROOT / name) for name in files))

    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign <= {"devhost", *(f"devhost.{name}" for name in names)}
