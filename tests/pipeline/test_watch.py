"""Silence is an alert: each trouble is told to the admins once, and once when it is over, whatever dies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import SignInFailed, TryLater
from shared.nouns.configurations import PollState
from shared.nouns.detections import Severity, instant_of
from shared.nouns.notifications import Reason
from shared.nouns.troubles import Trouble, TroubleKind
from shared.pipeline.timers import TIMERS
from shared.pipeline.watch import Lookout, Watcher
from shared.store.quarantine import Kind
from tests.pipeline.mortal import NOW, Fault, Rig


@pytest.fixture
def rig() -> Iterator[Rig]:
    """One configuration, an admin's phone and another one."""
    made = Rig(phones=2)
    made.parts.configurations.save(
        made.configuration.model_copy(update={"created": instant_of(NOW - timedelta(days=30))})
    )
    yield made
    made.close()


def after(rig: Rig, *, ticks: bool = True, **passed: float) -> list[tuple[str, str]]:
    """Let time pass, watch, and deliver; what stands on the admin's phone that was not there before."""
    before = set(rig.phones.said)
    rig.now += timedelta(**passed)
    for timer in TIMERS.keys() - {"watch"} if ticks else ():
        rig.parts.heartbeats.note(timer, instant_of(rig.now))
    rig.parts.timers.watch()
    rig.drain()
    assert {i for i, n in rig.phones.pushed if n not in before} <= {"phone-0"}
    return [(n.title, n.reason.value) for id, n in rig.phones.said.items() if id not in before]


def state(rig: Rig, **more: Any) -> None:
    """The configuration's poll state, as polls left it."""
    found = rig.parts.configurations.get("c1")
    assert found is not None
    rig.parts.configurations.save_state(found.state.model_copy(update=more))


def ago(rig: Rig, **passed: float) -> str:
    """A time before now."""
    return instant_of(rig.now - timedelta(**passed))


def test_a_source_that_is_not_read_is_told_once_and_once_when_it_is_over(rig: Rig) -> None:
    """With the words of the last error, to the admins only."""
    state(rig, last_success=ago(rig, minutes=4), last_error="The vendor is away.")
    assert after(rig) == []
    assert after(rig, minutes=3) == [("C1 is not being read", "blind")]
    assert after(rig, minutes=1) == after(rig, minutes=1) == []
    [known] = rig.parts.troubles.all()
    assert "The vendor is away." in known.trouble.text
    state(rig, last_success=ago(rig))
    assert after(rig) == [("C1 is not being read", "restored")]
    assert rig.parts.troubles.all() == []


def test_three_intervals_count_and_a_long_first_read_is_no_silence(rig: Rig) -> None:
    """A configuration polled every hour may be silent for three."""
    found = rig.parts.configurations.get("c1")
    assert found is not None
    rig.parts.configurations.save(found.configuration.model_copy(update={"poll_interval": 3600}))
    state(rig, last_success=ago(rig, minutes=179))
    assert after(rig) == []
    state(rig, last_success=ago(rig, hours=4), walk_started=ago(rig, minutes=9), ticket="t")
    state(rig, last_attempt=ago(rig, minutes=9))
    assert after(rig) == []
    state(rig, ticket=None)
    assert after(rig) == [("C1 is not being read", "blind")]


def test_a_sign_in_that_fails_says_sign_in_again_and_nothing_else(rig: Rig) -> None:
    """Not also that nothing is read, which follows from it."""
    fails = {"error_kind": SignInFailed.__name__, "last_error": "The secret has expired.", "failures": 2}
    state(rig, last_success=ago(rig, hours=1), failing_since=ago(rig, minutes=50), **fails)
    assert after(rig) == [("C1 cannot sign in", Reason.sign_in_again.value)]
    state(rig, failures=0, error_kind=None, failing_since=None, last_success=ago(rig))
    assert after(rig) == [("C1 cannot sign in", "restored")]


def test_a_disabled_configuration_is_in_no_trouble(rig: Rig) -> None:
    """Nobody expects anything of it."""
    found = rig.parts.configurations.get("c1")
    assert found is not None
    rig.parts.configurations.save(found.configuration.model_copy(update={"enabled": False}))
    state(rig, last_success=ago(rig, days=9))
    assert after(rig) == []


