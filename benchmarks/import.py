"""`dev.py bench import`: importing `function_app`, as every cold start does, against importing the five
packages that such a product cannot do without. Fresh interpreters by turns, bytecode present; the best of
each counts."""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.rig.report import Report
from benchmarks.rig.storage import ROOT

_PACKAGES = "azure.functions, azure.data.tables, azure.identity, requests, pydantic"
_TIMED = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


def main() -> int:
    """Run it; 1 when the number is missed."""
    parser = argparse.ArgumentParser(prog="dev.py bench import", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--module", default="function_app", help="what is imported")
    parser.add_argument("--no-fail", action="store_true", help="exit 0 whatever is missed")
    options = parser.parse_args()
    report = Report()
    milliseconds(options.module), milliseconds(_PACKAGES)  # writes the bytecode
    ours, packages = [], []
    for _ in range(options.rounds):
        ours.append(milliseconds(options.module))
        packages.append(milliseconds(_PACKAGES))
    report.say(f"Importing, best of {options.rounds} fresh interpreters each")
    report.compare(
        options.module,
        min(ours),
        min(packages),
        unit="ms",
        against=_PACKAGES,
        sign="<=",
        wanted=1.25,
    )
    return report.status(fail=not options.no_fail)


def milliseconds(modules: str) -> float:
    """How long a fresh interpreter takes to import them."""
    command = [sys.executable, "-c", _TIMED.format(modules)]
    told = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return 1000 * float(told.stdout)


if __name__ == "__main__":
    raise SystemExit(main())
