"""The one place where values become filter text."""

from __future__ import annotations

import pytest

from shared.store.filters import filter_text
from shared.store.memory import MemoryTables
from shared.store.stores import Insert, Row, Span, Value, Where


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "'plain'"),
        ("it's", "'it''s'"),
        ("' or 1 eq 1 or c eq '", "''' or 1 eq 1 or c eq '''"),
        ("@a)  two  spaces", "'@a)  two  spaces'"),
        (5, "5L"),
        (-(2**63), "-9223372036854775808L"),
        (True, "true"),
        (False, "false"),
        (0.5, "0.5"),
        (1e300, "1e+300"),
    ],
)
def test_a_value_is_written_as_odata_wants_it(value: Value, text: str) -> None:
    """A quote is doubled; nothing in a text is looked at otherwise."""
    assert filter_text(Span(), [Where("c", "eq", (value,))]) == f"c eq {text}"


@pytest.mark.parametrize(
    ("span", "where", "text"),
    [
        (Span(), (), ""),
        (Span.within("p"), (), "PartitionKey eq 'p'"),
        (Span.within("p", "a", "b"), (), "PartitionKey eq 'p' and RowKey ge 'a' and RowKey le 'b'"),
        (Span("p", None), (), "PartitionKey ge 'p'"),
        (
            Span(),
            [Where("c", "eq", ("x", "y")), Where("d", "lt", (1,))],
            "(c eq 'x' or c eq 'y') and d lt 1L",
        ),
        (Span(), [Where("c", "ne", ("x",))], "(c lt 'x' or c gt 'x')"),
        (Span(), [Where("c", "ne", (True,))], "c eq false"),
    ],
)
def test_span_and_conditions_are_joined(span: Span, where: list[Where], text: str) -> None:
    """All conditions, any of the values of each."""
    assert filter_text(span, where) == text


@pytest.mark.parametrize(
    "where",
    [
        Where("c", "eq", ()),
        Where("c", "eq", (b"bytes",)),
        Where("c", "eq", (float("nan"),)),
        Where("c d", "eq", (1,)),
        Where("RowKey", "eq", ("k",)),
        Where("c", "ne", tuple(range(8))),
    ],
    ids=["no value", "bytes", "not a number", "no column", "key", "8 times 2 comparisons"],
)
def test_what_cannot_be_compared_is_refused(where: Where) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match=r"."):
        filter_text(Span(), [where])


def test_a_scan_that_looks_far_for_rare_rows_ends_its_page_early() -> None:
    """As Azure does after five seconds: an empty page may have a token, and following it finds the row."""
    tables = MemoryTables(reach=10)
    tables.write("things", [Insert(Row("p", f"{n:02}", {"rare": n == 25})) for n in range(30)])

    pages, token, rare = [], None, [Where("rare", "eq", (True,))]
    while not pages or token:
        page = tables.scan("things", where=rare, token=token)
        token = page.token
        pages.append([row.key for row in page.rows])

    assert pages == [[], [], ["25"]]
