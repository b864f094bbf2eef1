"""Makes this folder ready to run and test: a virtual environment, the pinned packages, Node.js and Azurite.

Standard library only, because it runs before anything is installed. Each step is done only when its inputs
have changed. What goes wrong is said as `Trouble`: in words, with what to do, and the last lines of the tool.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from devhost import azurite

_LAST_LINES = 15
# What would make the tools here pick up another installation's modules.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


class Trouble(Exception):
    """It cannot go on; the text says why and what to do."""


class Workshop:
    """The checkout in `root`, with `.venv` and `.local` in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.venv, self.local = root, root / ".venv", root / ".local"
        self.python = self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self._stamp = self.venv / "pocketsoc.json"

    def prepare(self, *groups: str, azurite: bool = False) -> None:
        """Install requirements.txt and these groups of pyproject.toml, and Azurite if asked. Raises
        Trouble.
        """
        self._check_writable()
        self._make_venv()
        self._install_packages(groups)
        if azurite:
            self._install_azurite()

    def tool(self, group: str, command: str) -> Path:
        """Install a group of pyproject.toml into an environment of its own, `.local/tools/<group>`, and give
        the path of one of its commands. For tools whose requirements do not go with ours. Raises Trouble."""
        self._check_writable()
        folder = self.local / "tools" / group
        programs = folder / ("Scripts" if os.name == "nt" else "bin")
        wanted = _groups(self.root)[group]
        stamp, sum_ = folder / "pocketsoc.txt", f"{sys.version}\n{json.dumps(wanted)}"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != sum_:
            print(f"Installing {', '.join(wanted)} (a minute the first time)", flush=True)
            base = getattr(sys, "_base_executable", None) or sys.executable
            self._run([base, "-m", "venv", "--clear", str(folder)], "venv", "The tool's environment failed.")
            pip = [str(programs / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
            words = f"The tools of the group {group} could not be installed. Is there a network?"
            self._run([*pip, "--no-input", *wanted], "pip", words)
            stamp.write_text(sum_, encoding="utf-8")
        return programs / command

    def environment(self) -> dict[str, str]:
        """The environment for what is started from here: nothing foreign, and caches that can be written
        to.
        """
        return self._cleaned(os.environ)

    def _cleaned(self, environ: Mapping[str, str]) -> dict[str, str]:
        clean = {name: value for name, value in environ.items() if name not in _FOREIGN}
        clean["PYTHONUTF8"] = "1"
        home = environ.get("USERPROFILE" if os.name == "nt" else "HOME", "")
        if not home or not os.access(home, os.W_OK):
            own = self.local / "home"
            own.mkdir(parents=True, exist_ok=True)
            clean |= {
                "HOME": str(own),
                "PIP_CACHE_DIR": str(own / "pip"),
                "NPM_CONFIG_CACHE": str(own / "npm"),
            }
        return clean

    def _check_writable(self) -> None:
        probe = self.local / "writable"
        try:
            (self.local / "logs").mkdir(parents=True, exist_ok=True)
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise Trouble(
                f"{self.local} cannot be written to ({error.strerror}). Make the folder yours, "
                "or copy the checkout to a folder that is."
            ) from error

    def _make_venv(self) -> None:
        if self.python.exists() and self._stamped().get("python") == sys.version:
            return
        if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise Trouble(
                f"This Python comes without venv. On Debian and Ubuntu: sudo apt install python{version}-venv"
                "; elsewhere install the complete Python."
            )
        print(f"Making .venv with Python {sys.version.split()[0]}", flush=True)
        # Not the environment's own Python, should dev.py have been started with that.
        base = getattr(sys, "_base_executable", None) or sys.executable
        self._run([base, "-m", "venv", "--clear", str(self.venv)], "venv", "The virtual environment failed.")
        self._write_stamp({"python": sys.version, "installed": {}})

    def _install_packages(self, groups: Iterable[str]) -> None:
        wanted = {"requirements": (self.root / "requirements.txt").read_text(encoding="utf-8")}
        pinned: list[str] = []
        declared = _groups(self.root)
        for group in groups:
            wanted[group] = json.dumps(declared[group])
            pinned += declared[group]
        sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in wanted.items()}
        installed = self._stamped().get("installed", {})
        if all(installed.get(name) == one for name, one in sums.items()):
            return
        print("Installing Python packages (a minute or two the first time)", flush=True)
        options = ["--disable-pip-version-check", "--no-input", "-r", str(self.root / "requirements.txt")]
        self._run(
            [str(self.python), "-m", "pip", "install", *options, *pinned],
            "pip",
            "The packages could not be installed. Is there a network, or a proxy to name (HTTPS_PROXY), or "
            "another package index (PIP_INDEX_URL)?",
        )
        self._write_stamp(self._stamped() | {"installed": {**installed, **sums}})

    def _install_azurite(self) -> None:
        folder = self.local / "azurite"
        if azurite.installed(folder):
            return
        print("Installing Azurite, the local storage (half a minute)", flush=True)

        def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], check: bool) -> None:
            what = (
                "Azurite could not be installed with npm. Is there a network, or a proxy to name "
                "(HTTPS_PROXY), or another registry (NPM_CONFIG_REGISTRY)?"
            )
            self._run(command, "npm", what, cwd=cwd, env=env)

        try:
            azurite.install(folder, azurite.find_node(self.venv), run=run)
        except RuntimeError as error:
            raise Trouble(str(error)) from error

    def _run(
        self,
        command: Sequence[str],
        name: str,
        trouble: str,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        log = self.local / "logs" / f"{name}.log"
        with log.open("wb") as output:
            ended = subprocess.run(  # noqa: S603 - our own commands
                command,
                cwd=cwd or self.root,
                env=self._cleaned(env or os.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if ended.returncode:
            raise Trouble(f"{trouble}\n{name} said ({log}):\n{last_lines(log)}")

    def _stamped(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content

    def _write_stamp(self, content: Mapping[str, Any]) -> None:
        self._stamp.write_text(json.dumps(content), encoding="utf-8")


def _groups(root: Path) -> dict[str, list[str]]:
    """The dependency groups of pyproject.toml."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    groups: dict[str, list[str]] = tomllib.loads(text)["dependency-groups"]
    return groups


def last_lines(log: Path, count: int = _LAST_LINES) -> str:
    """The end of a log, indented."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join("    " + line for line in lines[-count:]) or "    (nothing)"
