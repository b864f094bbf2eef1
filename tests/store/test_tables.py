"""What every implementation of Tables promises."""

from __future__ import annotations

import base64
import json

import pytest

from shared.errors import BadRequest, RowChanged, RowExists
from shared.store.stores import Delete, Insert, Replace, Row, Span, Tables, Where, transactions

T = "things"
EVERYTHING = Span()


def fill(tables: Tables, *rows: Row) -> None:
    """Insert rows, whatever their partitions."""
    for batch in transactions(Insert(row) for row in rows):
        tables.write(T, batch)


def keys(tables: Tables, span: Span = EVERYTHING, *where: Where) -> list[str]:
    """The keys that one scan finds, in its order."""
    return [row.key for row in tables.scan(T, span, where=where).rows]


def walk(tables: Tables, limit: int, span: Span = EVERYTHING) -> list[list[str]]:
    """The keys of every page until no token comes, each token going through JSON as it does to a phone."""
    pages, token = [], None
    while True:
        page = tables.scan(T, span, limit=limit, token=token)
        pages.append([row.key for row in page.rows])
        if page.token is None:
            return pages
        token = json.loads(json.dumps(page.token))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "text",
        "it's 'quoted'",
        "é中🙂\n",
        0,
        -1,
        7,
        2**31,
        2**63 - 1,
        -(2**63),
        2.0,
        0.1,
        -1e300,
        True,
        False,
        b"",
        b"\0\xff",
    ],
    ids=repr,
)
def test_a_value_is_read_as_it_was_written(tables: Tables, value: object) -> None:
    """Neither the type nor the value of a column changes on its way."""
    fill(tables, Row("p", "k", {"column": value}))

    got = tables.get(T, "p", "k").values["column"]
    scanned = tables.scan(T).rows[0].values["column"]

    assert (got, type(got)) == (scanned, type(scanned)) == (value, type(value))


@pytest.mark.parametrize(
    "key", ["", "a b", "it's", "100%", "a+b&c=d", "é🙂", "a'') or ('", "|~2f", "k" * 512]
)
def test_keys_may_hold_anything_that_is_not_forbidden(tables: Tables, key: str) -> None:
    """Quotes, spaces, percent signs and other alphabets come through in both keys."""
    fill(tables, Row(key, key, {"n": 1}))

    row = tables.get(T, key, key)
    assert (row.partition, row.key, row.values) == (key, key, {"n": 1})
    assert keys(tables, Span.within(key, key, key)) == [key]


def test_a_missing_table_reads_as_empty_and_is_made_by_the_first_write(tables: Tables) -> None:
    """Nobody has to make tables before the product runs."""
    assert tables.get(T, "p", "k") is None
    assert tables.scan(T).rows == ()
    tables.write(T, [Delete("p", "k")])

    fill(tables, Row("p", "k"))

    assert tables.get(T, "p", "k").values == {}


def test_insert_refuses_a_row_that_exists(tables: Tables) -> None:
    """Insert-if-absent is the gate on which deduplication stands."""
    fill(tables, Row("p", "k", {"n": 1}))

    with pytest.raises(RowExists):
        tables.write(T, [Insert(Row("p", "k", {"n": 2}))])

    assert tables.get(T, "p", "k").values == {"n": 1}


def test_replace_without_an_etag_writes_the_whole_row(tables: Tables) -> None:
    """A column that the new row lacks is gone."""
    fill(tables, Row("p", "k", {"a": 1, "b": 2}))

    tables.write(T, [Replace(Row("p", "k", {"b": 3})), Replace(Row("p", "new", {"c": 4}))])

    assert [row.values for row in tables.scan(T).rows] == [{"b": 3}, {"c": 4}]


def test_replace_with_an_etag_wins_only_once(tables: Tables) -> None:
    """Of two writers that read the same row, the second is told."""
    fill(tables, Row("p", "k", {"n": 1}))
    etag = tables.get(T, "p", "k").etag

    tables.write(T, [Replace(Row("p", "k", {"n": 2}, etag))])
    with pytest.raises(RowChanged):
        tables.write(T, [Replace(Row("p", "k", {"n": 3}, etag))])

    assert tables.get(T, "p", "k").values == {"n": 2}


