"""A list is read without missing, without looping, and can be killed anywhere; here that of Defender for
Endpoint."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import islice

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.errors import TryLater, Unreadable
from shared.nouns.detections import instant
from shared.vendors.defender_endpoint import ALERTS
from shared.vendors.keyset_walk import sweep, walk


def fetch(connection, cursor, listing=ALERTS):
    return walk(connection, cursor, listing)


def _minutes(row, count, start=0):
    return [row(f"a{n:03}", f"{8 + n // 60:02}:{n % 60:02}:00.5") for n in range(start, start + count)]


def test_the_first_read_begins_as_many_days_back_as_configured(connect, service):
    """The first question asks from now minus the configured days, a little earlier for clocks that
    disagree."""
    api = service()
    list(fetch(connect(api, first_read_days=3), None))
    assert api.asked() == ["lastUpdateTime ge 2026-02-27T11:45:00.0000000Z"]


def test_the_question_asks_for_evidence_in_order_of_updates(connect, service):
    """Without these options evidence is empty and order is left to chance."""
    api = service()
    list(fetch(connect(api), None))
    path, asked = api.calls[0]
    assert path == "/api/alerts"
    assert asked["$orderby"] == "lastUpdateTime asc"
    assert asked["$expand"] == "evidence"
    assert asked["$top"] == "1000"


def test_the_watermark_is_the_vendors_own_text(connect, service, row):
    """Seven digits, or fewer, survive in the cursor."""
    api = service([row("a", "08:00:00.1234567"), row("b", "08:00:01.57")])
    (page,) = fetch(connect(api), None)
    assert page.done
    assert page.cursor["watermark"] == "2026-03-02T08:00:01.57Z"


def test_the_next_walk_begins_a_quarter_of_an_hour_before_the_watermark(connect, service, row):
    """Alerts that became visible late are found; the seventh digit is kept."""
    api = service([row("late", "07:50:00"), row("gone", "07:44:00")])
    (page,) = fetch(connect(api), {"watermark": "2026-03-02T08:00:00.1234567Z"})
    assert api.asked() == ["lastUpdateTime ge 2026-03-02T07:45:00.1234567Z"]
    assert [a["id"] for a in page.alerts] == ["late"]
    assert page.cursor["watermark"] == "2026-03-02T08:00:00.1234567Z"


def test_a_sweep_lists_what_was_created_since_then_once_and_in_pages(connect, scripted):
    """By the time of creation and not of the update; ties and page boundaries repeat nothing."""
    made = [{"id": f"a{n}", "alertCreationTime": f"2026-03-01T0{n // 2}:00:00Z"} for n in range(5)]
    listing = replace(ALERTS, page_size=3)
    api = scripted({"value": made[:3]}, {"value": made[2:]}, {"value": made[4:]})
    found = [
        row["id"] for page in sweep(connect(api), "2026-03-01T00:00:00.0000000Z", listing) for row in page
    ]
    assert found == [row["id"] for row in made]
    assert [asked["$filter"] for _, asked in api.calls][:2] == [
        "alertCreationTime ge 2026-03-01T00:00:00.0000000Z",
        "alertCreationTime ge 2026-03-01T01:00:00Z",
    ]
    assert {asked["$orderby"] for _, asked in api.calls} == {"alertCreationTime asc"}


def test_ties_beyond_a_page_are_left_to_the_ledger_where_nothing_leads_to_them(connect, service, row, ids):
    """No link, and a row number that the vendor refuses: the walk goes on after the ties and does not stop
    for ever."""
    rows = [*[row(f"t{n}", "08:01:00") for n in range(9)], row("z", "08:02:00")]
    listing = replace(ALERTS, page_size=4, largest_skip=3)
    api = service(rows, links=False)
    assert ids(fetch(connect(api), None, listing)) == ["t0", "t1", "t2", "t3", "z"]
    assert not any("$skip" in asked for _, asked in api.calls)


def test_an_unordered_list_that_cannot_be_followed_is_an_error_and_not_a_loop(connect, service, row):
    """It is said in words; nothing has been committed."""
    rows = [row(f"a{n}", f"08:0{n}:00") for n in range(9)]
    api = service(rows, links=False, order=lambda found: found[::-1])
    with pytest.raises(TryLater, match="out of order, and no link"):
        list(fetch(connect(api), None, replace(ALERTS, page_size=4, largest_skip=3)))


def test_an_empty_tenant_asks_the_same_question_again(connect, service):
    """As long as nothing was ever seen, each walk begins where the first one began, not further back."""
    api = service()
    connection = connect(api)
    (first,) = fetch(connection, None)
    (second,) = fetch(connection, first.cursor)
    assert len(set(api.asked())) == 1
    assert second.cursor == first.cursor


def test_pages_are_asked_for_by_time_and_not_by_number(connect, service, row, ids):
    """Each further question names the last row's time, and rows already had at that time are left out."""
    api = service(_minutes(row, 7), page_size=3)
    pages = list(fetch(connect(api), None))
    assert ids(pages) == [f"a{n:03}" for n in range(7)]
    assert api.asked()[1] == "lastUpdateTime ge 2026-03-02T08:02:00.5Z"
    assert not any("$skip" in asked for _, asked in api.calls)
    assert [page.done for page in pages] == [False] * (len(pages) - 1) + [True]


