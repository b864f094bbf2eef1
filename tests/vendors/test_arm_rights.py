"""What roles in Azure allow, as Azure lists it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from shared.errors import PermissionMissing
from shared.nouns.configurations import CLOUDS, CloudName, Configuration
from shared.vendors.arm_rights import Rights, rights_at
from shared.vendors.vendor import Api, Connection

DISMISS = "Microsoft.Security/locations/alerts/dismiss/action"


def _role(*actions: str, but: tuple[str, ...] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return actions, but


@pytest.mark.parametrize(
    ("roles", "allowed"),
    [
        ((), False),
        ((_role("*"),), True),
        ((_role("Microsoft.Security/*"),), True),
        ((_role("microsoft.security/LOCATIONS/alerts/*/action"),), True),
        ((_role("Microsoft.Security/*/read"),), False),
        ((_role("*", but=("Microsoft.Security/*/action",)),), False),
        ((_role("*", but=("Microsoft.Security/*",)), _role(DISMISS)), True),
        ((_role("Microsoft.SecurityInsights/*"),), False),
        ((_role("MicrosoftXSecurity/*"),), False),
    ],
)
def test_an_action_is_allowed_by_any_role_without_its_exceptions(roles: Any, allowed: bool) -> None:
    """Stars, casing, and exceptions that count within their own role only."""
    assert Rights(roles).allow(DISMISS) is allowed


class Pages:
    """Azure's answers, one after the other; an error is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), []

    def get(self, path_or_url: str, params: Any = None) -> Any:
        self.asked.append(path_or_url)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def _ask(*answers: Any) -> tuple[Rights | None, Pages]:
    api, configuration = Pages(*answers), Configuration(id="c", vendor="v", display_name="d")
    cloud = CLOUDS[CloudName.commercial]
    connection = Connection(configuration, cloud, cast(Api, api), now=cast(Any, None))
    return rights_at(connection, "/subscriptions/s"), api


def test_all_pages_are_read() -> None:
    """The link verbatim."""
    link = "https://management.azure.com/next"
    found, api = _ask({"value": [{"actions": ["a"]}], "nextLink": link}, {"value": [{"Actions": [DISMISS]}]})

    assert found is not None
    assert found.allow(DISMISS)
    assert api.asked[1] == link
    assert api.asked[0] == "/subscriptions/s/providers/Microsoft.Authorization/permissions"


def test_who_may_not_ask_does_not_know() -> None:
    """Nothing is called missing."""
    assert _ask(PermissionMissing("no"))[0] is None


def test_a_list_without_end_is_given_up() -> None:
    """Nothing is known then."""
    assert _ask({"value": [], "nextLink": "https://management.azure.com/again"})[0] is None


@pytest.mark.parametrize("odd", [{}, {"value": None}, {"value": {}}])
def test_an_answer_without_a_list_says_nothing(odd: Any) -> None:
    """A proxy's JSON does not take a role away."""
    assert _ask(odd)[0] is None


@pytest.mark.parametrize("row", ["x", None, {"actions": None}, {"actions": "a"}])
def test_an_odd_role_allows_nothing(row: Any) -> None:
    """And raises nothing."""
    found, _ = _ask({"value": [row]})

    assert found is not None
    assert not found.allow(DISMISS)
