"""What the simulated `$filter` and `$orderby` understand, and what they refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from simulator import ticks
from simulator.odata import Kind, ODataError, Property, parse_filter, parse_orderby

SCHEMA: Mapping[str, Property] = {
    "severity": Property(Kind.text, lambda row: row["severity"]),
    "incidentid": Property(Kind.number, lambda row: row["incident"]),
    "lastupdatetime": Property(Kind.time, lambda row: row["updated"]),
}
ROW = {"severity": "High", "incident": 7, "updated": ticks.parse("2026-11-20T10:00:00.0566667Z")}


def matches(text: str, **row: Any) -> bool:
    return parse_filter(text, SCHEMA).test(ROW | row)


@pytest.mark.parametrize(
    "text",
    [
        "severity eq 'High'",
        "SEVERITY eq 'High' and IncidentId ge 7",
        "severity ne 'Low'",
        "incidentId in (5, 7)",
        "not (severity eq 'Low') and not incidentId lt 7",
        "severity eq 'Low' or incidentId le 7",
        "incidentId ne null",
        "lastUpdateTime ge 2026-11-20T10:00:00.0566667Z",
        "lastUpdateTime gt 2026-11-20T10:00:00.0566666Z",
        "lastUpdateTime lt 2026-11-20T11:00:00.06+01:00 and lastUpdateTime gt 2026-11-20Z",
    ],
)
def test_a_row_matches(text: str) -> None:
    """Each of these says something true of the row."""
    assert matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "severity eq 'high'",
        "lastUpdateTime gt 2026-11-20T10:00:00.0566667Z",
        "incidentId gt 7",
        "severity eq null",
    ],
)
def test_a_row_does_not_match(text: str) -> None:
    """Each of these says something false: case counts, and so does the seventh digit."""
    assert not matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "severity",
        "severity eq",
        "severity eq High",
        "severity eq 'High",
        "severity eq 'High' and",
        "(severity eq 'High'",
        "severity eq 'High')",
        "colour eq 'red'",
        "severity like 'Hi'",
        "lastUpdateTime ge '2026-11-20T10:00:00Z'",
        "lastUpdateTime ge 2026-11-20T10:00:00",
        "lastUpdateTime ge 2026-11-20T10:00:00 00:00",
        "lastUpdateTime ge 2026-13-40T10:00:00Z",
        "incidentId eq '7'",
        "severity eq 'High' ; drop",
    ],
)
def test_bad_filters_are_refused(text: str) -> None:
    """Wrong syntax, unknown properties and literals of the wrong kind are errors, never an empty result."""
    with pytest.raises(ODataError):
        parse_filter(text, SCHEMA)


def test_a_plain_and_binds_closer_than_or() -> None:
    """`a or b and c` means `a or (b and c)`."""
    assert matches("severity eq 'High' or severity eq 'Low' and incidentId eq 1")


def test_bounds_are_those_of_the_indexed_time() -> None:
    """`and` narrows, `or` widens, `not` says nothing."""
    one, two = "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"
    text = f"(lastUpdateTime ge {one} or lastUpdateTime ge {two}) and lastUpdateTime lt {two}"
    text += " and not (severity eq 'x')"

    bounds = parse_filter(text, SCHEMA, indexed="lastupdatetime").bounds

    assert (bounds.low, bounds.high) == (ticks.parse(one), (ticks.parse(two) or 0) - 1)


def test_orderby_takes_several_properties() -> None:
    """Directions default to ascending; names come in any case."""
    assert parse_orderby("Severity desc, lastUpdateTime", SCHEMA) == [
        ("severity", True),
        ("lastupdatetime", False),
    ]


@pytest.mark.parametrize("text", ["", "severity down", "colour", "severity asc desc"])
def test_bad_orders_are_refused(text: str) -> None:
    """Unknown properties and directions are errors."""
    with pytest.raises(ODataError):
        parse_orderby(text, SCHEMA)
