"""The Bicep is sound as far as that shows without its compiler, and the Deploy to Azure template is made
from it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from deployment.bicep import NotBicepError, read_bicep
from deployment.button import TARGET, button_text
from deployment.provider_types import complaints
from deployment.template import template_of
from tests.infra.conftest import BICEP, ROOT, Json

KNOWN_COMPLAINTS = {
    # Documented, and not in the published types; the Bicep says so beside them.
    "Microsoft.Web/sites@2024-11-01.properties.functionsRuntimeAdminIsolationEnabled: "
    "there is no such property",
    "Microsoft.Web/sites/extensions@2022-09-01.properties: there is no such property",
}

every_file = pytest.mark.parametrize("path", BICEP, ids=lambda path: str(path.relative_to(ROOT / "infra")))


@every_file
def test_every_file_parses_and_says_what_it_is_for(path: Path) -> None:
    """With a grammar that is not ours."""
    [metadata] = read_bicep(path).of("metadata")

    assert metadata.name == "description"


@every_file
def test_every_parameter_and_output_is_described_and_everything_declared_is_used(path: Path) -> None:
    """The translation refuses what is not; so it does unknown names, parameters and wrong types."""
    assert template_of(path)["resources"]


def test_the_template_of_the_button_is_what_the_bicep_says() -> None:
    """Nobody edits it by hand: python3 dev.py infra --write."""
    assert (ROOT / TARGET).read_text(encoding="utf-8") == button_text(ROOT)


def test_main_hands_every_parameter_on() -> None:
    """What resources.bicep can do, azd and az can ask for."""
    main = read_bicep(ROOT / "infra" / "main.bicep")
    inner = read_bicep(ROOT / "infra" / "resources.bicep")
    shown = {one.name: one for one in main.of("param")}

    for one in inner.of("param"):
        if one.name != "tags":
            assert _text(shown[one.name]) == _text(one) or one.name == "location"


def _text(one: Any) -> str:
    return str(one.node.text)


def test_parameter_files_name_parameters_that_exist() -> None:
    """azd's and az's, and each setting of the environment means the same in both."""
    main = read_bicep(ROOT / "infra" / "main.bicep")
    known = {one.name for one in main.of("param")}
    azd = json.loads((ROOT / "infra" / "main.parameters.json").read_text())["parameters"]
    lines = (ROOT / "infra" / "main.bicepparam").read_text().splitlines()
    az = {line.split()[1]: line.split("'")[1] for line in lines if line.startswith("param ")}

    assert set(azd) | set(az) <= known
    assert {name: one["value"].strip("${}").split("=")[0] for name, one in azd.items()} == az


def test_what_is_required_has_a_value_in_both_parameter_files(template: Json) -> None:
    """A deployment that asks questions cannot be copied from a page."""
    main = template_of(ROOT / "infra" / "main.bicep")
    required = {name for name, one in main["parameters"].items() if "defaultValue" not in one}
    azd = json.loads((ROOT / "infra" / "main.parameters.json").read_text())["parameters"]

    assert required == {"environmentName", "location"}
    assert required <= set(azd)


FAULTS = {
    "var a = b": "'b' is not declared",
    "var a = nonsense('x')": "the function 'nonsense' is not known",
    "param a string": "'a' has no description",
    "@description('x')\nparam a string = 1": "this is int, and string is wanted",
    "@description('x')\nparam a string": "'a' is declared and never used",
    "resource r 'A.B/c' = {\n  name: 'x'\n}": "is not a type with a version",
    "resource r 'A.B/c@2024-01-01' = {\n  name: r.properties.x\n}": "'r' is not declared",
    "resource r 'A.B/c@2024-01-01' = {\n  parent: q\n  name: 'x'\n}": "'q' is not declared",
    "module m 'nowhere.bicep' = {\n  name: 'x'\n}": "there is no file 'nowhere.bicep'",
    "module m 'inner.bicep' = {\n  name: 'x'\n  params: {\n    b: 'y'\n  }\n}": "missing: ['a']",
    "module m 'inner.bicep' = {\n  name: 'x'\n  params: {\n    a: true\n  }\n}": "this is bool, and string",
    "var a = empty('') ? 'x' : a.b": "put what stands behind the operator into parentheses",
    "param a string = = 1": "this is not Bicep",
}


@pytest.mark.parametrize(("source", "words"), list(FAULTS.items()), ids=str)
def test_what_the_compiler_would_refuse_is_refused(tmp_path: Path, source: str, words: str) -> None:
    """With the file and the line."""
    (tmp_path / "inner.bicep").write_text(
        "@description('x')\nparam a string\n\n@description('y')\noutput o string = a\n"
    )
    file = tmp_path / "faulty.bicep"
    file.write_text(source + "\n")

    with pytest.raises(NotBicepError, match=r"faulty\.bicep:\d+: ") as refused:
        template_of(file)

    assert words in str(refused.value)


def test_a_name_that_is_known_only_while_deploying_is_refused(tmp_path: Path) -> None:
    """ARM needs every name before it begins."""
    one = "resource one 'A.B/c@2024-01-01' = {\n  name: 'one'\n}\n"
    two = "resource two 'A.B/c@2024-01-01' = {\n  name: one.properties.name\n}\n"
    (tmp_path / "faulty.bicep").write_text(one + two)

    with pytest.raises(NotBicepError, match="must be known before"):
        template_of(tmp_path / "faulty.bicep")


def test_expressions_become_what_arm_reads(tmp_path: Path) -> None:
    """Literals stay, the rest is one bracketed expression; dependencies follow from what is used."""
    (tmp_path / "some.bicep").write_text(
        """
