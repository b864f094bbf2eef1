"""Alerts and workbook ask for what the product really logs: its functions, its lines, the names in them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from shared.nouns.notifications import Outcome
from shared.pipeline import notify, pulse
from tests.infra.conftest import ROOT, Json
from tests.pipeline.mortal import Rig

WORKBOOK = json.loads((ROOT / "infra" / "workbook.json").read_text(encoding="utf-8"))


@pytest.fixture
def queries(modules: dict[str, Json]) -> list[str]:
    """Every query of the alert rules and of the workbook."""
    rules = [rule["query"] for rule in modules["alerts"]["variables"]["rules"]]
    return rules + [item["content"]["query"] for item in WORKBOOK["items"] if item["type"] == 3]


@pytest.fixture
def said() -> Iterator[set[str]]:
    """The names in a pulse."""
    rig = Rig()
    line = rig.parts.pulse.line() or ""
    yield set(json.loads(line.partition(" ")[2]))
    rig.close()


def test_the_lines_begin_as_they_are_logged(queries: list[str]) -> None:
    """And what is parsed begins behind the word."""
    for query in queries:
        for word, start in re.findall(r'startswith "(\w+) ".*?substring\(Message, (\d+)\)', query):
            assert word in (pulse.WORD, notify.WORD)
            assert int(start) == len(word) + 1


def test_the_names_in_the_lines_are_logged(queries: list[str], said: set[str]) -> None:
    """A name that nobody logs would be null for ever, and the alert silent."""
    named = {n for query in queries for n in re.findall(r"(?:Said|\)\))\.(\w+)", query)}

    assert named - said - set(Outcome) == set()
    assert {"lag_seconds", "poison", "our_fault"} <= named


def test_the_functions_exist(queries: list[str]) -> None:
    """By their names in function_app.py."""
    functions = set(
        re.findall(r"^(?:async )?def (\w+)\(", (ROOT / "function_app.py").read_text(), re.MULTILINE)
    )
    named = {
        name for query in queries for name in re.findall(r'Name (?:==|in) \(?"(\w+)"(?:, "(\w+)")?', query)
    }
    starts = {start for query in queries for start in re.findall(r'Name startswith "(\w+)"', query)}

    assert {one for names in named for one in names if one} <= functions
    assert all(any(name.startswith(start) for name in functions) for start in starts)


def test_other_lines_are_found_in_the_code(queries: list[str]) -> None:
    """As they begin there."""
    code = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "shared" / "pipeline").glob("*.py"))
    starts = {one for query in queries for one in re.findall(r'Message startswith "([^"]+)"', query)}

    assert [one for one in starts if one.strip() not in ("pulse", "pushes") and f'"{one}' not in code] == []
    assert {"trouble: ", "the ledger found ", "poll of "} <= starts


def test_the_outcomes_of_pushes_are_all_logged() -> None:
    """Zero is said, too: a missing name and no failure would look the same."""
    counts = {str(outcome): Counter()[outcome] for outcome in Outcome}

    assert set(counts) == {"delivered", "gone", "later", "our_fault"}


def test_what_must_not_stay_unnoticed_has_its_alert(modules: dict[str, Json]) -> None:
    """Each with words that lead on, and all to the same people."""
    rules = {rule["name"]: rule for rule in modules["alerts"]["variables"]["rules"]}

    assert set(rules) == {
        *("no-tick", "poison", "lag", "push-failures", "exceptions", "trouble", "refusals"),
    }
    assert all(rule["description"].endswith(".") for rule in rules.values())
    assert rules["no-tick"]["operator"] == "LessThan"


def test_the_workbook_is_bound_to_the_workspace_of_the_deployment() -> None:
    """Its place holder is replaced while deploying; every query has it."""
    asking = [item["content"] for item in WORKBOOK["items"] if item["type"] == 3]

    assert all(one["crossComponentResources"] == ["<workspace>"] for one in asking)
    assert "'<workspace>'" in (ROOT / "infra" / "modules" / "alerts.bicep").read_text()
    assert [one["title"] for one in asking if "Completeness" in one["title"]]
