"""Defender for Cloud's list is read whole, and can be killed anywhere."""

from __future__ import annotations

from itertools import islice

import pytest

from shared.errors import (
    BadRequest,
    HostNotAllowed,
    NotFound,
    OperatorMustAct,
    PermissionMissing,
    SignInFailed,
    TryLater,
    Unreadable,
)
from shared.vendors.cloud_walk import fetch

LINK = "https://management.azure.com/subscriptions/s/alerts?api-version=2022-01-01&$skipToken=a%2Fb%3D{}"
FIRST = "/subscriptions/7d1f3a52-6c1b-4f0e-8a77-2b9d5e4c6f10/providers/Microsoft.Security/alerts"


def _page(*names, link=None):
    rows = {"value": [{"id": f"/x/alerts/{name}", "name": name} for name in names]}
    return {**rows, "nextLink": LINK.format(link)} if link else rows


def _names(pages):
    return [alert["name"] for page in pages for alert in page.alerts]


def test_every_page_is_read_and_links_are_followed_verbatim(connect, scripted):
    """Late alerts stand anywhere, so there is no stopping early."""
    api = scripted(_page("a", "b", link=1), _page("c", link=2), _page("d"))
    pages = list(fetch(connect(api), {"position": None}))
    assert _names(pages) == ["a", "b", "c", "d"]
    assert api.calls == [(FIRST, {"api-version": "2022-01-01"}), (LINK.format(1), {}), (LINK.format(2), {})]
    assert [page.done for page in pages] == [False, False, True]
    assert pages[-1].cursor == {"position": None}


def test_a_killed_walk_goes_on_where_it_stopped(connect, scripted):
    """The stored cursor holds the next page's link."""
    (page,) = islice(fetch(connect(scripted(_page("a", link=1), _page("b"))), None), 1)
    rest = scripted(_page("b"))
    assert _names(fetch(connect(rest), page.cursor)) == ["b"]
    assert rest.calls == [(LINK.format(1), {})]


@pytest.mark.parametrize(
    "refusal", [OperatorMustAct("400"), NotFound("404"), BadRequest("410"), HostNotAllowed("another cloud")]
)
def test_a_stale_place_makes_the_walk_begin_anew(connect, scripted, refusal):
    """The service forgets where it was; then everything is read again."""
    api = scripted(refusal, _page("a"))
    assert _names(fetch(connect(api), {"position": LINK.format(1)})) == ["a"]
    assert api.calls[1][0] == FIRST


@pytest.mark.parametrize("error", [PermissionMissing("403"), SignInFailed("401"), TryLater("503")])
def test_other_refusals_are_not_taken_for_a_stale_place(connect, scripted, error):
    """Beginning anew would only be refused again."""
    with pytest.raises(type(error)):
        list(fetch(connect(scripted(error, _page("a"))), {"position": LINK.format(1)}))


def test_beginning_anew_happens_once(connect, scripted):
    """A list that is refused from its start is refused."""
    api = scripted(OperatorMustAct("400"))
    with pytest.raises(OperatorMustAct):
        list(fetch(connect(api), {"position": LINK.format(1)}))
    assert len(api.calls) == 2


def test_a_link_that_comes_again_is_an_error_and_not_a_loop(connect, scripted):
    """The service points in a circle."""
    api = scripted(_page("a", link=1), _page("b", link=2), _page("c", link=1))
    with pytest.raises(TryLater, match="nextLink never ends"):
        list(fetch(connect(api), None))


def test_the_same_page_under_new_links_is_an_error_and_not_a_loop(connect, scripted):
    """Its links differ, its alerts do not."""
    api = scripted(*[_page("a", "b", link=number) for number in range(1, 9)])
    with pytest.raises(TryLater, match="nextLink never ends"):
        list(fetch(connect(api), None))
    assert len(api.calls) == 2


def test_empty_pages_on_the_way_are_normal_but_not_for_ever(connect, scripted):
    """ARM may answer a page without alerts and go on."""
    few = scripted(_page("a", link=1), _page(link=2), _page(link=3), _page("b"))
    endless = scripted(*[_page(link=number) for number in range(1, 300)])
    assert _names(fetch(connect(few), None)) == ["a", "b"]
    with pytest.raises(TryLater, match="nextLink never ends"):
        list(fetch(connect(endless), None))
    assert len(endless.calls) == 101


def test_an_answer_without_a_list_is_not_taken_for_empty(connect, scripted):
    """Otherwise a proxy's page would count as a successful poll."""
    with pytest.raises(Unreadable):
        list(fetch(connect(scripted({})), None))


def test_a_configuration_without_subscription_says_so(connect, scripted):
    """There is no place to ask."""
    with pytest.raises(OperatorMustAct, match="subscription id"):
        list(fetch(connect(scripted({}), options={}), None))
