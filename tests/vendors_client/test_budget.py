"""The client asks before every call, says what it is for, and tells when the API has asked to wait."""

from __future__ import annotations

import pytest

from shared.errors import BudgetSpent, Throttled
from shared.nouns.budgets import Use


class Books:
    """A budget that writes down what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Use] = []
        self.waits: list[float | None] = []
        self.spent = False

    def ask(self, use: Use) -> None:
        """Let through, unless spent."""
        self.asked.append(use)
        if self.spent and use is not Use.user:
            raise BudgetSpent("none left", retry_after=9)

    def refused(self, retry_after: float | None) -> None:
        """Write it down."""
        self.waits.append(retry_after)


@pytest.fixture
def books():
    """An open budget."""
    return Books()


def test_every_request_is_asked_for_with_its_use(make_client, server, reply, books):
    """Also the second one after a 401; a client for another use shares connections and tokens."""
    client = make_client(budget=books)
    server.script(reply(status=401), reply(), reply())

    client.get("/alerts")
    client.used_for(Use.sweep).get("/alerts")

    assert books.asked == [Use.user, Use.user, Use.sweep]
    assert len({one.peer for one in server.seen}) == 1


def test_what_the_budget_refuses_is_not_sent(make_client, server, books):
    """A user's call is."""
    client, books.spent = make_client(budget=books), True

    with pytest.raises(BudgetSpent):
        client.used_for(Use.poll).get("/alerts")
    client.get("/alerts")

    assert len(server.seen) == 1


def test_a_refusal_is_told_to_everybody(make_client, server, reply, books):
    """With how long to wait; the error is raised all the same."""
    server.script(reply(status=429, headers={"Retry-After": "7"}))

    with pytest.raises(Throttled):
        make_client(budget=books).get("/alerts")

    assert books.waits == [7.0]