def test_ties_across_a_page_boundary_come_once_each(connect, service, row, ids):
    """Rows of one time are split between pages; all come, none twice."""
    rows = [row("a", "08:00:00"), *[row(f"t{n}", "08:01:00") for n in range(4)], row("z", "08:02:00")]
    api = service(rows, page_size=4)
    assert sorted(ids(fetch(connect(api), None))) == ["a", "t0", "t1", "t2", "t3", "z"]


@pytest.mark.parametrize(
    ("time", "after"),
    [
        ("08:01:00.5", "2026-03-02T08:01:00.5000001Z"),
        ("08:01:00", "2026-03-02T08:01:00.0000001Z"),
        ("08:59:59.9999999", "2026-03-02T09:00:00.0000000Z"),
    ],
)
def test_after_ties_the_question_goes_on_a_tick_later(connect, service, row, ids, time, after):
    """What follows long ties is asked for by time: a page that was reached by number may have a gap before
    it."""
    rows = [*[row(f"t{n}", time) for n in range(5)], row("y", "09:30:00"), row("z", "09:31:00")]
    api = service(rows, page_size=2)
    assert sorted(ids(fetch(connect(api), None))) == [r["id"] for r in rows]
    assert f"lastUpdateTime ge {after}" in api.asked()


@pytest.mark.parametrize("links", [True, False], ids=["nextLink", "$skip"])
def test_more_ties_than_a_page_holds_all_come_once(connect, service, row, ids, links):
    """Where time cannot advance, links or row numbers lead on."""
    size = 2 if links else 1000
    rows = [row(f"t{n:04}", "08:01:00") for n in range(size * 2 + 1)] + [row("z", "08:02:00")]
    api = service(rows, page_size=size, links=links)
    assert sorted(ids(fetch(connect(api), None))) == sorted(r["id"] for r in rows)


@pytest.mark.parametrize("moment", range(2, 8))
def test_ties_that_move_up_while_they_are_paged_are_not_lost(connect, service, row, ids, moment):
    """An update takes a row out of the ties, the others move up past the page boundary; a second reading
    finds them."""
    rows = [row(f"t{n}", "08:01:00") for n in range(7)]

    def update(call):
        if call == moment:
            rows[0]["lastUpdateTime"] = "2026-03-02T09:00:00Z"

    api = service(rows, page_size=2, between=update)
    assert set(ids(fetch(connect(api), None))) == {f"t{n}" for n in range(7)}


def test_an_update_during_the_walk_hides_no_other_alert(connect, service, row, ids):
    """A row that moves to the end shifts all later rows; none of them is missed, and it comes again
    itself."""
    rows = _minutes(row, 9)

    def update(call):
        if call == 2:
            rows[0]["lastUpdateTime"] = "2026-03-02T11:00:00Z"

    api = service(rows, page_size=3, between=update)
    found = ids(fetch(connect(api), None))
    assert set(found) == {f"a{n:03}" for n in range(9)}
    assert found.count("a000") == 2


@pytest.mark.parametrize("ties", [1, 5], ids=["distinct times", "ties"])
def test_a_run_killed_after_every_page_still_reads_everything(connect, service, row, ties):
    """Each run yields one page and dies; the next one goes on from the stored cursor."""
    rows = [row(f"a{n:02}", f"08:{n // ties:02}:00") for n in range(20)]
    connection = connect(service(rows, page_size=3))
    cursor, found = None, []
    for _ in range(60):
        (page,) = islice(fetch(connection, cursor), 1)
        cursor = page.cursor
        found += [a["id"] for a in page.alerts]
        if page.done:
            break
    assert page.done
    assert sorted(set(found)) == [r["id"] for r in rows]
    assert cursor["watermark"] == rows[-1]["lastUpdateTime"]


