"""What `.funcignore` leaves out. Core Tools and azd read it as git reads a .gitignore; so does this,
without `!`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Ignored:
    """The patterns of one file. Raises ValueError for what it cannot honour."""

    patterns: tuple[tuple[re.Pattern[str], bool], ...]

    @classmethod
    def read(cls, lines: Iterable[str]) -> Ignored:
        """From the file's lines."""
        wanted = [line.strip() for line in lines]
        return cls(tuple(_pattern(line) for line in wanted if line and not line.startswith("#")))

    def __call__(self, path: PurePosixPath, *, folder: bool) -> bool:
        """Whether a path, relative to the file's folder, is left out. Its parents are asked about first."""
        return any(p.fullmatch(str(path)) and (folder or not only) for p, only in self.patterns)


def included(root: Path, ignored: Ignored) -> Iterator[PurePosixPath]:
    """Every file below `root` that is not left out, in order."""
    yield from _below(root, PurePosixPath(), ignored)


def _below(folder: Path, path: PurePosixPath, ignored: Ignored) -> Iterator[PurePosixPath]:
    for one in sorted(folder.iterdir(), key=lambda entry: entry.name):
        here = path / one.name
        if ignored(here, folder=one.is_dir()):
            continue
        if one.is_dir():
            yield from _below(one, here, ignored)
        else:
            yield here


def _pattern(line: str) -> tuple[re.Pattern[str], bool]:
    if line.startswith("!"):
        raise ValueError(f".funcignore: '{line}': taking something in again is not supported here")
    only_folders = line.endswith("/")
    words = line.strip("/")
    anchored = "/" in line.rstrip("/")
    made = "".join(_glob(piece) for piece in re.split(r"(\*\*/|/\*\*|\*|\?|\[[^\]]*\])", words))
    return re.compile(made if anchored else f"(?:.*/)?{made}"), only_folders


def _glob(piece: str) -> str:
    known = {"**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*", "?": "[^/]"}
    if piece in known:
        return known[piece]
    return piece.replace("[!", "[^") if piece.startswith("[") else re.escape(piece)
