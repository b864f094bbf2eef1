"""Calls to an API are shared by all instances: background work stays below its share, a user is never
refused, and counting costs little."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BudgetSpent, TryLater
from shared.nouns.budgets import Limit, Spending, Use, Window
from shared.store.budgets import ApiBudget, Budgets
from shared.store.memory import MemoryTables
from shared.store.stores import Tables

API = "tenant|vendor"


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)
        self.slept = 0.0

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.slept += seconds
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def time() -> Time:
    """Noon."""
    return Time()


def instance(tables: Any, time: Time, *limits: Limit) -> ApiBudget:
    """One process's budget of the API."""
    return Budgets(tables=tables, clock=time, sleep=time.sleep).of(API, limits or (Limit(100, 60),))


def calls(budget: ApiBudget, use: Use, most: int = 1000) -> int:
    """How many calls are let through before one has to wait."""

    def would_wait(seconds: float) -> None:
        raise BudgetSpent("it would wait", retry_after=seconds)

    sleep, budget._sleep = budget._sleep, would_wait
    try:
        for number in range(most):
            try:
                budget.ask(use)
            except BudgetSpent:
                return number
        return most
    finally:
        budget._sleep = sleep


class Counted(MemoryTables):
    """Tables that count their calls, and can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.away = False

    def _call(self, name: str) -> None:
        self.calls[name] += 1
        if self.away:
            raise TryLater("away")

    def get(self, *args: Any) -> Any:
        self._call("get")
        return super().get(*args)

    def write(self, *args: Any) -> list[str]:
        self._call("write")
        return super().write(*args)


def test_polls_of_several_instances_stay_below_their_share_together(tables: Tables, time: Time) -> None:
    """Four fifths, but for the few calls that each makes without asking."""
    instances = [instance(tables, time) for _ in range(4)]
    made = sum(calls(one, Use.poll) for one in instances)
    assert 70 <= made <= 80 + 4 * 3
    instances[0].ask(Use.poll)
    assert 0 < time.slept <= 90


def test_a_sweep_takes_less_than_a_poll_and_a_user_is_never_refused(tables: Tables, time: Time) -> None:
    """Whatever others have spent, and what a user spends counts for them."""
    sweeps, users, polls = (instance(tables, time) for _ in range(3))
    made = calls(sweeps, Use.sweep)
    assert 40 <= made <= 50
    assert calls(users, Use.user, 300) == 300
    assert calls(polls, Use.poll) <= 3


def test_what_is_spent_slides_out(tables: Tables, time: Time) -> None:
    """After the time that was named there is room again, and never more than the share in any minute."""
    one = instance(tables, time)
    made: list[datetime] = []
    for _ in range(600):
        one.ask(Use.poll)
        made.append(time.now)
    for begin in made:
        within = [when for when in made if begin <= when < begin + timedelta(seconds=60)]
        assert len(within) <= 100
    minutes = (made[-1] - made[0]).total_seconds() / 60
    assert len(made) / minutes >= 50


def test_the_hour_counts_as_the_minute_does(tables: Tables, time: Time) -> None:
    """Slow and steady is too much as well."""
    one = instance(tables, time, Limit(100, 60), Limit(200, 3600))
    made = 0
    for _ in range(60):
        made += calls(one, Use.poll, 10)
        time.sleep(60)
    assert 110 <= made <= 200


def test_a_call_waits_for_its_turn_but_not_for_long(tables: Tables, time: Time) -> None:
    """A page may take more calls than a minute has; an hour is too long to wait for."""
    one = instance(tables, time, Limit(10, 10))
    for _ in range(60):
        one.ask(Use.poll)
    assert 40 < time.slept < 120
    slow = Budgets(tables=tables, clock=time, sleep=time.sleep).of("another", (Limit(10, 3600),))
    assert calls(slow, Use.poll) <= 8
    with pytest.raises(BudgetSpent) as told:
        slow.ask(Use.poll)
    assert (told.value.retry_after or 0) > 90


def test_who_is_refused_stops_the_background_work_of_everybody(tables: Tables, time: Time) -> None:
    """Not the users; until it is over."""
    refused, other = instance(tables, time), instance(tables, time)
    refused.refused(50)
    budgets = Budgets(tables=tables, clock=time)
    assert budgets.blocked() == {API}
    assert (calls(refused, Use.poll), calls(other, Use.sweep)) == (0, 0)
    assert calls(other, Use.poll) <= 3  # those that it need not ask for
    assert calls(refused, Use.user, 50) == 50
    time.sleep(51)
    assert budgets.blocked() == set()
    assert calls(refused, Use.poll) > 0


def test_a_poll_of_a_few_calls_costs_nothing_and_many_cost_little(time: Time) -> None:
    """Two storage calls for ten calls; users' are reported by the way."""
    tables = Counted()
    one = instance(tables, time, Limit(1000, 60))
    for _ in range(3):
        one.ask(Use.poll)
    assert tables.calls.total() == 0
    for _ in range(300):
        one.ask(Use.poll)
    assert tables.calls.total() <= 2 * 31
    before = tables.calls.total()
    for _ in range(100):
        one.ask(Use.user)
    assert tables.calls.total() - before <= 2 * 10


def test_a_user_is_let_through_when_storage_is_away(time: Time) -> None:
    """Counting is not worth an error; that a 429 could not be noted is none either."""
    tables = Counted()
    tables.away = True
    one = instance(tables, time)
    assert calls(one, Use.user, 40) == 40
    one.refused(None)
    assert calls(one, Use.poll) == 0


def test_instances_that_lease_at_once_never_lease_the_same(tables: Tables, time: Time) -> None:
    """The second reads again."""
    instances = [instance(tables, time, Limit(200, 3600)) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        made = sum(pool.map(lambda one: calls(one, Use.poll), instances))
    assert made <= 160 + 6 * 3 + 6  # a lease that kept losing the race is let through


@given(st.lists(st.tuples(st.floats(0, 40), st.integers(1, 5)), max_size=60))
def test_a_window_never_forgets_a_call_too_early_on_the_whole(steps: list[tuple[float, int]]) -> None:
    """When one waits as told there is room, whatever was spent before."""
    now, spending = 1_000_000.0, Spending.begun((Limit(20, 60), Limit(100, 600)))
    for wait, count in steps:
        now += wait
        spending = spending.plus(count, now)
    wait = spending.wait(Use.poll, now)
    assert spending.room(Use.poll, now) > 0 or wait > 0
    assert spending.room(Use.poll, now + wait + 0.001) > 0


def test_old_windows_count_for_nothing() -> None:
    """A process that was idle begins anew."""
    window = Window(60, 10, running=50, before=50)
    assert window.used(12 * 60.0) == 0
    assert 0 < window.used(11 * 60.0 + 30) < 50
