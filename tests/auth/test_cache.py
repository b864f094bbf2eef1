"""How long tokens and failures are kept, and that threads share one attempt."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.auth.cache import CachedTokens, IssuedToken
from shared.errors import SignInFailed, TryLater
from simulator import sample


class Issuer:
    """Issues numbered tokens; can be made to wait and to fail."""

    def __init__(self, lifetime=3600.0):
        self.lifetime, self.asked, self.error = lifetime, [], None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, audience):
        self.asked.append(audience)
        assert self.gate.wait(10)
        if self.error:
            raise self.error
        return IssuedToken(f"{audience}-{len(self.asked)}", self.lifetime)


@pytest.fixture
def issuer():
    """Where the tokens come from."""
    return Issuer()


@pytest.fixture
def tokens(issuer, clock):
    """The cache over the issuer."""
    return CachedTokens(issuer, clock=clock)


def test_a_token_is_kept_until_five_minutes_before_it_expires(tokens, issuer, clock):
    """3,600 seconds of life are 3,300 of use."""
    tokens.token("a")
    clock.pass_(3299)
    assert tokens.token("a") == "a-1"
    clock.pass_(1)

    assert tokens.token("a") == "a-2"


def test_a_short_token_is_kept_for_half_its_life(tokens, issuer, clock):
    """A token of a minute is not asked for at each call."""
    issuer.lifetime = 60.0
    tokens.token("a")
    clock.pass_(29)
    assert tokens.token("a") == "a-1"
    clock.pass_(1)

    assert tokens.token("a") == "a-2"


def test_audiences_are_kept_apart(tokens):
    """A token for one API is never given out for another."""
    assert tokens.token("a") == "a-1"
    assert tokens.token("b") == "b-2"
    assert tokens.token("a") == "a-1"


def test_refresh_gets_a_new_token_and_forgets_the_old(tokens):
    """After a 401 the cached token is not given out again."""
    tokens.token("a")

    assert tokens.token("a", refresh=True) == "a-2"
    assert tokens.token("a") == "a-2"


def test_many_threads_make_one_request(source, posts):
    """At the real library and over the wire: one POST for many calls."""
    with ThreadPoolExecutor(8) as threads:
        got = set(threads.map(source.token, [sample.ENDPOINT_AUDIENCE] * 40))

    assert len(got) == 1
    assert posts() == 1


def test_threads_that_refresh_together_share_the_new_token(tokens, issuer):
    """Eight threads with the same 401 get one new token."""
    tokens.token("a")
    issuer.gate.clear()
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(tokens.token, "a", refresh=True) for _ in range(8)]
        while threads._work_queue.qsize():
            pass
        threading.Timer(0.2, issuer.gate.set).start()
        got = {one.result(10) for one in waiting}

    assert got == {"a-2"}


def test_threads_that_wait_for_a_failure_share_it(tokens, issuer):
    """A sign-in service that is away is not asked once per thread in turn."""
    issuer.gate.clear()
    issuer.error = TryLater("away")
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(tokens.token, "a") for _ in range(8)]
        threading.Timer(0.2, issuer.gate.set).start()
        failures = [one.exception(10) for one in waiting]

    assert {str(one) for one in failures} == {"away"}
    assert len(issuer.asked) == 1


def test_a_slow_audience_does_not_hold_up_another(tokens, issuer):
    """Waiting is per audience."""
    issuer.gate.clear()
    slow = threading.Thread(target=tokens.token, args=("slow",))
    slow.start()
    while not issuer.asked:
        pass
    issuer.gate.set()

    assert tokens.token("quick").startswith("quick")
    slow.join()


def test_a_refusal_is_repeated_for_five_seconds(tokens, issuer, clock):
    """A wrong secret is not sent again at once; the repetition says the same, number included."""
    issuer.error = SignInFailed("no", code="AADSTS1")
    with pytest.raises(SignInFailed):
        tokens.token("a")
    clock.pass_(4.9)
    with pytest.raises(SignInFailed, match="no") as again:
        tokens.token("a", refresh=True)
    assert (again.value.code, len(issuer.asked)) == ("AADSTS1", 1)
    clock.pass_(0.1)
    issuer.error = None

    assert tokens.token("a") == "a-2"


def test_passing_trouble_is_tried_again_after_a_second(tokens, issuer, clock):
    """An outage is remembered only long enough for waiting threads."""
    issuer.error = TryLater("away")
    with pytest.raises(TryLater):
        tokens.token("a")
    clock.pass_(1)
    issuer.error = None

    assert tokens.token("a") == "a-2"


def test_a_token_is_in_no_representation(tokens):
    """What is printed by accident shows nothing."""
    tokens.token("canary")

    assert "canary-1" not in repr(vars(tokens)) + repr(IssuedToken("canary-1", 1))
