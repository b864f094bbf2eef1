"""The settings' model, the sample file and the code name the same settings."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from devhost.local_product import product_environment
from devhost.show import Places
from shared.errors import OperatorMustAct
from shared.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parent.parent
ALIASES = {name: str(field.alias) for name, field in Settings.model_fields.items()}
# Read by the Functions host, not by the product.
HOST = {"FUNCTIONS_WORKER_RUNTIME", "PYTHON_THREADPOOL_THREAD_COUNT", "AzureWebJobsDisableHomepage"}
# Read by the tests.
TOOL = {"POCKETSOC_URL", "POCKETSOC_TOKEN", "POCKETSOC_TOKEN_COMMAND"}  # what python -m operate reads
TESTS = {"POCKETSOC_SAMPLES", "POCKETSOC_AZURITE", "POCKETSOC_BICEP_TYPES"}


def _sample() -> list[tuple[str, str]]:
    read = json.loads((ROOT / "local.settings.sample.json").read_text(), object_pairs_hook=list)
    values: list[tuple[str, str]] = dict(read)["Values"]
    return values


def _texts(*patterns: str) -> dict[Path, str]:
    paths = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in paths}


def _without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*ALIASES.values(), "WEBSITE_INSTANCE_ID"} & set(os.environ):
        monkeypatch.delenv(name)


def test_the_sample_lists_every_setting_once_and_nothing_else() -> None:
    """Those of the model, and the three that the host reads."""
    assert sorted(name for name, _ in _sample()) == sorted({*ALIASES.values(), *HOST})


def test_the_sample_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied to local.settings.json, the product starts with it, and speaks to the simulator."""
    _without_settings(monkeypatch)
    for name, value in _sample():
        monkeypatch.setenv(name, value)

    settings = read_settings()

    assert settings.simulator_url == "https://localhost:7443"
    assert settings.storage_account is None


def test_the_sample_says_what_the_local_run_sets(tmp_path: Path) -> None:
    """Both ways to run on this machine mean the same simulated tenant."""
    places = Places(7071, 7443, tmp_path, "python")
    environ = product_environment("UseDevelopmentStorage=true", places)
    in_local = {"POCKETSOC_CA_BUNDLE", "POCKETSOC_SECRETS_FILE"}

    same = {name: value for name, value in environ.items() if name.partition("_")[0] != "IDENTITY"}

    sample = dict(_sample())
    assert {k: v for k, v in same.items() if k not in in_local}.items() <= sample.items()
    assert {k: Path(same[k]).relative_to(tmp_path) for k in in_local} == {
        k: Path(sample[k]).relative_to(".local") for k in in_local
    }


@pytest.mark.parametrize("field", sorted(ALIASES))
def test_every_setting_is_used(field: str) -> None:
    """One that nobody reads is a promise that nobody keeps."""
    code = "\n".join(text for path, text in _texts("shared/**/*.py").items() if path.name != "settings.py")

    assert re.search(rf"settings\.{field}\b", code)


def test_no_text_names_a_setting_that_does_not_exist() -> None:
    """In code, error texts, documents and infrastructure."""
    texts = _texts(
        "*.py", "*.md", "shared/**/*.py", "devhost/*.py", "operate/*.py", "simulator/**/*.py", "docs/**/*.md",
        "infra/**/*.bicep", "infra/**/*.json", "tests/**/*.py", "benchmarks/*.py", ".ci/*",
    )  # fmt: skip

    named = {
        (name, path)
        for path, text in texts.items()
        for name in re.findall(r"(?<!YOUR_)POCKETSOC_[A-Z_]*[A-Z]\b", text)
    }

    assert {(name, path) for name, path in named if name not in {*ALIASES.values(), *TESTS, *TOOL}} == set()


def test_the_environment_is_read_for_settings_in_one_place() -> None:
    """shared/settings.py is the only product file that looks a setting up by its name."""
    reading = re.compile(r"environ[^\n]*(POCKETSOC_|AzureWebJobs)|getenv\([^\n]*(POCKETSOC_|AzureWebJobs)")

    found = [
        path for path, text in _texts("function_app.py", "shared/**/*.py").items() if reading.search(text)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("POCKETSOC_SIMULATOR_URL", "http://localhost:1", "https"),
        ("POCKETSOC_CLOUD", "mars", "POCKETSOC_CLOUD"),
        ("POCKETSOC_WEBHOOK_MAX_BYTES", "-1", "POCKETSOC_WEBHOOK_MAX_BYTES"),
        ("POCKETSOC_KEY_VAULT_URL", "@Microsoft.KeyVault(SecretUri=x)", "was not resolved"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_is_not(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    """The operator learns which one; the log learns no value."""
    _without_settings(monkeypatch)
    monkeypatch.setenv(name, value)

    with pytest.raises(OperatorMustAct, match=words) as wrong:
        read_settings()

    assert value not in str(wrong.value)


@pytest.mark.parametrize("name", ["POCKETSOC_SIMULATOR_URL", "POCKETSOC_SECRETS_FILE"])
def test_local_settings_are_refused_in_azure(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A simulator or a secrets file in production would be a hole."""
    _without_settings(monkeypatch)
    monkeypatch.setenv("WEBSITE_INSTANCE_ID", "1")
    monkeypatch.setenv(name, "https://localhost:1")

    with pytest.raises(OperatorMustAct, match="local use"):
        read_settings()


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    """With or without spaces; empty is none."""
    _without_settings(monkeypatch)
    monkeypatch.setenv("POCKETSOC_PUSH_HOSTS", " push.example.com , *.example.org,")

    assert read_settings().push_hosts == ("push.example.com", "*.example.org")
    assert read_settings().api_audience == ()
