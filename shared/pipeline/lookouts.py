"""Where the watch looks: at each configuration's polls, sign-in and webhook, at the timers, at what cannot be
worked on. Texts are for the admins: what is wrong, since when, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from shared.errors import SignInAgain, SignInFailed
from shared.nouns.configurations import PollState
from shared.nouns.detections import Instant, Severity, instant_of, moment_of
from shared.nouns.ledger import Sweep
from shared.nouns.troubles import Trouble, TroubleKind
from shared.pipeline.collect import CollectorHealth
from shared.pipeline.hearing import silent_since
from shared.pipeline.timers import TIMERS, late_since
from shared.pipeline.watch import Lookout
from shared.store.configurations import Configurations, Configured
from shared.store.heartbeats import Heartbeats
from shared.store.ledger import Ledger
from shared.store.quarantine import Quarantine
from shared.store.stores import QUEUES, Queues

_INTERVALS = 3
_LEAST_SILENCE = timedelta(minutes=5)  # of a poll every 30 seconds, too
_WALKING = timedelta(minutes=12)  # a poll may run for ten minutes before it notes anything
_WEBHOOK_GRACE = timedelta(minutes=30)
_QUARANTINED = timedelta(hours=1)
_BLIND = timedelta(hours=3)
_COLLECTOR = timedelta(minutes=30)
Clock = Callable[[], datetime]


def configurations(store: Configurations, clock: Clock) -> Lookout:
    """Sign-in that fails, polls that do not come to their end, a webhook that has gone silent."""

    def find() -> Iterator[Trouble]:
        now = clock()
        for one in store.all():
            if not one.configuration.enabled:
                continue
            trouble = _sign_in(one) or _silence(one, now)
            yield from [trouble] if trouble else []
            yield from _webhook(one, now)

    kinds = (TroubleKind.sign_in, TroubleKind.silent_source, TroubleKind.silent_webhook)
    return Lookout("the configurations", kinds, find)


def _sign_in(one: Configured) -> Trouble | None:
    state = one.state
    again = state.error_kind == SignInAgain.__name__
    # Once may be a hiccup of the directory; a person's sign-in that has ended comes back in no case.
    if not again and (state.error_kind != SignInFailed.__name__ or state.failures < 2):
        return None
    return Trouble(
        kind=TroubleKind.sign_in,
        subject=one.configuration.id,
        title=f"{one.configuration.display_name} cannot sign in",
        text=f"No token since {_shown(state.failing_since)}; nothing is read. {state.last_error}",
        since=state.failing_since or "",
    )


def _silence(one: Configured, now: datetime) -> Trouble | None:
    configuration, state = one.configuration, one.state
    heard = max(state.last_success or "", configuration.changed or configuration.created or "")
    patience = max(_INTERVALS * timedelta(seconds=configuration.poll_interval), _LEAST_SILENCE)
    if not heard or now - moment_of(heard) <= patience or _is_walking(state, now):
        return None
    why = state.last_error or "No poll has come to its end; look at the logs of tick and poll_vendor."
    return Trouble(
        kind=TroubleKind.silent_source,
        subject=configuration.id,
        title=f"{configuration.display_name} is not being read",
        text=f"No successful poll since {_shown(state.last_success)}. {why}",
        since=heard,
    )


def _is_walking(state: PollState, now: datetime) -> bool:
    """Whether a long first read is under way: that is no silence."""
    at_work = state.walk_started is not None and state.failing_since is None and state.ticket is not None
    return at_work and now - moment_of(state.last_attempt or instant_of(now)) <= _WALKING


def _webhook(one: Configured, now: datetime) -> Iterator[Trouble]:
    since = silent_since(one.configuration, one.state)
    if since is not None and now - moment_of(since) > _WEBHOOK_GRACE:
        yield Trouble(
            kind=TroubleKind.silent_webhook,
            subject=one.configuration.id,
            title=f"The webhook of {one.configuration.display_name} is silent",
            text=f"Since {_shown(since)} polling finds alerts that the webhook did not bring; they come, but "
            "late. Look at the run history of the Logic App, the workflow automation and the function key.",
            since=since,
            level=Severity.medium,
        )


def timers(heartbeats: Heartbeats, clock: Clock) -> Lookout:
    """Timers that do not come any more."""

    def find() -> Iterator[Trouble]:
        now = clock()
        known = heartbeats.expect(TIMERS, instant_of(now))
        for name in TIMERS:
            since = late_since(known[name], now)
            if since:
                yield Trouble(
                    kind=TroubleKind.late_timer,
                    subject=name,
                    title=f"The timer {name} is late",
                    text=f"It last came to its end {_shown(known[name].last)}. The log of the function "
                    f"{name} says why; if there is none, the app does not run.",
                    since=since,
                )

    return Lookout("the timers", (TroubleKind.late_timer,), find)


def queues(store: Queues, quarantine: Quarantine, heartbeats: Heartbeats, clock: Clock) -> Lookout:
    """Poison queues that nobody empties, and what has lately gone into quarantine."""

    def find() -> Iterator[Trouble]:
        now = clock()
        before = heartbeats.all().get("poison")
        depths = {name: store.depth(f"{name}-poison") for name in QUEUES}
        heartbeats.note("poison", instant_of(now), counts={n: d for n, d in depths.items() if d})
        for name, depth in depths.items():
            # A function takes messages from there at once: what is there twice in a row stays.
            if depth and before and before.counts.get(name):
                yield Trouble(
                    kind=TroubleKind.poison_queue,
                    subject=name,
                    title=f"Messages stay in the queue {name}-poison",
                    text=f"{depth} wait for the quarantine. The function that takes them there does not run, "
                    "or storage refuses it; its log says why.",
                    since=before.last or instant_of(now),
                )
        yield from _quarantined(quarantine, now)

    return Lookout("the queues", (TroubleKind.poison_queue, TroubleKind.quarantine), find)


def _quarantined(quarantine: Quarantine, now: datetime) -> Iterator[Trouble]:
    everything = quarantine.all()
    new = [one for one in everything if now - moment_of(one.received) <= _QUARANTINED]
    if new:
        yield Trouble(
            kind=TroubleKind.quarantine,
            subject="quarantine",
            title="Something went into quarantine",
            text=f"{len(new)} within the last hour, {len(everything)} in all. The newest: {new[0].reason} "
            "Look at it in the quarantine; nothing of it is lost, and it can be replayed.",
            since=new[-1].received,
            level=Severity.medium,
        )


def collector(health: Callable[[], CollectorHealth], clock: Clock) -> Lookout:
    """A collector that does not take what is handed to it."""

    def find() -> Iterator[Trouble]:
        found = health()
        since = found.failing_since
        if since and clock() - moment_of(since) > _COLLECTOR:
            yield Trouble(
                kind=TroubleKind.collector,
                subject="collector",
                title="The collector gets nothing",
                text=f"Since {_shown(since)} nothing could be handed over; nothing is lost. "
                f"{found.last_error}",
                since=since,
                level=Severity.medium,
            )

    return Lookout("the collector", (TroubleKind.collector,), find)


def ledger(store: Ledger, configurations: Configurations, clock: Clock) -> Lookout:
    """Alerts that polling had missed, and configurations that cannot be compared."""

    def find() -> Iterator[Trouble]:
        now, books = clock(), store.all()
        for one in configurations.all():
            book = books.get(one.configuration.id)
            newest = book.newest if book else None
            if book is None or newest is None or not one.configuration.enabled:
                continue
            if newest.recovered or newest.missing:
                yield _lost(one, newest)
            since = book.complete or one.configuration.created
            if newest.trouble and since and now - moment_of(since) > _BLIND:
                yield Trouble(
                    kind=TroubleKind.blind_ledger,
                    subject=one.configuration.id,
                    title=f"Nothing proves that {one.configuration.display_name} is read whole",
                    text=f"The ledger could not compare it since {_shown(book.complete)}. {newest.trouble}",
                    since=since,
                    level=Severity.medium,
                )

    return Lookout("the ledger", (TroubleKind.lost_alerts, TroubleKind.blind_ledger), find)


def _lost(one: Configured, sweep: Sweep) -> Trouble:
    count = sweep.recovered + sweep.missing
    return Trouble(
        kind=TroubleKind.lost_alerts,
        subject=one.configuration.id,
        title=f"Polling {one.configuration.display_name} had missed something",
        text=f"The ledger found {count} of {sweep.counts.expected} alerts missing, the oldest made "
        f"{_shown(sweep.counts.oldest_gap)}, and brings them in now. Vendors show some alerts hours late; "
        "if it happens often, or to many at once, look at the configuration's health.",
        since=sweep.begun,
        level=Severity.low,
    )


def _shown(when: Instant | None) -> str:
    return f"{when[:10]} {when[11:16]} UTC" if when else "never"