@pytest.mark.parametrize("together", [1, 3])
def test_the_etag_that_a_write_gives_is_the_row_s(tables: Tables, together: int) -> None:
    """So nobody needs to read what was just written; and who reads it may find somebody else's by then."""
    keys_of = [f"{number}" for number in range(together)]
    inserted = tables.write(T, [Insert(Row("p", key, {"n": 1})) for key in keys_of])
    rows = [Row("p", key, {"n": 2}, etag) for key, etag in zip(keys_of, inserted, strict=True)]
    replaced = tables.write(T, [Replace(row) for row in rows])
    upserted = tables.write(T, [Delete("p", "gone"), *(Replace(Row("p", f"{key}-", {})) for key in keys_of)])
    read = [row.etag for row in tables.scan(T, Span.within("p")).rows]
    assert sorted(read) == sorted([*replaced, *upserted[1:]])
    assert upserted[0] == ""


def test_an_etag_from_a_scan_is_as_good_as_one_from_get(tables: Tables) -> None:
    """Also when only some columns were asked for."""
    fill(tables, Row("p", "k", {"n": 1}))

    scanned = tables.scan(T, select=[]).rows[0]

    assert scanned.etag == tables.get(T, "p", "k").etag != ""
    tables.write(T, [Replace(Row("p", "k", {"n": 2}, scanned.etag))])


def test_replace_with_an_etag_of_a_vanished_row_is_refused(tables: Tables) -> None:
    """A row that was deleted meanwhile does not come back."""
    fill(tables, Row("p", "k"))
    etag = tables.get(T, "p", "k").etag
    tables.write(T, [Delete("p", "k")])

    with pytest.raises(RowChanged):
        tables.write(T, [Replace(Row("p", "k", {}, etag))])


def test_delete_with_an_old_etag_is_refused(tables: Tables) -> None:
    """What somebody changed is not deleted unseen; nor is what is gone."""
    fill(tables, Row("p", "k", {"n": 1}))
    etag = tables.get(T, "p", "k").etag
    tables.write(T, [Replace(Row("p", "k", {"n": 2}))])

    with pytest.raises(RowChanged):
        tables.write(T, [Delete("p", "k", etag)])
    with pytest.raises(RowChanged):
        tables.write(T, [Delete("p", "never", etag)])

    assert tables.get(T, "p", "k").values == {"n": 2}


def test_delete_of_rows_that_are_not_there_does_not_stop_the_others(tables: Tables) -> None:
    """The service would refuse the whole transaction; the contract says it is fine."""
    fill(tables, Row("p", "b"))

    tables.write(T, [Delete("p", "a"), Delete("p", "b"), Delete("p", "c"), Insert(Row("p", "d"))])

    assert keys(tables) == ["d"]


@pytest.mark.parametrize("position", [0, 1, 99])
def test_a_transaction_applies_all_or_nothing(tables: Tables, position: int) -> None:
    """A hundred rows, one of which exists: none of the others is kept."""
    fill(tables, Row("p", f"{position:03}", {"old": True}))

    with pytest.raises(RowExists):
        tables.write(T, [Insert(Row("p", f"{n:03}")) for n in range(100)])

    assert [(row.key, row.values) for row in tables.scan(T).rows] == [(f"{position:03}", {"old": True})]


def test_a_stale_etag_rolls_back_what_came_before_it(tables: Tables) -> None:
    """Inserts, upserts and deletes of the same transaction are undone."""
    fill(tables, Row("p", "a", {"n": 1}), Row("p", "b", {"n": 1}))

    with pytest.raises(RowChanged):
        tables.write(
            T,
            [Insert(Row("p", "c")), Replace(Row("p", "a", {"n": 2})), Replace(Row("p", "b", {}, 'W/"x"'))],
        )

    assert [row.values for row in tables.scan(T).rows] == [{"n": 1}, {"n": 1}]


