"""The credential doctor: gets a token for each API that a configuration needs, reads what it says, and
answers for each feature whether it works and what exactly is missing.

What a token says is compared with the configuration (tenant, app, clock) and with what each feature needs;
roles in Azure (RBAC) are in no token, so the vendor proves them by calling. Nothing that a check is for is
raised. The last answer is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import OperatorMustAct, PocketSOCError
from shared.nouns.checkups import Checkup, Finding, TokenLine
from shared.nouns.configurations import Configuration
from shared.nouns.detections import instant_of
from shared.pipeline.diagnosis import (
    feature_lines,
    finding_of,
    lines_without_token,
    token_findings,
    token_line,
)
from shared.pipeline.expiry import ASKS_GRAPH, Expiry
from shared.store.checkups import Checkups
from shared.store.configurations import Configurations
from shared.vendors.vendor import Check, Connection, Vendor, permissions_of

_DAY = timedelta(hours=23)
_BUDGET = timedelta(minutes=5)
_AT_ONCE = 4
_waited_for = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="checkup")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Doctor:
    """Examines. `connect` makes a configuration's way to its vendor anew, without what was remembered of an
    earlier one, so that a permission granted meanwhile is seen; `in_background` makes the calls over a
    connection count as background work."""

    configurations: Configurations
    checkups: Checkups
    expiry: Expiry
    vendors: Mapping[str, Vendor]
    connect: Callable[[Configuration], Connection]
    clock: Callable[[], datetime]
    in_background: Callable[[Connection], Connection] = lambda connection: connection

    def check(self, configuration: Configuration, *, asked_for: bool = True) -> Checkup:
        """Examine a configuration now, and keep the answer; `asked_for`: a person waits for it. Raises only
        when our own storage fails."""
        checkup = self._examined(configuration, asked_for=asked_for)
        self.checkups.save(configuration.id, checkup)
        return checkup

    def check_within(self, configuration: Configuration, seconds: float) -> Checkup | None:
        """Likewise, but waited for only so long: None when it takes longer (it is kept all the same) or could
        not be kept. Raises nothing."""
        asked = _waited_for.submit(self.check, configuration)
        try:
            return asked.result(timeout=seconds)
        except TimeoutError:
            return None
        except Exception as error:  # what was asked for is done; this is only a look at it
            _log.warning("the checkup of %s failed (%s)", configuration.id, type(error).__name__)
            return None

    def daily(self) -> int:
        """Examine every configuration that has not been for a day, the longest ago first, as long as there is
        time; gives how many. Run often, it catches up."""
        began, last = self.clock(), self.checkups.all()
        before = instant_of(began - _DAY)
        known = [c.configuration for c in self.configurations.all() if c.configuration.enabled]
        due = [c for c in known if c.id not in last or last[c.id].at <= before]
        due.sort(key=lambda c: last[c.id].at if c.id in last else "")
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="doctor") as pool:
            return sum(pool.map(lambda one: self._in_time(one, began), due))

    def _in_time(self, configuration: Configuration, began: datetime) -> bool:
        if self.clock() - began > _BUDGET:
            return False
        try:
            self.check(configuration, asked_for=False)
        except (
            Exception
        ) as error:  # one configuration's trouble must not keep the others from being looked at
            _log.warning("the checkup of %s failed (%s)", configuration.id, type(error).__name__)
            return False
        return True

    def _examined(self, configuration: Configuration, *, asked_for: bool) -> Checkup:
        try:
            made = self.connect(configuration)
            connection = made if asked_for else self.in_background(made)
            claims = connection.api.token_claims()
        except PocketSOCError as error:
            return self._without_token(configuration, error)
        vendor = self.vendors[configuration.vendor]
        audience = vendor.audience(configuration, connection.cloud)
        token = token_line(vendor.title, audience, claims)
        rbac = audience == connection.cloud.arm_audience
        odd = tuple(token_findings(configuration, token, claims, self.clock(), rbac=rbac))
        check, refused = _vendors_check(vendor, connection)
        expiry, credentials = self.expiry.look(connection)
        table = feature_lines(configuration, permissions_of(vendor, configuration), check)
        return Checkup(
            at=instant_of(self.clock()),
            ok=check.ok,
            summary=check.summary,
            findings=odd + refused,
            features=(*table, *((expiry,) if expiry else ())),
            tokens=(token, *_graph_token(connection, asked=audience)),
            credentials=credentials,
        )

    def _without_token(self, configuration: Configuration, error: PocketSOCError) -> Checkup:
        vendor = self.vendors[configuration.vendor]
        finding = finding_of(error)
        return Checkup(
            at=instant_of(self.clock()),
            ok=False,
            summary=str(error),
            findings=(finding,),
            features=lines_without_token(permissions_of(vendor, configuration), error),
            tokens=(
                TokenLine(api=vendor.title, audience="", ok=False, problem=str(error), code=finding.code),
            ),
            credentials=self.expiry.known(configuration),
        )


def _vendors_check(vendor: Vendor, connection: Connection) -> tuple[Check, tuple[Finding, ...]]:
    try:
        return vendor.check(connection), ()
    except OperatorMustAct as error:
        return Check(ok=False, summary=str(error)), (finding_of(error),)
    except PocketSOCError as error:  # busy or away: nothing is known
        return Check(ok=False, summary=str(error)), ()


def _graph_token(connection: Connection, *, asked: str) -> tuple[TokenLine, ...]:
    """The token for Microsoft Graph, where this way to sign in has a use for one beside that `asked` for."""
    graph, kind = connection.graph, connection.configuration.auth_type
    if graph is None or kind not in ASKS_GRAPH:
        return ()
    title, audience = "Microsoft Graph", connection.cloud.graph_audience
    if audience == asked:
        return ()
    try:
        return (token_line(title, audience, graph.token_claims()),)
    except PocketSOCError as error:
        code = finding_of(error).code
        return (TokenLine(api=title, audience=audience, ok=False, problem=str(error), code=code),)
