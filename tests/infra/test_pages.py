"""What docs/deploy.md tells people to type exists: scripts and their options, files, parameters, outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from deployment.bicep import read_bicep
from tests.infra.conftest import ROOT, Json

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def lines() -> Iterator[str]:
    """Every command line."""
    for block in BLOCKS:
        yield from block.replace("\\\n", " ").splitlines()


def test_scripts_are_there_and_have_the_options() -> None:
    """As their own texts say."""
    used = [line.split() for line in lines() if line.startswith("infra/scripts/")]

    for script, *words in used:
        text = (ROOT / script).read_text(encoding="utf-8")
        assert [word for word in words if word.startswith("--") and f"{word})" not in text] == []
    assert len({script for script, *_ in used}) == 3


def test_features_that_are_granted_are_in_the_table() -> None:
    """Or the script refuses them."""
    table = (ROOT / "infra" / "scripts" / "vendor-permissions.tsv").read_text(encoding="utf-8")
    used = {
        word
        for line in lines()
        if "grant-vendor" in line
        for word in line.split()
        if re.match(r"[a-z]+_", word)
    }

    assert [word for word in used if not re.search(rf"^{word}[.\t]", table, re.MULTILINE)] == []
    assert used


def test_files_are_there() -> None:
    """Templates and parameters."""
    assert [f for f in re.findall(r"\binfra/[\w./-]+\w", "\n".join(lines())) if not (ROOT / f).exists()] == []


def test_what_is_set_for_azd_and_az_is_read() -> None:
    """A name that nothing reads would be set in vain."""
    azd = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
    az = (ROOT / "infra" / "main.bicepparam").read_text(encoding="utf-8")
    exported = {
        name for line in lines() if line.startswith("export") for name in re.findall(r"([A-Z_]+)=", line)
    }
    for_azd = {line.split()[3] for line in lines() if line.startswith("azd env set")}

    assert [name for name in for_azd if f"${{{name}" not in azd] == []
    assert [name for name in exported if f"'{name}'" not in az] == []


def test_outputs_that_are_asked_for_exist() -> None:
    """By az after a deployment, and by azd."""
    outputs = {one.name for one in read_bicep(ROOT / "infra" / "main.bicep").of("output")}
    asked = set(re.findall(r"properties\.outputs\.(\w+)\.", PAGE))

    assert asked
    assert asked | {"AZURE_FUNCTION_APP_NAME", "SERVICE_BACKEND_URI"} <= outputs


def test_parameters_in_the_table_and_in_commands_exist(template: Json) -> None:
    """With the defaults that the table shows."""
    table = PAGE.partition("## Choices")[2].partition("\n## ")[0]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    typed = set(re.findall(r"--parameters (\w+)=", PAGE)) | set(
        re.findall(r" (\w+)=\"<client id>\"$", PAGE, re.MULTILINE)
    )

    assert named | (typed - {"API_CLIENT_ID"}) <= set(template["parameters"])
    shown = re.search(r"`maximumInstanceCount` \| `(\d+)`", table)
    assert shown
    assert int(shown[1]) == template["parameters"]["maximumInstanceCount"]["defaultValue"]


def test_every_alert_is_explained(modules: dict[str, Json]) -> None:
    """With what to do."""
    table = PAGE.partition("## What tells you")[2].partition("\n## ")[0]
    rules = {rule["name"] for rule in modules["alerts"]["variables"]["rules"]}

    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == rules


def test_providers_that_are_registered_are_those_that_are_used(resources: list[Json]) -> None:
    """A missing registration fails the deployment at its end."""
    [loop] = [line for line in lines() if line.startswith("for provider in")]
    named = set(re.findall(r"Microsoft\.\w+", loop))
    used = {one["type"].split("/")[0] for one in resources}

    assert used - {"Microsoft.Authorization", "Microsoft.Resources"} <= named


@pytest.mark.parametrize(
    "heading", ["Road A: azd", "Road B: the Deploy to Azure button", "Road C: az and func"]
)
def test_every_road_says_what_it_prints(heading: str) -> None:
    """And is marked as needing Azure."""
    road = PAGE.partition(f"### {heading}\n")[2]
    road = road[: min(road.find(end) for end in ("\n### ", "\n## ") if end in road)]

    assert "**Azure**" in road
    assert "prints" in road


def test_what_needs_azure_is_marked() -> None:
    """Each block with az, azd, func or curl has the mark before it."""
    unmarked = []
    for before, block in zip(
        re.split(r"^```bash\n.*?^```$", PAGE, flags=re.MULTILINE | re.DOTALL), BLOCKS, strict=False
    ):
        needs = re.search(r"^(az|azd|func|curl|infra/scripts)\b|\$\(az ", block, re.MULTILINE)
        if needs and "**Azure**" not in before.rstrip().splitlines()[-1]:
            unmarked.append(block.splitlines()[0])
    assert unmarked == []