def test_rows_come_in_the_order_of_partition_and_key(tables: Tables) -> None:
    """Ordinal, as text: capitals before small letters, "10" before "9"."""
    fill(tables, *(Row(p, k) for p in ("b", "B", "a") for k in ("9", "10", "")))

    order = [(row.partition, row.key) for row in tables.scan(T).rows]

    assert order == [(p, k) for p in ("B", "a", "b") for k in ("", "10", "9")]


@pytest.mark.parametrize(
    ("span", "found"),
    [
        (Span(), "a1 a2 b1 b2 c1 c2"),
        (Span.within("b"), "b1 b2"),
        (Span.within("b", "2"), "b2"),
        (Span.within("b", None, "1"), "b1"),
        (Span.within("b", "3"), ""),
        (Span("b", None), "b1 b2 c1 c2"),
        (Span(None, "b"), "a1 a2 b1 b2"),
        (Span(key_from="2", key_to="2"), "a2 b2 c2"),
        (Span("b", "c", "1", "1"), "b1 c1"),
    ],
)
def test_a_span_bounds_partitions_and_keys_inclusively(tables: Tables, span: Span, found: str) -> None:
    """Each bound stands for itself; an open one bounds nothing."""
    fill(tables, *(Row(p, k, {"name": p + k}) for p in "abc" for k in "12"))

    assert [row.values["name"] for row in tables.scan(T, span).rows] == found.split()


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ([Where("text", "eq", ("it's",))], "a"),
        ([Where("text", "eq", ("it's", "b  b"))], "ab"),
        ([Where("text", "ne", ("it's",))], "b"),
        ([Where("number", "ge", (5,))], "bc"),
        ([Where("number", "gt", (5,)), Where("number", "lt", (2**40,))], ""),
        ([Where("number", "le", (5,)), Where("flag", "eq", (False,))], "b"),
        ([Where("number", "ne", (5,))], "ac"),
        ([Where("ratio", "lt", (0.5,))], "a"),
        ([Where("flag", "ne", (True,))], "b"),
        ([Where("absent", "ne", ("x",))], ""),
        ([Where("text", "eq", ("') or (true",))], ""),
    ],
)
def test_conditions_are_evaluated_where_the_rows_are(tables: Tables, where: list[Where], found: str) -> None:
    """Any of a condition's values, all of the conditions; a row without the column never matches."""
    fill(
        tables,
        Row("p", "a", {"text": "it's", "number": -3, "ratio": 0.25, "flag": True}),
        Row("p", "b", {"text": "b  b", "number": 5, "ratio": 0.5, "flag": False}),
        Row("p", "c", {"number": 2**40}),
    )

    assert "".join(keys(tables, Span(), *where)) == found


def test_select_brings_only_the_columns_wanted(tables: Tables) -> None:
    """A column that a row lacks is left out, not empty."""
    fill(tables, Row("p", "1", {"a": 1, "b": 2}), Row("p", "2", {"b": 3}))

    rows = tables.scan(T, select=["a"]).rows

    assert [(row.partition, row.key, row.values) for row in rows] == [("p", "1", {"a": 1}), ("p", "2", {})]


def test_pages_neither_repeat_nor_skip(tables: Tables) -> None:
    """Tokens survive JSON, and go across partitions."""
    fill(tables, *(Row(p, f"{n}") for p in ("p", "q'é") for n in range(4)))

    pages = walk(tables, 3)

    assert [key for page in pages for key in page] == list("01230123")
    assert max(map(len, pages)) == 3


def test_a_walk_stays_in_its_span(tables: Tables) -> None:
    """A token does not lead beyond the bounds it came from."""
    fill(tables, *(Row(p, f"{n}") for p in "abc" for n in range(3)))

    assert [key for page in walk(tables, 2, Span.within("b", "1")) for key in page] == ["1", "2"]