def test_the_watermark_stays_until_the_walk_is_done(connect, service, row):
    """A half-read backlog must not count as read."""
    api = service(_minutes(row, 7), page_size=3)
    pages = list(fetch(connect(api), {"watermark": "2026-03-02T08:00:00Z"}))
    assert {page.cursor["watermark"] for page in pages[:-1]} == {"2026-03-02T08:00:00Z"}
    assert pages[-1].cursor["watermark"] == "2026-03-02T08:06:00.5Z"


def test_the_watermark_never_moves_backwards(connect, service, row):
    """Older rows in the overlap do not pull it back."""
    (page,) = fetch(connect(service([row("a", "07:50:00")])), {"watermark": "2026-03-02T08:00:00Z"})
    assert page.cursor["watermark"] == "2026-03-02T08:00:00Z"


def test_an_alert_from_the_future_does_not_hide_those_of_today(connect, service, row, ids):
    """One wrong clock must not carry the watermark past everything that is still to come."""
    rows = [row("now", "11:00:00"), row("odd", "2031-01-01T00:00:00Z")]
    connection = connect(service(rows))
    (page,) = fetch(connection, None)
    rows.append(row("next", "11:30:00"))
    assert page.cursor["watermark"] == "2026-03-02T11:00:00Z"
    assert "next" in ids(fetch(connection, page.cursor))


@pytest.mark.parametrize("skew", [timedelta(hours=-3), timedelta(hours=3)], ids=["ahead", "behind"])
def test_a_vendor_clock_that_is_wrong_by_hours_loses_nothing(connect, service, row, ids, skew):
    """The vendor stamps three hours ahead of or behind us; ten polls see every alert."""
    rows, found, cursor = [], [], None
    start = connect(service()).now()
    for poll in range(10):
        now = start + timedelta(minutes=5 * poll)
        rows.append(row(f"p{poll}", f"{now - skew:%Y-%m-%dT%H:%M:%S}Z"))
        pages = list(fetch(connect(service(rows), now=now), cursor))
        found, cursor = found + ids(pages), pages[-1].cursor
    assert set(found) == {r["id"] for r in rows}


@pytest.mark.parametrize("links", [True, False], ids=["nextLink", "$skip"])
def test_unordered_answers_are_read_to_the_end_before_anything_is_committed(
    connect, service, row, ids, links
):
    """Newest-first answers: every page is followed, and no cursor on the way skips what is still to come."""
    size = 3 if links else 1000
    rows = [
        row(f"a{n:04}", f"2026-03-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z")
        for n in range(2 * size + 1)
    ]
    api = service(rows, page_size=size, links=links, order=lambda found: found[::-1])
    pages = list(fetch(connect(api), None))
    assert sorted(ids(pages)) == [r["id"] for r in rows]
    assert len({page.cursor["at"] for page in pages[:-1]}) == 1
    assert pages[-1].cursor["watermark"] == rows[-1]["lastUpdateTime"]


def test_what_changes_while_an_unordered_list_is_read_is_asked_for_again(connect, service, row, ids):
    """The watermark of such a walk does not pass its beginning, so the next walk sees the change."""
    rows = [row(f"a{n}", f"08:0{n}:00") for n in range(6)]

    def update(call):
        if call == 2:  # it moves to the part that has been read
            rows[0]["lastUpdateTime"] = "2026-03-02T12:00:30Z"

    connection = connect(service(rows, page_size=2, order=lambda found: found[::-1], between=update))
    last = list(fetch(connection, None))[-1]
    assert (instant(last.cursor["watermark"]) or "") <= "2026-03-02T12:00:00.0000000Z"
    assert "a0" in ids(fetch(connection, last.cursor))


def test_links_are_followed_verbatim(connect, scripted, row):
    """A link is an opaque thing of the vendor's."""
    link = "https://api.security.microsoft.com/api/alerts?$skiptoken=a%2Bb&x=%20"
    same = [row("a", "08:00:00"), row("b", "08:00:00")]
    api = scripted({"value": same, "@odata.nextLink": link}, {"value": []}, {"value": same}, {"value": []})
    list(fetch(connect(api), {"watermark": "x", "at": "2026-03-02T08:00:00Z"}))
    assert api.calls[1] == (link, {})


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(
            [{"value": [{"id": "a", "lastUpdateTime": "2026-03-02T08:00:00Z"}]}], id="one row for ever"
        ),
        pytest.param([{"value": []}], id="empty pages for ever"),
        pytest.param(
            [{"value": [{"id": n, "lastUpdateTime": f"2026-03-02T08:00:0{n}Z"} for n in (1, 2, 3)]}],
            id="the filter is ignored",
        ),
    ],
)
def test_paging_that_never_ends_is_an_error_and_not_a_loop(connect, scripted, answers):
    """The same content with ever new links ends the run, with words."""
    for number, answer in enumerate(answers):
        answer["@odata.nextLink"] = f"https://api.security.microsoft.com/api/alerts?page={number}"
    with pytest.raises(TryLater, match=r"keeps sending the same page \(its nextLink never ends\)"):
        list(fetch(connect(scripted(*answers)), None))


