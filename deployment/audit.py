"""Runs checkov over Bicep, ARM templates and workflows, and lets nothing pass that is not explained beside
it.

checkov says "0 failed" of a file that it cannot read, and goes on when one of its own checks breaks. Both are
findings here. Without a network account it knows no severities; so every finding counts.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OPTIONS = ("--skip-download", "--compact", "--quiet", "--output", "json")
# Its own checks that break on an expression where they expect a word. What they look for is a parameter
# here, and # explained beside it.
_BREAKS = {"CKV_AZURE_189"}
_BROKEN = re.compile(r"Failed to run check (\w+) on (\S+)")


@dataclass(frozen=True)
class Report:
    """What was found. `findings` is empty when all is well."""

    passed: int
    explained: int
    resources: int
    findings: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether something was looked at, and nothing is wrong with it."""
        return not self.findings and self.passed > 0

    def text(self) -> str:
        """A line for each finding, and one with the numbers."""
        numbers = f"checkov: {self.resources} resources, {self.passed} passed, {self.explained} explained"
        return "\n".join([*self.findings, f"{numbers}, {len(self.findings)} to be explained or mended"])


def audit(root: Path, checkov: Path) -> Report:
    """Check everything. Raises OSError when checkov cannot be started."""
    answers: list[Mapping[str, Any]] = []
    complaints: list[str] = []
    for framework, targets in _targets(root):
        said, errors = _run(checkov, framework, targets, root)
        answers += said
        complaints += _broken_checks(errors)
    return summed(answers, complaints)


def summed(answers: Iterable[Mapping[str, Any]], complaints: Sequence[str] = ()) -> Report:
    """The report of checkov's answers."""
    findings, passed, explained, resources = list(complaints), 0, 0, 0
    for one in answers:
        results = one.get("results", {})
        counts = one.get("summary", {})  # without one: there was no such file
        passed += counts.get("passed", 0)
        explained += counts.get("skipped", 0)
        resources += counts.get("resource_count", 0)
        findings += [f"{path}: checkov cannot read it" for path in results.get("parsing_errors", [])]
        findings += [_finding(failed) for failed in results.get("failed_checks", [])]
    return Report(passed, explained, resources, tuple(findings))


def _targets(root: Path) -> list[tuple[str, list[str]]]:
    arm = [
        "infra/azuredeploy.json",
        *(f"templates/{p.name}" for p in (root / "templates").glob("*automation*.json")),
    ]
    return [
        ("bicep", ["-d", "infra"]),
        ("arm", [word for path in arm for word in ("-f", path)]),
        ("github_actions", ["-d", ".github"]),
    ]


def _run(
    checkov: Path, framework: str, targets: list[str], root: Path
) -> tuple[list[Mapping[str, Any]], str]:
    command = [str(checkov), "--framework", framework, *targets, *_OPTIONS]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        answer = json.loads(ended.stdout)
    except ValueError as error:
        raise OSError(f"checkov gave no answer for {framework}: {ended.stderr[-500:]}") from error
    return (answer if isinstance(answer, list) else [answer]), ended.stderr


def _broken_checks(errors: str) -> list[str]:
    broken = set(_BROKEN.findall(errors))
    return [
        f"{place}: checkov's check {check} broke" for check, place in sorted(broken) if check not in _BREAKS
    ]


def _finding(failed: Mapping[str, Any]) -> str:
    line = failed["file_line_range"][0]
    return f"{failed['file_path']}:{line} {failed['resource']}: {failed['check_id']} {failed['check_name']}"
