"""A bill of materials (CycloneDX) of what is deployed: the packages of requirements.txt and all that they
bring, with their licences and who needs whom."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from deployment.closure import Brought, canonical, closure, direct

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements.txt"


def write_bill(cyclonedx: Path, target: Path) -> int:
    """Write it with the tool cyclonedx-py; gives the number of components. Raises CalledProcessError."""
    packages = closure(REQUIREMENTS)
    target.parent.mkdir(parents=True, exist_ok=True)
    _run(cyclonedx, packages, target)
    bill: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    _complete(bill, {one.name: one for one in packages})
    target.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    return len(bill["components"])


def _run(cyclonedx: Path, packages: list[Brought], target: Path) -> None:
    lines = [f"{one.installed.metadata['Name']}=={one.installed.version}" for one in packages]
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "requirements.txt"
        pinned.write_text("\n".join(lines), encoding="utf-8")
        options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "-o", str(target)]
        # It warns that nobody says who needs whom; that follows.
        environ = os.environ | {"PYTHONWARNINGS": "ignore"}
        command = [str(cyclonedx), "requirements", str(pinned), *options]
        subprocess.run(command, check=True, env=environ)  # noqa: S603


def _complete(bill: dict[str, Any], packages: dict[str, Brought]) -> None:
    """Licences and dependencies, which a list of requirements does not tell."""
    references = {canonical(one["name"]): one["bom-ref"] for one in bill["components"]}
    for one in bill["components"]:
        if licence := _licence(packages[canonical(one["name"])]):
            one["licenses"] = [licence]
    root = bill["metadata"]["component"]["bom-ref"]
    needs = {root: sorted(canonical(one.name) for one in direct(REQUIREMENTS))}
    needs |= {references[name]: list(one.needs) for name, one in packages.items()}
    bill["dependencies"] = [
        {"ref": one, "dependsOn": [references[name] for name in names]} for one, names in needs.items()
    ]


def _licence(package: Brought) -> dict[str, Any] | None:
    def said(field: str) -> list[str]:
        return package.installed.metadata.get_all(field) or []

    if expression := said("License-Expression"):
        return {"expression": expression[0]}
    classified = [one.rpartition(" :: ")[2] for one in said("Classifier") if one.startswith("License ::")]
    names = [*classified, *(one.partition("\n")[0] for one in said("License"))]
    return {"license": {"name": names[0]}} if names else None