def test_rows_written_before_the_token_do_not_disturb_it(tables: Tables) -> None:
    """A new detection on top of the feed moves nothing further down."""
    fill(tables, *(Row("p", f"{n}") for n in range(2, 6)))
    token = tables.scan(T, limit=2).token

    fill(tables, Row("p", "0"), Row("p", "1"))

    assert [row.key for row in tables.scan(T, token=token).rows] == ["4", "5"]


NESTED = base64.b64encode(b"[" * 100_000).decode()


@pytest.mark.parametrize("token", ["", "garbage", "eyJhIjoxfQ==", "WzEsMl0=", "é", "W10=", NESTED])
def test_a_token_that_is_none_is_a_bad_request(tables: Tables, token: str) -> None:
    """Phones send tokens back; what they send is not trusted."""
    fill(tables, Row("p", "k"))

    with pytest.raises(BadRequest):
        tables.scan(T, token=token)


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [Insert(Row("p", f"{n}")) for n in range(101)],
        [Insert(Row("p", "1")), Insert(Row("q", "2"))],
        [Insert(Row("p", "1")), Delete("p", "1")],
        [Insert(Row("p", "a/b"))],
        [Insert(Row("p\n", "k"))],
        [Insert(Row("p", "k" * 513))],
        [Insert(Row("p", "k", {f"c{n}": n for n in range(253)}))],
        [Insert(Row("p", "k", {"c": "x" * 32769}))],
        [Insert(Row("p", "k", {"c": b"x" * 65537}))],
        [Insert(Row("p", "k", {f"c{n}": "x" * 32768 for n in range(16)}))],
        [Insert(Row("p", f"{n}", {f"c{i}": b"x" * 65536 for i in range(15)})) for n in range(5)],
        [Insert(Row("p", "k", {"a-b": 1}))],
        [Insert(Row("p", "k", {"PartitionKey": "q"}))],
        [Insert(Row("p", "k", {"c": None}))],
        [Insert(Row("p", "k", {"c": 2**63}))],
        [Insert(Row("p", "k", {"c": "\ud800"}))],
    ],
)
def test_what_azure_refuses_is_refused_everywhere(tables: Tables, changes: list[Insert]) -> None:
    """Emulators accept much of it, so our own code keeps the limits."""
    with pytest.raises(ValueError, match=r"."):
        tables.write(T, changes)

    assert tables.scan(T).rows == ()


def test_the_largest_row_and_transaction_fit(tables: Tables) -> None:
    """The limits are not drawn too tight: just under 1 MiB a row, 64 KiB a value, 100 rows."""
    fill(
        tables,
        Row("p", "big", {f"c{n}": b"x" * 65536 for n in range(15)}),
        Row("q", "text", {"c": "x" * 32768}),
    )
    tables.write(T, [Insert(Row("r", f"{n}", {"c": "x" * 8000})) for n in range(100)])

    assert len(tables.get(T, "p", "big").values) == 15
    assert len(keys(tables, Span.within("r"))) == 100


@pytest.mark.parametrize("limit", [0, 1001])
def test_a_page_holds_1_to_1000_rows(tables: Tables, limit: int) -> None:
    """The service knows no larger page."""
    with pytest.raises(ValueError, match="1 to 1000"):
        tables.scan(T, limit=limit)


def test_a_filter_of_more_than_15_comparisons_is_refused(tables: Tables) -> None:
    """Azure answers 400 to it, emulators do not; the span's bounds count too."""
    fill(tables, Row("p", "k", {"c": 1}))

    tables.scan(T, Span.within("p"), where=[Where("c", "eq", tuple(range(14)))])
    with pytest.raises(ValueError, match="15 comparisons"):
        tables.scan(T, Span.within("p"), where=[Where("c", "eq", tuple(range(15)))])


def test_what_was_read_is_a_copy(tables: Tables) -> None:
    """Changing a row that was read, or was written, changes nothing that is stored."""
    values = {"n": 1}
    fill(tables, Row("p", "k", values))

    values["n"] = 2
    tables.get(T, "p", "k").values["n"] = 3  # type: ignore[index]

    assert tables.scan(T).rows[0].values == {"n": 1}