@pytest.mark.parametrize("count", [999, 1000, 1001, 2000])
def test_page_size_boundaries_lose_and_repeat_nothing(connect, service, row, ids, count):
    """A last page that is exactly full promises more; asking again finds nothing new and ends."""
    rows = [
        row(f"a{n:04}", f"2026-03-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z") for n in range(count)
    ]
    pages = list(fetch(connect(service(rows, links=False)), None))
    assert ids(pages) == [r["id"] for r in rows]
    assert pages[-1].done


@pytest.mark.parametrize("time", [None, "", "yesterday", 7, {"at": 1}])
def test_alerts_without_a_readable_time_are_kept_and_decide_nothing(connect, scripted, row, time):
    """They are yielded; order and watermark come from the others."""
    odd = {"id": "odd", "lastUpdateTime": time}
    rows = [odd, row("a", "08:00:00"), odd, row("b", "08:01:00"), "not even an object", odd]
    (page,) = fetch(connect(scripted({"value": rows})), None)
    assert len(page.alerts) == 6
    assert page.cursor["watermark"] == "2026-03-02T08:01:00Z"


def test_an_answer_without_a_list_is_not_taken_for_empty(connect, scripted):
    """A proxy's JSON must not count as a successful poll."""
    with pytest.raises(Unreadable, match="without a list"):
        list(fetch(connect(scripted({"hello": "world"})), None))


def test_a_cursor_that_cannot_be_understood_is_a_first_read(connect, service):
    """Whatever stands in storage, reading begins somewhere safe."""
    api = service()
    list(fetch(connect(api), {"watermark": 12, "at": None, "seen_at": "x", "since": []}))
    assert api.asked() == ["lastUpdateTime ge 2026-02-23T11:45:00.0000000Z"]


def test_the_cursor_stays_small_however_many_ties_there_are(connect, service, row):
    """It is kept in a table's row, which has a limit."""
    rows = [row(f"da63908042123456{n:04}_-1180443217", "08:00:00") for n in range(5000)]
    pages = list(fetch(connect(service(rows)), None))
    assert max(len(str(page.cursor)) for page in pages) < 34_000
    assert len({a["id"] for page in pages for a in page.alerts}) == 5000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(0, 6), min_size=1, max_size=25),
    size=st.integers(1, 5),
    links=st.booleans(),
    updates=st.dictionaries(st.integers(1, 40), st.integers(0, 24), max_size=12),
    kills=st.lists(st.integers(1, 3), max_size=10),
)
@example(times=[0, 1, 0], size=1, links=True, updates={1: 0, 5: 1}, kills=[])
def test_every_last_state_is_seen_whatever_happens(connect, service, times, size, links, updates, kills):
    """Ties, updates between calls, runs killed after any page, pages of any size; then a quiet walk."""
    rows = [{"id": str(n), "lastUpdateTime": f"2026-03-02T08:0{t}:00.5Z"} for n, t in enumerate(times)]
    clock, seen, cursor = iter(range(100)), set(), None

    def update(call):
        if call in updates:
            rows[updates[call] % len(rows)]["lastUpdateTime"] = f"2026-03-02T09:{next(clock):02}:00.0000001Z"

    # Without links a full page is all that promises more, so there the service keeps to the size asked for.
    api = service(rows, page_size=size if links else 1000, links=links, between=update)
    for pages in [*kills, None]:
        for page in islice(fetch(connect(api), cursor), pages):
            seen |= {(alert["id"], alert["lastUpdateTime"]) for alert in page.alerts}
            cursor = page.cursor
    assert {row["id"] for row in rows} <= {native_id for native_id, _ in seen}
    updates.clear()
    quiet = [alert for page in fetch(connect(api), cursor) for alert in page.alerts]
    seen |= {(alert["id"], alert["lastUpdateTime"]) for alert in quiet}
    assert {(row["id"], row["lastUpdateTime"]) for row in rows} <= seen
