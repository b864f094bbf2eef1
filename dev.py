#!/usr/bin/env python3
"""PocketSOC's one command: python3 dev.py <command>

  run [options]       the whole product on this machine: storage, a simulated Microsoft cloud, the functions
  test [arguments]    the tests; arguments go to pytest
  lint                ruff check, ruff format --check, mypy
  bench <name> [...]  a benchmark of benchmarks/; without a name, the list of them
  infra [--write]     infra/ and workflows: ARM JSON in step, checkov; --write makes the ARM JSON anew
  package             the zip that is published, into .local
  sbom                a bill of materials of what is deployed (CycloneDX), into .local
  vulnerabilities     what is known against the packages that are deployed (asks PyPI)
  clean               remove everything that the other commands made here
  help                this text

Needs Python 3.11 or newer and, the first time, a package index (PyPI and npm). What it installs stays in
this folder, in .venv and .local; a second call finds it there. `python3 dev.py run --help` shows its options.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - the words for who starts it with an older one
    # Before anything that an older Python could stumble over.
    from shutil import which

    newer = [name for name in ("python3.13", "python3.12", "python3.11") if which(name)]
    hint = f"Run: {newer[0]} dev.py" if newer else "Install Python 3.11 or newer and run dev.py with it."
    sys.exit("This is Python {}.{}; PocketSOC needs 3.11 or newer. {}".format(*sys.version_info[:2], hint))

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))
sys.dont_write_bytecode = True  # nothing of this folder is written to before it is known to be writable

from devhost.workshop import Trouble, Workshop  # noqa: E402 - standard library only, but not for old Pythons

workshop = Workshop(ROOT)


def run(arguments: list[str]) -> int:
    """Everything on this machine, until Ctrl+C."""
    workshop.prepare("local", azurite=True)
    command = [str(workshop.python), "-u", "-m", "devhost.run", *arguments]
    if os.name == "nt":
        return _call(command)
    # The same process goes on, so that a signal to dev.py is a signal to what stops the others.
    os.chdir(ROOT)
    os.execve(command[0], command, workshop.environment())


def test(arguments: list[str]) -> int:
    """The tests."""
    workshop.prepare("local", "dev", azurite=True)
    return _call([str(workshop.python), "-m", "pytest", *arguments])


def lint(arguments: list[str]) -> int:
    """All checks, also after one has failed; how many failed."""
    workshop.prepare("local", "dev")
    checks = (["ruff", "check"], ["ruff", "format", "--check"], ["mypy"])
    failed = [check[0:2] for check in checks if _call([str(workshop.python), "-m", *check, *arguments])]
    if failed:
        print("Not clean: " + ", ".join(" ".join(check) for check in failed))
    return len(failed)


def bench(arguments: list[str]) -> int:
    """One benchmark, or their names."""
    names = sorted(path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py"))
    if not arguments or arguments[0] not in names:
        print("Benchmarks: " + (", ".join(names) or "none"))
        return 0 if not arguments else 2
    workshop.prepare("local", "dev", azurite=True)
    return _call([str(workshop.python), "-m", "benchmarks." + arguments[0], *arguments[1:]])


def infra(arguments: list[str]) -> int:
    """The infrastructure: made, compared, checked."""
    workshop.prepare("local", "dev")
    if arguments == ["--write"]:
        return _deployment("arm")
    checkov = workshop.tool("infra", "checkov")
    return _deployment("arm", "--compare") or _deployment("audit", "--checkov", str(checkov))


def package(arguments: list[str]) -> int:
    """The package."""
    workshop.prepare("local", "dev")
    return _deployment("package", *arguments)


def sbom(arguments: list[str]) -> int:
    """The bill of materials."""
    tool = workshop.tool("audit", "cyclonedx-py")
    workshop.prepare("local", "dev")
    return _deployment("sbom", "--cyclonedx", str(tool), *arguments)


def vulnerabilities(arguments: list[str]) -> int:
    """What is known against requirements.txt and all that it brings."""
    tool = workshop.tool("audit", "pip-audit")
    return _call([str(tool), "--requirement", "requirements.txt", "--strict", *arguments])


def clean(arguments: list[str]) -> int:
    """Remove what was made here: packages, caches, and what the local product has stored."""
    caches = [".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"]
    found = [ROOT / name for name in (".venv", ".local", *caches)]
    found += [
        one for one in ROOT.rglob("__pycache__") if ".venv" not in one.parts and ".local" not in one.parts
    ]
    for one in filter(Path.exists, found):
        print("Removing " + str(one.relative_to(ROOT)))
        shutil.rmtree(one)
    return 0


def show_help(arguments: list[str]) -> int:
    """The text at the top."""
    print(__doc__)
    return 0


def _deployment(*words: str) -> int:
    return _call([str(workshop.python), "-m", "deployment", *words])


def _call(command: list[str]) -> int:
    print("> " + " ".join(command[2:] if command[1] == "-m" else command[1:]), flush=True)
    with subprocess.Popen(command, cwd=ROOT, env=workshop.environment()) as child:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue  # the child got it too, and says what it has to say before it ends


COMMANDS = {
    "run": run,
    "test": test,
    "lint": lint,
    "bench": bench,
    "infra": infra,
    "package": package,
    "sbom": sbom,
    "vulnerabilities": vulnerabilities,
    "clean": clean,
    "help": show_help,
}


def main(arguments: list[str]) -> int:
    """One command; the exit status."""
    name = arguments[0] if arguments else "help"
    command = show_help if name in ("-h", "--help") else COMMANDS.get(name)
    if command is None:
        print(__doc__)
        print(f"There is no command '{name}'.")
        return 2
    try:
        return command(arguments[1:])
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except OSError as error:
        print("\n{}: {}".format(error.filename or "This machine", error.strerror), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
