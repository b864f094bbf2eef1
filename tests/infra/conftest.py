"""The infrastructure as the tests look at it: Bicep files, the template made from them, the lines of the
code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from deployment.provider_types import resources_of
from deployment.template import template_of

ROOT = Path(__file__).parents[2]
BICEP = sorted((ROOT / "infra").rglob("*.bicep"))

Json = Mapping[str, Any]


@pytest.fixture(scope="session")
def template() -> Json:
    """resources.bicep as ARM JSON."""
    return template_of(ROOT / "infra" / "resources.bicep")


@pytest.fixture(scope="session")
def modules(template: Json) -> dict[str, Json]:
    """The templates of the modules, by the name of their deployment without its prefix."""
    return {
        str(one["name"]).removeprefix("pocketsoc-"): one["properties"]["template"]
        for one in template["resources"]
    }


@pytest.fixture(scope="session")
def resources(template: Json) -> list[Json]:
    """Every resource, however deep."""
    return list(resources_of(template))


def of_type(resources: list[Json], kind: str) -> Iterator[Json]:
    """Those of one type."""
    return (one for one in resources if one["type"].lower() == kind.lower())
