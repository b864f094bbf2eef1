"""checkov's answers are read without mercy: what it could not read is a finding, too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deployment.audit import audit, summed
from deployment.bicep import read_bicep, skips
from tests.infra.conftest import BICEP, ROOT

PROGRAM = ROOT / ".local" / "tools" / "infra" / ("Scripts/checkov.exe" if os.name == "nt" else "bin/checkov")


def test_a_file_that_cannot_be_read_is_a_finding() -> None:
    """checkov itself ends with 0 then."""
    answer = {"summary": {"passed": 3, "skipped": 0}, "results": {"parsing_errors": ["main.bicep"]}}

    report = summed([answer])

    assert report.findings == ("main.bicep: checkov cannot read it",)
    assert not report.clean


def test_a_check_that_broke_is_a_finding() -> None:
    """It has said nothing about the resource."""
    assert not summed([{"summary": {"passed": 3, "skipped": 0}}], ["x: checkov's check CKV_1 broke"]).clean


def test_nothing_looked_at_is_not_clean() -> None:
    """An empty folder passes every check."""
    assert not summed([{"passed": 0}]).clean


def test_a_finding_names_file_line_resource_and_check() -> None:
    """So that it can be mended, or explained beside it."""
    failed = {
        "file_path": "/modules/storage.bicep",
        "file_line_range": [7, 9],
        "resource": "Microsoft.Storage/storageAccounts.account",
        "check_id": "CKV_AZURE_3",
        "check_name": "Ensure https",
    }
    answer = {"summary": {"passed": 1, "skipped": 2}, "results": {"failed_checks": [failed]}}

    [finding] = summed([answer]).findings

    assert finding.startswith(
        "/modules/storage.bicep:7 Microsoft.Storage/storageAccounts.account: CKV_AZURE_3"
    )


@pytest.mark.parametrize("path", BICEP, ids=lambda path: path.name)
def test_every_explanation_has_a_reason(path: Path) -> None:
    """`skip` alone explains nothing."""
    for one in read_bicep(path).declarations:
        for line in skips(one.node):
            _, _, reason = line.partition(": ")
            assert len(reason) > 5, line


def test_there_is_no_finding() -> None:
    """In Bicep, ARM, templates and workflows."""
    if not PROGRAM.exists():
        pytest.skip("checkov is not installed: run `python3 dev.py infra` once, which also runs it")

    report = audit(ROOT, PROGRAM)

    assert report.findings == ()
    assert report.resources > 100
