"""`dev.py bench completeness`: two simulated days with everything that goes wrong, for each vendor; count
what was missed or said twice.

Memory stores, the simulator over https: ties, rows that appear late, updates, webhooks in all dialects and
repeated, throttling, errors and dropped connections, and processes that die before and after each call to
storage and to the push service: in polls, in the ledger's sweeps, in the watch. What must be announced is
worked out from what was made to happen, by rules of the benchmark's own (rig/two_days.py).

Rows that appear 1 to 7 hours after their update time count like all others. Those that polling cannot reach
must be recovered by the ledger, announced as late, and be in its count, each once.
"""

from __future__ import annotations

import argparse
import logging
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.rig.crashes import Plan
from benchmarks.rig.mortal_house import PHONES, MortalHouse, simulated_token_life
from benchmarks.rig.report import Report
from benchmarks.rig.two_days import APART, Alert, TwoDays
from benchmarks.rig.vendor_days import VENDORS
from simulator.serve import Simulator
from simulator.world import World

_BEGIN = datetime(2026, 11, 17, 9, tzinfo=UTC)
_QUIET_MINUTES = 300  # for the ledger, too


def main() -> int:
    """Run it; 1 when a number is missed."""
    parser = argparse.ArgumentParser(prog="dev.py bench completeness", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--vendor", choices=sorted(VENDORS), action="append", help="only this one")
    parser.add_argument("--hours", type=float, default=48)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tie", type=int, default=1050, help="alerts with one and the same update time")
    parser.add_argument("--threads", type=int, default=4, help="1 makes a run exactly repeatable")
    parser.add_argument("--no-fail", action="store_true", help="exit 0 whatever is missed")
    options = parser.parse_args()
    report = Report()
    logging.disable()  # what goes wrong here was made to
    for vendor in options.vendor or VENDORS:
        live(report, options.hours, options.seed, options.tie, options.threads, vendor)
    return report.status(fail=not options.no_fail)


def live(report: Report, hours: float, seed: int, tie: int, threads: int, vendor: str) -> None:
    """Let the time pass at one vendor, then count."""
    world, happenings = World.sample(clock=lambda: _BEGIN), VENDORS[vendor]
    with Simulator(world) as simulator, simulated_token_life(world.now):
        plan = Plan(random.Random(f"deaths {seed}"), simulator.world.now)
        house = MortalHouse(simulator, plan, vendor, happenings.poll_minutes, threads)
        chance = random.Random(f"days {seed}")
        days = TwoDays(simulator.world, happenings, chance, int(hours * 60), tie)
        polls = _Gaps()
        for minute in range(days.minutes + _QUIET_MINUTES):
            if minute == days.minutes:
                plan.active = False
                with simulator.world.lock:
                    simulator.world.faults.clear()
            _live_a_minute(house, days, minute)
            polls.look(house)
        report.say(f"{vendor}:")
        _told(report, house, days, plan, polls)


def _live_a_minute(house: MortalHouse, days: TwoDays, minute: int) -> None:
    if minute < days.minutes:
        days.minute(minute)
    for body in days.events(minute):
        if not house.webhook(body):
            days.webhooks.append((minute + 1, body))  # the sender tries again
    house.minute(minute)
    house.simulator.world.advance(60)


@dataclass
class _Gaps:
    """How long configurations went without a successful poll."""

    last: dict[str, datetime] = field(default_factory=dict)
    longest: timedelta = timedelta()

    def look(self, house: MortalHouse) -> None:
        """To be called every minute."""
        now = house.simulator.world.now()
        for configured in house.afterlife.configurations.all():
            reached = configured.state.last_success
            if reached is not None:
                self.last[configured.configuration.id] = datetime.fromisoformat(reached[:26] + "+00:00")
        self.longest = max(self.longest, *(now - last for last in self.last.values()), timedelta())


@dataclass
class _Stored:
    """The cards: how many for each native id, and what the newest says."""

    number: Counter[str] = field(default_factory=Counter)
    of_card: dict[str, str] = field(default_factory=dict)
    content: dict[str, tuple[str, bool]] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)

    def see(self, card: Any) -> None:
        """Count one card."""
        native_id = card.detection.native_id
        self.number[native_id] += 1
        self.of_card[card.id] = native_id
        if card.announced.reason == "late":
            self.late.add(native_id)
        self.content[native_id] = (card.detection.severity.value, card.detection.status.closed)