def unforwarded(rig: Rig, *names: str, severity: str = "high") -> None:
    """Alerts that only polling finds, made now."""
    for name in names:
        rig.now += timedelta(seconds=1)
        rig.vendor.put(name, severity=severity, created=instant_of(rig.now))
    rig.poll()


def test_a_webhook_that_has_worked_and_is_silent_is_told(rig: Rig) -> None:
    """Three alerts in a row that only polling found; over with the next that it brings."""
    unforwarded(rig, "before", "the", "webhook", "was", "set", "up")
    assert after(rig) == []
    rig.webhook(rig.vendor.put("brought", severity="high", created=instant_of(rig.now)))
    rig.drain()
    unforwarded(rig, "a", "b")
    assert after(rig, minutes=1) == []
    unforwarded(rig, "c")
    assert after(rig, minutes=1) == []  # it may yet come
    rig.now += timedelta(minutes=40)
    rig.poll()
    assert after(rig) == [("The webhook of C1 is silent", "blind")]
    rig.webhook(rig.vendor.put("again", severity="high", created=instant_of(rig.now)))
    rig.drain()
    rig.poll()
    assert after(rig) == [("The webhook of C1 is silent", "restored")]


def test_alerts_that_no_automation_forwards_are_no_silence(rig: Rig) -> None:
    """Low ones, and those that are closed already."""
    rig.webhook(rig.vendor.put("brought", severity="high", created=instant_of(rig.now)))
    rig.drain()
    unforwarded(rig, *"abcd", severity="low")
    for name in "efgh":
        rig.vendor.put(name, severity="high", status="resolved", created=instant_of(rig.now))
    rig.poll()
    rig.now += timedelta(hours=1)
    rig.poll()
    assert after(rig) == []


def test_a_webhook_that_comes_after_the_poll_is_no_silence(rig: Rig) -> None:
    """Automations take their time."""
    rig.webhook(rig.vendor.put("brought", severity="high", created=instant_of(rig.now)))
    rig.drain()
    unforwarded(rig, "a", "b", "c")
    for name in "abc":
        rig.webhook(next(one for one in rig.vendor.alerts if one["id"] == name))
    rig.drain()
    rig.now += timedelta(minutes=40)
    rig.vendor.alerts[-1] = {**rig.vendor.alerts[-1], "text": "read again"}
    rig.poll()
    assert rig.health.unheard == ()
    assert after(rig) == []


def test_the_watch_misses_the_tick_and_the_tick_misses_the_watch(rig: Rig) -> None:
    """Whichever of the two stops."""
    state(rig, last_success=ago(rig, hours=-1))
    assert after(rig) == []
    assert after(rig, ticks=False, minutes=6) == []
    assert after(rig, ticks=False, minutes=1) == [("The timer tick is late", "blind")]
    rig.parts.timers.tick()
    assert after(rig) == [("The timer tick is late", "restored")]
    for _ in range(14):
        rig.now += timedelta(minutes=1)
        rig.parts.timers.tick()
    rig.drain()
    late = [n for n in rig.phones.said.values() if n.title == "The timer watch is late"]
    assert [n.reason for n in late] == [Reason.blind]


def test_a_timer_that_fails_has_not_come_to_its_end(rig: Rig) -> None:
    """Running is not enough."""

    def fail() -> None:
        raise TryLater("no")

    rig.parts.timers.run("watch", lambda: None)
    before = rig.parts.heartbeats.all()["watch"]
    rig.now += timedelta(minutes=5)
    with pytest.raises(TryLater):
        rig.parts.timers.run("watch", fail)
    assert rig.parts.heartbeats.all()["watch"] == before


