"""What a caller may do in Azure, asked of Azure itself: roles are in no token, but Resource Manager lists the
actions that the caller's roles allow at a scope.

Source: "Permissions - List For Resource Group" of the Authorization API; at a subscription it is what the
Azure portal asks. Who may not ask (a custom role without `Microsoft.Authorization/*/read`) gets no answer,
and then nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.errors import PocketSOCError
from shared.vendors.listing import pages
from shared.vendors.loose_json import fields, words
from shared.vendors.vendor import Connection, Feature

_VERSION = "2022-04-01"


@dataclass(frozen=True)
class Rights:
    """Allowed actions with their exceptions, one pair for each role. Names may hold `*`, in any casing."""

    roles: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    def allow(self, action: str) -> bool:
        """Whether any role allows the action."""
        return any(_any(yes, action) and not _any(no, action) for yes, no in self.roles)


def rights_at(connection: Connection, scope: str) -> Rights | None:
    """What the caller may do at the scope (`/subscriptions/...`); None when that cannot be asked."""
    path, version = f"{scope}/providers/Microsoft.Authorization/permissions", {"api-version": _VERSION}
    try:
        listed = pages(connection.api, path, version, who="Azure Resource Manager")
        return Rights(tuple(_role(one) for rows in listed for one in rows))
    except PocketSOCError:
        return None


def allowed(
    connection: Connection, scope: str | None, actions: Mapping[Feature, str]
) -> dict[Feature, bool | None]:
    """Which features the caller's roles allow at the scope, by the action that each takes; None where that
    is not known."""
    rights = rights_at(connection, scope) if scope else None
    return {feature: rights.allow(action) if rights else None for feature, action in actions.items()}


def _role(raw: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    known = fields(raw)
    return words(known.get("actions")), words(known.get("notactions"))


def _any(patterns: Iterable[str], action: str) -> bool:
    return any(re.fullmatch(re.escape(one).replace(r"\*", ".*"), action, re.IGNORECASE) for one in patterns)