def _told(report: Report, house: MortalHouse, days: TwoDays, plan: Plan, polls: _Gaps) -> None:
    stored = _Stored()
    house.each_card(stored.see)
    seen = days.alerts
    beyond = [alert for alert in days.alerts if alert.beyond]
    report.say(
        f"{days.minutes / 60:g} simulated hours: {len(days.alerts):,} alerts ({_words(days.happened)})"
    )
    never = plan.never_died_at
    none_at = "; ".join(never) if 0 < len(never) <= 8 else f"{len(never)} sides of calls"
    report.say(f"  deaths: {sum(plan.deaths.values())} at {len(plan.sites)} places; none at: {none_at}")
    report.say(f"  errors that the host saw: {_words(house.failures)}")
    # Beyond that, a change and its reversal may have gone unseen, and what had to be announced is not known.
    blind, most = polls.longest.total_seconds() / 60, APART.total_seconds() / 60 - 45
    report.reach("longest time without a successful poll, in minutes", blind, "<=", most)
    report.reach("missed", sum(not stored.number[a.id] for a in seen), "<=", 0)
    report.reach("duplicate detections", sum(n - 1 for n in stored.number.values()), "<=", 0)
    stale = [
        a for a in seen if a.views and stored.content.get(a.id) != (a.views[-1][0].lower(), a.views[-1][1])
    ]
    report.reach("detections that do not show the vendor's last word", len(stale), "<=", 0)
    report.reach(
        "messages left or quarantined", house.waiting() + house.afterlife.quarantine.count(), "<=", 0
    )
    found = sum(bool(stored.number[a.id]) for a in beyond)
    report.say(f"  of them late beyond the polls' overlap: {len(beyond)}, found {found}")
    _ledger(report, house, beyond, stored)
    _pushes(report, house, seen, stored, plan)


def _ledger(report: Report, house: MortalHouse, beyond: list[Alert], stored: _Stored) -> None:
    """What the ledger says it has recovered, against what was announced as late."""
    [book] = [house.afterlife.ledger.book(c.configuration.id) for c in house.afterlife.configurations.all()]
    counted = sum(sweep.recovered for sweep in book.sweeps)
    late = {one for one in stored.late if one in {alert.id for alert in beyond}}
    complete = [sweep for sweep in book.sweeps if sweep.complete]
    report.say(f"  sweeps: {len(book.sweeps)}, complete {len(complete)}; recovered {counted}")
    report.reach("announced as late, but not late beyond the overlap", len(stored.late - late), "<=", 0)
    report.reach("recovered by the ledger, but not counted once", abs(counted - len(stored.late)), "<=", 0)
    unsound = [s for s in complete if s.missing or s.stored < 0]
    report.reach("sweeps whose numbers do not add up", len(unsound), "<=", 0)
    last = complete[0] if complete else None
    report.reach("missing at the last sweep", last.recovered + last.missing if last else 1, "<=", 0)


def _pushes(
    report: Report,
    house: MortalHouse,
    alerts: list[Alert],
    stored: _Stored,
    plan: Plan,
) -> None:
    """Announcements expected and made, on every phone."""
    expected = sum(alert.to_say for alert in alerts)
    report.show("changes to announce", expected)
    silent = needless = shown = sends = 0
    for phone in house.phones:
        said = [push.payload["notification"]["data"]["notification"] for push in phone.received]
        made = Counter(stored.of_card.get(one.rpartition(".")[0], "?") for one in set(said))
        silent += sum(max(alert.to_say - made[alert.id], 0) for alert in alerts)
        wanted = {alert.id: alert.to_say for alert in alerts}
        needless += sum(max(n - wanted.get(one, 0), 0) for one, n in made.items())
        sends += len(said)
        shown += made.total()
    report.reach("changes not announced", silent, "<=", 0)
    report.reach("announcements without a change", needless, "<=", 0)
    report.show("pushes per announced change, as the phones show them", shown / (expected * len(PHONES)))
    report.show("raw sends per announced change", sends / (expected * len(PHONES)))
    report.say(f"  sends whose answer died with a process: {plan.answers_lost}")
    report.reach("raw sends beyond those", max(sends - shown - plan.answers_lost, 0), "<=", 0)


def _words(counts: Any) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "none"


if __name__ == "__main__":
    raise SystemExit(main())
