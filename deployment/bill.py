"""A bill of materials (CycloneDX) of what is deployed: the packages of requirements.txt and all that they
bring."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from deployment.closure import closure

ROOT = Path(__file__).resolve().parent.parent


def write_bill(cyclonedx: Path, target: Path) -> int:
    """Write it with the tool cyclonedx-py; gives the number of components. Raises CalledProcessError."""
    installed = closure(ROOT / "requirements.txt")
    lines = [f"{one.metadata['Name']}=={one.version}" for one in installed]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "requirements.txt"
        pinned.write_text("\n".join(lines), encoding="utf-8")
        options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "-o", str(target)]
        subprocess.run([str(cyclonedx), "requirements", str(pinned), *options], check=True)  # noqa: S603
    return len(json.loads(target.read_text(encoding="utf-8"))["components"])
