"""What stands between a client and its API: whether a call may be made now.

The client asks before every call and tells when it was refused. Who keeps the books, and how instances share
them, is not its business (store/budgets.py; docs/decisions/0014).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable

from shared.nouns.budgets import Use
from shared.vendors.vendor import Api, Connection


class Budget(Protocol):
    """One tenant's calls to one API, shared by all instances."""

    def ask(self, use: Use) -> None:
        """Before a call. A user is always let through. Raises BudgetSpent, with the seconds to wait, when the
        share of this use is used up or the API has asked to wait."""
        ...

    def refused(self, retry_after: float | None) -> None:
        """The API has asked to wait (429); background work of everybody waits. Never raises for trouble of
        its own: there is an error to be told already."""
        ...


@runtime_checkable
class Metered(Api, Protocol):
    """An Api whose calls are counted by their use."""

    def used_for(self, use: Use) -> Api:
        """The same, for calls of this use."""
        ...


def used_for(connection: Connection, use: Use) -> Connection:
    """The same connection, for calls of this use."""

    def metered(api: Api) -> Api:
        return api.used_for(use) if isinstance(api, Metered) else api

    graph = metered(connection.graph) if connection.graph is not None else None
    return replace(connection, api=metered(connection.api), graph=graph)
