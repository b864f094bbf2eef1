"""The form behind the Deploy to Azure button fits the template."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.infra.conftest import ROOT, Json

FORM: dict[str, Any] = json.loads((ROOT / "infra" / "createUiDefinition.json").read_text(encoding="utf-8"))[
    "parameters"
]


def fields() -> dict[tuple[str, str], Any]:
    """Every field, by its step and its name."""
    steps = [("basics", FORM["basics"]), *((s["name"], s["elements"]) for s in FORM["steps"])]
    return {(step, one["name"]): one for step, elements in steps for one in elements}


def test_what_the_form_gives_the_template_takes(template: Json) -> None:
    """The portal refuses an output that is no parameter."""
    assert set(FORM["outputs"]) <= set(template["parameters"])


def test_everything_required_is_asked(template: Json) -> None:
    """Or the deployment fails at the end of the form."""
    required = {name for name, one in template["parameters"].items() if "defaultValue" not in one}

    assert required <= set(FORM["outputs"])


def test_outputs_come_from_fields_and_every_field_is_used() -> None:
    """By the step and the name that they have."""
    text = json.dumps(FORM["outputs"])
    used = {(step, name) for step, name in re.findall(r"steps\('(\w+)'\)\.(\w+)", text)}
    used |= {("basics", name) for name in re.findall(r"basics\('(\w+)'\)", text)}

    assert used == set(fields())


def test_choices_are_those_of_the_template(template: Json) -> None:
    """Each value that can be chosen is allowed."""
    for (_, name), field in fields().items():
        offered = (
            {one["value"] for one in field["constraints"].get("allowedValues", [])}
            if "constraints" in field
            else set()
        )
        allowed = template["parameters"][name].get("allowedValues")
        assert allowed is None or offered <= set(allowed)
        labels = [one["label"] for one in field.get("constraints", {}).get("allowedValues", [])]
        assert not labels or field["defaultValue"] in labels


def test_patterns_take_what_they_should() -> None:
    """An empty client id and a real one; no address without https."""
    pattern = {name: one.get("constraints", {}).get("regex", "") for (_, name), one in fields().items()}

    assert re.match(pattern["apiClientId"], "")
    assert re.match(pattern["apiClientId"], "c7a9f3b2-6e1d-4f58-b04a-0c0ffee00007")
    assert not re.match(pattern["apiClientId"], "PocketSOC")
    assert re.match(pattern["alertEmail"], "soc@example.com")
    assert not re.match(pattern["packageUri"], "http://example.com/package.zip")
