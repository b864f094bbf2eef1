"""People's sign-ins are shared by all instances: whoever renews writes what is newest, and nobody overwrites
it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.errors import Conflict, NotFound, SignInAgain, TryLater
from shared.nouns.sign_ins import PendingSignIn, SignInMethod
from shared.store.memory import MemorySecrets, MemoryTables
from shared.store.sign_ins import CLAIM_LIFE, SignIns

START = datetime(2026, 11, 20, 10, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


class ForgetfulSecrets(MemorySecrets):
    """What it is asked for may be as old as what it said last, as with a memory in front of a vault; another
    instance writes past it."""

    def __init__(self) -> None:
        super().__init__()
        self.remembered: dict[str, str | None] = {}

    def get(self, name: str, *, fresh: bool = False) -> str | None:
        if fresh or name not in self.remembered:
            self.remembered[name] = super().get(name)
        return self.remembered[name]

    def set(self, name: str, value: str) -> None:
        super().set(name, value)
        self.remembered[name] = value


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sign_ins(clock: Clock) -> SignIns:
    """With one sign-in of the configuration `c1`."""
    made = SignIns(tables=MemoryTables(), secrets=ForgetfulSecrets(), clock=clock)
    made.keep_new("c1", "cache 1", proven=True, made_at="here", signed_in_as="ada")
    return made


def _cache(sign_ins: SignIns) -> str:
    held = sign_ins.keeper("c1").read()
    assert held is not None
    return held.cache


def test_one_claims_and_the_others_wait(sign_ins: SignIns) -> None:
    """Until it is given back."""
    first, second = sign_ins.keeper("c1"), sign_ins.keeper("c1")
    claim = first.claim()
    assert claim
    assert second.claim() is None

    first.renew(claim, "cache 2")

    assert _cache(sign_ins) == "cache 2"
    assert second.claim()


def test_a_claim_ends_by_itself(sign_ins: SignIns, clock: Clock) -> None:
    """An instance that died holds nobody up for long."""
    sign_ins.keeper("c1").claim()
    clock.time += CLAIM_LIFE + timedelta(seconds=1)

    assert sign_ins.keeper("c1").claim()


def test_who_slept_through_its_claim_overwrites_nothing(sign_ins: SignIns, clock: Clock) -> None:
    """Neither when it comes before the other has finished, nor after."""
    late, other = sign_ins.keeper("c1"), sign_ins.keeper("c1")
    lost = late.claim()
    clock.time += CLAIM_LIFE + timedelta(seconds=1)
    claim = other.claim()
    assert lost
    assert claim
    with pytest.raises(Conflict):
        late.renew(lost, "old news")
    other.renew(claim, "cache 2")

    with pytest.raises(Conflict):
        late.renew(lost, "old news")

    assert _cache(sign_ins) == "cache 2"


def test_even_a_write_that_was_already_on_its_way_hits_nothing(sign_ins: SignIns, clock: Clock) -> None:
    """It has a place of its own in the secret store."""
    late = sign_ins.keeper("c1")
    lost = late.claim()
    assert lost
    kept = sign_ins.kept("c1")
    assert kept is not None
    assert kept.claimed_place is not None
    clock.time += CLAIM_LIFE + timedelta(seconds=1)
    claim = sign_ins.keeper("c1").claim()
    assert claim
    sign_ins.keeper("c1").renew(claim, "cache 2")

    zombie = kept.model_copy(update={"place": kept.claimed_place, "version": kept.version + 1})
    sign_ins.put(zombie, "old news", proven=True)

    assert _cache(sign_ins) == "cache 2"


def test_an_old_answer_of_the_secret_store_is_recognised(sign_ins: SignIns) -> None:
    """By the version in it; then the store is asked afresh."""
    remembered = sign_ins._secrets.remembered  # type: ignore[attr-defined]
    old: dict[str, str | None] = {}
    for number in range(2, 9):
        claim = sign_ins.keeper("c1").claim()
        assert claim
        sign_ins.keeper("c1").renew(claim, f"cache {number}")
        new = dict(remembered)
        remembered.update(old)  # as of before the renewal

        assert _cache(sign_ins) == f"cache {number}"
        old = new


def test_a_new_sign_in_wins_over_a_renewal(sign_ins: SignIns) -> None:
    """Whoever was renewing the old one comes too late."""
    claim = sign_ins.keeper("c1").claim()
    assert claim
    sign_ins.keep_new("c1", "another person's", proven=False, made_at="here", signed_in_as="bob")

    with pytest.raises(Conflict):
        sign_ins.keeper("c1").renew(claim, "the old one's")

    kept = sign_ins.kept("c1")
    assert kept is not None
    assert (kept.signed_in_as, _cache(sign_ins)) == ("bob", "another person's")


def test_an_end_is_noted_of_the_version_that_ended(sign_ins: SignIns) -> None:
    """Not of one that somebody has made since."""
    keeper, error = sign_ins.keeper("c1"), SignInAgain("Sign in again: revoked.", code="AADSTS50173")
    keeper.end(0, error)
    held = keeper.read()
    assert held is not None
    assert held.ended is None

    keeper.end(1, error)

    held = keeper.read()
    assert held is not None
    assert (held.ended, held.code) == ("Sign in again: revoked.", "AADSTS50173")
    sign_ins.keep_new("c1", "cache 9", proven=False, made_at="here", signed_in_as="ada")
    held = keeper.read()
    assert held is not None
    assert held.ended is None


def test_a_secret_that_is_gone_is_for_later(sign_ins: SignIns) -> None:
    """Somebody took it out of the secret store by hand."""
    sign_ins._secrets.delete("vendor-c1-sign-in-0")
    sign_ins._secrets.remembered.clear()  # type: ignore[attr-defined]

    with pytest.raises(TryLater, match="sign in again"):
        sign_ins.keeper("c1").read()


@pytest.fixture
def pending() -> Any:
    """A sign-in on its way."""
    return lambda id: PendingSignIn(
        configuration_id="c1",
        id=id,
        method=SignInMethod.device_code,
        begun="2026-11-20T10:00:00.0000000Z",
        expires="2026-11-20T10:15:00.0000000Z",
    )


def test_the_sign_in_begun_last_counts(sign_ins: SignIns, pending: Any) -> None:
    """What was kept sealed with the one before is gone, and it can no longer be changed."""
    sign_ins.begin(pending("one"), {"device_code": "x"})
    one = sign_ins.pending("c1")
    assert one is not None
    assert sign_ins.secret_of(one)["device_code"] == "x"

    sign_ins.begin(pending("two"), {"device_code": "y"})

    with pytest.raises(NotFound):
        sign_ins.secret_of(one)
    with pytest.raises(Conflict):
        sign_ins.save_pending(one)
    two = sign_ins.pending("c1")
    assert two is not None
    assert sign_ins.secret_of(two)["device_code"] == "y"
    sign_ins.spend(two)
    with pytest.raises(NotFound):
        sign_ins.secret_of(two)
