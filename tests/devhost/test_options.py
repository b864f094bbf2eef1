"""host.json and local.settings.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devhost.options import QueueOptions, apply_local_settings, read_host_json, resolve
from devhost.refused import Refused


def _host_json(folder: Path, **queues: Any) -> Path:
    path = folder / "host.json"
    path.write_text(json.dumps({"version": "2.0", "extensions": {"queues": queues}}))
    return path


def test_the_projects_own_host_json_is_understood() -> None:
    """What is deployed is what runs here."""
    options = read_host_json(Path(__file__).parents[2] / "host.json")

    assert options.route_prefix == ""
    assert options.queues == QueueOptions(8, 4, 5, 30.0, 2.0, True)


def test_the_route_prefix_is_api_unless_said_otherwise(tmp_path: Path) -> None:
    """The host's default."""
    assert read_host_json(_host_json(tmp_path)).route_prefix == "api"


@pytest.mark.parametrize(
    "queues",
    [{"batchSize": 33}, {"batchSize": 0}, {"maxDequeueCount": 0}, {"visibilityTimeout": "30"},
     {"maxPollingInterval": "00:00:00"}, {"messageEncoding": "utf7"}, {"batchSize": "8"}],
)  # fmt: skip
def test_queue_options_out_of_bounds_are_refused(tmp_path: Path, queues: dict[str, Any]) -> None:
    """The real host does not start with them either."""
    with pytest.raises(Refused, match=r"host\.json"):
        read_host_json(_host_json(tmp_path, **queues))


def test_local_settings_do_not_replace_the_environment(tmp_path: Path) -> None:
    """Values fill in what is not set, as text."""
    path = tmp_path / "local.settings.json"
    path.write_text(json.dumps({"IsEncrypted": False, "Values": {"A": "file", "B": "file", "N": 3}}))
    environ = {"A": "environment"}

    apply_local_settings(path, environ)

    assert environ == {"A": "environment", "B": "file", "N": "3"}


def test_encrypted_settings_are_refused(tmp_path: Path) -> None:
    """Only Core Tools can read those."""
    path = tmp_path / "local.settings.json"
    path.write_text(json.dumps({"IsEncrypted": True, "Values": {}}))

    with pytest.raises(Refused, match="IsEncrypted"):
        apply_local_settings(path, {})


def test_another_runtime_is_refused(tmp_path: Path) -> None:
    """A settings file of another project."""
    with pytest.raises(Refused, match="FUNCTIONS_WORKER_RUNTIME"):
        apply_local_settings(tmp_path / "none", {"FUNCTIONS_WORKER_RUNTIME": "node"})


def test_a_percent_name_is_its_setting() -> None:
    """In queue names and schedules."""
    assert resolve("%PREFIX%-alerts", {"PREFIX": "test"}) == "test-alerts"


def test_a_percent_name_without_setting_is_refused() -> None:
    """The host would not start the function."""
    with pytest.raises(Refused, match="%GONE%"):
        resolve("%GONE%", {})
