"""The workflows take no code that can change under them, no right that they do not need, and no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
USES = re.compile(r"^\s*(?:- )?uses: (\S+)(?:\s+#\s*(\S+))?$", re.MULTILINE)

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def read(path: Path) -> dict[Any, Any]:
    """A workflow. Its key `on` is true in YAML."""
    content: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def steps(workflow: dict[Any, Any]) -> Iterator[dict[str, Any]]:
    """Every step of every job."""
    return (step for job in workflow["jobs"].values() for step in job["steps"])


def test_the_workflows_are_these() -> None:
    """Each other test would pass on none."""
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "deploy.yml"]


@every_workflow
def test_actions_are_pinned_by_commit_and_say_their_version(path: Path) -> None:
    """A tag can be moved; a commit cannot. One action has one commit everywhere."""
    used = USES.findall(path.read_text(encoding="utf-8"))

    assert len(used) == sum("uses" in step for step in steps(read(path)))
    assert [name for name, _ in used if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", name)] == []
    assert [name for name, version in used if not re.fullmatch(r"v\d+\.\d+\.\d+", version)] == []


def test_one_action_is_pinned_once() -> None:
    """Two versions of one action are one forgotten update."""
    used = {name for path in WORKFLOWS for name, _ in USES.findall(path.read_text(encoding="utf-8"))}

    assert len({name.partition("@")[0] for name in used}) == len(used)


@every_workflow
def test_rights_are_none_but_what_a_job_names(path: Path) -> None:
    """The default token may write; so nothing is left to the default."""
    workflow = read(path)

    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert set(job["permissions"].items()) <= {
            ("contents", "read"),
            ("contents", "write"),
            ("id-token", "write"),
        }
        assert job["timeout-minutes"] <= 60


def test_only_deploying_gets_a_token_of_azure_and_only_publishing_writes() -> None:
    """And neither runs for a pull request."""
    rights = {
        (path.name, name): set(job["permissions"].items())
        for path in WORKFLOWS
        for name, job in read(path)["jobs"].items()
    }

    assert {key for key, had in rights.items() if ("id-token", "write") in had} == {("deploy.yml", "deploy")}
    assert {key for key, had in rights.items() if ("contents", "write") in had} == {("deploy.yml", "publish")}
    assert "pull_request" not in read(ROOT / ".github" / "workflows" / "deploy.yml")[True]
    assert not any("pull_request_target" in read(path)[True] for path in WORKFLOWS)


@every_workflow
def test_a_checkout_leaves_no_token_behind(path: Path) -> None:
    """Later steps run code of packages."""
    checkouts = [step for step in steps(read(path)) if step.get("uses", "").startswith("actions/checkout@")]

    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@every_workflow
def test_no_expression_stands_in_a_script(path: Path) -> None:
    """What others type (a title, a branch) would be run. Values go through the environment."""
    scripts = [step["run"] for step in steps(read(path)) if "run" in step]

    assert [script for script in scripts if "${{" in script] == []


@every_workflow
def test_no_secret_signs_in_to_azure(path: Path) -> None:
    """GitHub's own token is exchanged; the only secret is a licence of a scanner."""
    secrets = set(re.findall(r"secrets\.(\w+)", path.read_text(encoding="utf-8")))

    assert secrets <= {"GITLEAKS_LICENSE"}


def test_continuous_integration_runs_what_is_run_here() -> None:
    """.ci/run, in which lint, infra and tests are."""
    run = [step.get("run") for step in steps(read(ROOT / ".github" / "workflows" / "ci.yml"))]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert "bash .ci/run" in run
    assert [c for c in ("lint", "infra", "test") if f"python3 dev.py {c}" not in script] == []


@every_workflow
def test_scripts_name_what_exists(path: Path) -> None:
    """Commands of dev.py and files of this folder."""
    scripts = "\n".join(step["run"] for step in steps(read(path)) if "run" in step)
    commands = set(re.findall(r"dev\.py (\w+)", scripts))
    known = set(re.findall(r'^    "(\w+)": \w+,$', (ROOT / "dev.py").read_text(), re.MULTILINE))

    assert commands <= known
    assert [f for f in re.findall(r"infra/[\w./]+", scripts) if not (ROOT / f).exists()] == []