@description('Names.')
param names array
var plain = {
  a: '[not an expression]'
  b: 'it''s ${empty(names) ? 1 : 2} {braces}'
  c: [for name in names: {
    d: '${name}!'
  }]
}
resource one 'A.B/c@2024-01-01' = {
  name: 'one'
}
resource many 'A.B/c/d@2024-01-01' = [for (name, index) in names: if (index > 0) {
  parent: one
  name: name
  properties: {
    id: one.id
    state: one.properties.state
    plain: plain
  }
}]
""".replace("''s", "\\'s")
    )

    made = template_of(tmp_path / "some.bicep")

    assert made["variables"]["plain"] == {
        "copy": [
            {
                "name": "c",
                "count": "[length(parameters('names'))]",
                "input": {"d": "[format('{0}!', parameters('names')[copyIndex('c')])]"},
            }
        ],
        "a": "[[not an expression]",
        "b": "[format('it''s {0} {{braces}}', if(empty(parameters('names')), 1, 2))]",
    }
    assert made["resources"][1] == {
        "copy": {"name": "many", "count": "[length(parameters('names'))]"},
        "condition": "[greater(copyIndex(), 0)]",
        "type": "A.B/c/d",
        "apiVersion": "2024-01-01",
        "name": "[format('{0}/{1}', 'one', parameters('names')[copyIndex()])]",
        "properties": {
            "id": "[resourceId('A.B/c', 'one')]",
            "state": "[reference(resourceId('A.B/c', 'one'), '2024-01-01').state]",
            "plain": "[variables('plain')]",
        },
        "dependsOn": ["[resourceId('A.B/c', 'one')]"],
    }


def test_every_resource_fits_the_published_types(template: Json) -> None:
    """Properties, their types, closed lists of values, what is required: as they are published."""
    folder = os.environ.get("POCKETSOC_BICEP_TYPES")
    if not folder:
        pytest.skip("POCKETSOC_BICEP_TYPES names no copy of Azure/bicep-types-az")
    main = template_of(ROOT / "infra" / "main.bicep")

    found = {*complaints(template, Path(folder)), *complaints(main, Path(folder))}

    assert found == KNOWN_COMPLAINTS


def test_a_wrong_property_is_found_with_the_published_types(tmp_path: Path) -> None:
    """The comparison itself, on types of a few lines."""
    types: list[dict[str, Any]] = [
        {"$type": "StringType"},
        {"$type": "BooleanType"},
        {"$type": "StringLiteralType", "value": "Hot"},
        {"$type": "UnionType", "elements": [{"$ref": "#/2"}]},
        {
            "$type": "ObjectType",
            "properties": {
                "tier": {"type": {"$ref": "#/3"}, "flags": 1},
                "open": {"type": {"$ref": "#/1"}, "flags": 0},
                "state": {"type": {"$ref": "#/0"}, "flags": 2},
            },
        },
        {
            "$type": "ObjectType",
            "properties": {
                "name": {"type": {"$ref": "#/0"}, "flags": 1},
                "properties": {"type": {"$ref": "#/4"}, "flags": 0},
            },
        },
        {"$type": "ResourceType", "name": "A.B/c@2024-01-01", "body": {"$ref": "#/5"}},
    ]
    (tmp_path / "types.json").write_text(json.dumps(types))
    head = {"type": "A.B/c", "apiVersion": "2024-01-01", "name": "x"}
    good = {"tier": "[parameters('tier')]", "open": True}
    bad = {"opne": True, "open": "yes", "state": "ok"}

    def found(properties: dict[str, Any]) -> set[str]:
        made = {"resources": [{**head, "properties": properties}]}
        return {line.partition(".properties.")[2] for line in complaints(made, tmp_path)}

    assert found(good) == set()
    assert found({"tier": "Warm"}) == {"tier: Warm is none of the values"}
    assert found(bad) == {
        "opne: there is no such property",
        "open: must be BooleanType",
        "state: is read-only",
        "tier: is missing",
    }