def test_a_poison_queue_that_is_not_emptied_and_a_quarantine_that_grows_are_told(rig: Rig) -> None:
    """Not what is taken to quarantine before the next look."""
    state(rig, last_success=ago(rig))
    rig.real_queues.send("polls-poison", "{}")
    rig.parts.timers.watch()
    assert [one.trouble.kind for one in rig.parts.troubles.all()] == []
    rig.parts.timers.watch()
    assert [one.trouble.subject for one in rig.parts.troubles.all()] == ["polls"]
    assert after(rig) == [("Messages stay in the queue polls-poison", "blind")]  # the drain quarantines it
    said = after(rig, minutes=1)
    assert sorted(said) == [
        ("Messages stay in the queue polls-poison", "restored"),
        ("Something went into quarantine", "blind"),
    ]
    rig.parts.quarantine.put(Kind.alert, b"{}", reason="It has no id.", source="c1")
    state(rig, last_success=ago(rig))
    assert after(rig, minutes=4) == []
    state(rig, last_success=instant_of(rig.now + timedelta(minutes=61)))
    assert after(rig, minutes=61) == [("Something went into quarantine", "restored")]


def trouble(stage: int = 0, subject: str = "app", text: str = "Soon.") -> Trouble:
    """A secret that ends."""
    return Trouble(
        kind=TroubleKind.secret_expiry,
        subject=subject,
        title="The secret ends",
        text=text,
        since=instant_of(NOW),
        level=Severity.medium,
        stage=stage,
    )


def watching(rig: Rig, found: list[Trouble] | Exception) -> Watcher:
    """A watch with one lookout, which finds these or cannot look."""

    def find() -> list[Trouble]:
        if isinstance(found, Exception):
            raise found
        return found

    lookout = Lookout("secrets", (TroubleKind.secret_expiry,), find)
    return Watcher(rig.parts.troubles, rig.parts.mailbox, (lookout,), rig.clock)


def told(rig: Rig) -> list[str]:
    """Reasons on the admin's phone, in order."""
    rig.drain()
    return [n.reason.value for n in rig.phones.said.values()]


def test_what_gets_worse_is_told_again(rig: Rig) -> None:
    """And not what merely says it in other words."""
    for stage in (0, 0, 1, 1):
        watching(rig, [trouble(stage, text=f"In {rig.now}")]).watch()
        rig.now += timedelta(hours=1)
    assert told(rig) == ["expiring", "expiring"]


def test_who_cannot_look_ends_no_trouble(rig: Rig) -> None:
    """Not knowing is not the end of it."""
    watching(rig, [trouble()]).watch()
    watching(rig, TryLater("no")).watch()
    watching(rig, [trouble()]).watch()
    assert told(rig) == ["expiring"]


def test_two_watches_at_once_say_it_once(rig: Rig) -> None:
    """The second finds it open."""
    first, second = watching(rig, [trouble()]), watching(rig, [trouble()])
    rig.parts.troubles.open(trouble(), instant_of(rig.now))  # the other one is just there
    first.watch()
    second.watch()
    assert told(rig) == ["expiring"]
    assert set(rig.phones.pushed.values()) == {1}


def story(rig: Rig) -> None:
    """A trouble comes, gets worse, ends, and comes back; each look is made until it comes to its end."""
    for found in ([trouble()], [trouble()], [trouble(1)], [], [], [trouble()], []):
        rig.now += timedelta(minutes=5)
        while not rig.survive(watching(rig, found).watch):
            pass
        rig.drain()


@pytest.mark.parametrize("fault", list(Fault))
def test_no_failed_call_loses_or_repeats_what_is_told(fault: Fault) -> None:
    """Every call of the story fails in turn; the phone shows the same in the end."""
    rig = Rig()
    story(rig)
    rig.close()
    expected = Counter({("The secret ends", "expiring"): 3, ("The secret ends", "restored"): 2})
    assert rig.phones.shown == expected
    wrong = []
    for at, name in enumerate(rig.fate.calls, start=1):
        one = Rig(at, fault)
        story(one)
        again = [key for key, times in one.phones.pushed.items() if times > 1]
        gap = name in ("push.send", "tables.write deliveries")
        if one.phones.shown != expected or len(again) > gap or one.parts.troubles.all():
            wrong.append((at, name, one.phones.shown, again))
        one.close()
    assert wrong == []


def test_a_state_written_before_this_version_is_read(rig: Rig) -> None:
    """Without the new fields."""
    old = PollState(configuration_id="c1").model_dump(exclude={"error_kind", "unheard", "webhook_heard"})
    assert PollState.model_validate(old).unheard == ()
