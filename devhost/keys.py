"""The host's keys: who may call an HTTP function that is not anonymous.

A key comes in the header `x-functions-key` or, only if there is no such header, as `?code=`. `default` opens
functions of level `function`; `_master` opens everything. They are kept in a file that only its owner may
read.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devhost.refused import Refused


@dataclass(frozen=True)
class Keys:
    """The two host keys. `enforced` False lets everybody in, as Core Tools does."""

    master: str = field(repr=False)
    default: str = field(repr=False)
    enforced: bool = True

    @classmethod
    def kept_in(cls, path: Path, *, enforced: bool = True) -> Keys:
        """The keys in `path`, made there if there are none. Raises Refused if the file is something else."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, {"_master": secrets.token_urlsafe(40), "default": secrets.token_urlsafe(40)})
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(content["_master"]), str(content["default"]), enforced)
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(f"{path} does not hold the host's keys: remove it and start again.") from error

    def allow(self, level: str, headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
        """Whether a request may call a function of this level: anonymous, function or admin."""
        if not self.enforced or level.lower() == "anonymous":
            return True
        given = headers.get("x-functions-key") or query.get("code") or ""
        opening = [self.master] if level.lower() == "admin" else [self.master, self.default]
        # Every key is compared, so that the time taken says nothing about which one it nearly was.
        return any([hmac.compare_digest(given.encode(), key.encode()) for key in opening])


def _write(path: Path, content: Mapping[str, str]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
