"""The package that is published: what `.funcignore` leaves of the checkout, as `func azure functionapp
publish` and azd would upload it.

The same files make the same bytes: entries in order, without times and owners.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from deployment.ignored import Ignored, included

LARGEST = 2_000_000
"""Bytes. The code alone; what requirements.txt names is installed by the remote build."""

_BEGINNING = (1980, 1, 1, 0, 0, 0)  # of zip's calendar


@dataclass(frozen=True)
class Package:
    """A built package."""

    path: Path
    files: int
    size: int
    sha256: str


def names(root: Path) -> list[str]:
    """The files of the package, relative to the checkout."""
    lines = (root / ".funcignore").read_text(encoding="utf-8").splitlines()
    return [str(path) for path in included(root, Ignored.read(lines))]


def build(root: Path, target: Path) -> Package:
    """Build it. Raises OSError."""
    inside = names(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for name in inside:
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, (root / name).read_bytes())
    content = target.read_bytes()
    return Package(target, len(inside), len(content), hashlib.sha256(content).hexdigest())
