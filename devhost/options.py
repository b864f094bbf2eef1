"""What host.json and local.settings.json say, read as the real host and Core Tools read them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devhost.refused import Refused

_TIMESPAN = re.compile(r"(?:(\d+)\.)?([01]?\d|2[0-3]):([0-5]?\d):([0-5]?\d)(\.\d+)?")


@dataclass(frozen=True)
class QueueOptions:
    """`extensions.queues` of host.json. Times in seconds; the defaults are the host's."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: float = 0.0
    max_polling_interval: float = 60.0
    base64: bool = True


@dataclass(frozen=True)
class HostOptions:
    """What of host.json the local host honours."""

    route_prefix: str = "api"
    queues: QueueOptions = field(default_factory=QueueOptions)


def read_host_json(path: Path) -> HostOptions:
    """Read host.json. Raises Refused for what the real host refuses."""
    content = _read_json(path)
    if content.get("version") != "2.0":
        raise Refused(f'{path.name} must say "version": "2.0".')
    extensions = content.get("extensions") or {}
    prefix = (extensions.get("http") or {}).get("routePrefix", "api")
    return HostOptions(str(prefix).strip("/"), _queues(extensions.get("queues") or {}))


def apply_local_settings(path: Path, environ: MutableMapping[str, str] | None = None) -> None:
    """Put local.settings.json's Values into the environment, where they are not set already. Fine if there is
    no file."""
    environ = os.environ if environ is None else environ
    if path.is_file():
        content = _read_json(path)
        if content.get("IsEncrypted"):
            raise Refused(f'{path.name} is encrypted: set "IsEncrypted": false.')
        for name, value in (content.get("Values") or {}).items():
            if isinstance(value, dict | list):
                raise Refused(f"{path.name}: the value of {name} must be text.")
            environ.setdefault(name, value if isinstance(value, str) else json.dumps(value))
    if environ.get("FUNCTIONS_WORKER_RUNTIME", "python") != "python":
        raise Refused("FUNCTIONS_WORKER_RUNTIME must be python: this host runs Python functions only.")


def resolve(text: str, environ: Mapping[str, str]) -> str:
    """Replace each `%NAME%` by the setting of that name. Raises Refused for one that is not set."""

    def value(found: re.Match[str]) -> str:
        if not environ.get(found[1]):
            raise Refused(f"'%{found[1]}%' names a setting that is not set.")
        return environ[found[1]]

    return re.sub(r"%([^%]+)%", value, text)


def _queues(said: Mapping[str, Any]) -> QueueOptions:
    batch = _whole(said, "batchSize", 16, 1, 32)
    encoding = str(said.get("messageEncoding", "base64")).lower()
    if encoding not in ("base64", "none"):
        raise Refused("host.json: messageEncoding is base64 or none.")
    longest = _seconds(said, "maxPollingInterval", 60.0)
    if longest < 0.1:
        raise Refused("host.json: maxPollingInterval is at least 00:00:00.1000000.")
    return QueueOptions(
        batch_size=batch,
        new_batch_threshold=_whole(said, "newBatchThreshold", batch // 2 * (os.cpu_count() or 1), 0, 10_000),
        max_dequeue_count=_whole(said, "maxDequeueCount", 5, 1, 1_000_000),
        visibility_timeout=_seconds(said, "visibilityTimeout", 0.0),
        max_polling_interval=longest,
        base64=encoding == "base64",
    )


def _whole(said: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = said.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise Refused(f"host.json: {name} is a number from {low} to {high}.")
    return value


def _seconds(said: Mapping[str, Any], name: str, default: float) -> float:
    if name not in said:
        return default
    found = _TIMESPAN.fullmatch(str(said[name]))
    if not found:
        raise Refused(f"host.json: {name} is a time like 00:00:30.")
    days, hours, minutes, seconds, fraction = found.groups()
    return (
        int(days or 0) * 86_400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds) + float(fraction or 0)
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise Refused(
            f"There is no {path.name} in {path.parent}: start in the function app's folder."
        ) from error
    except ValueError as error:
        raise Refused(f"{path.name} is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise Refused(f"{path.name} must be a JSON object.")
    return content
