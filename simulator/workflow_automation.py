"""Defender for Cloud's workflow automation: an event that fits an automation's rules starts its Logic App,
which does what its definition says.

Of the workflow definition language it knows what forwarding takes: `@triggerBody()`, `@parameters('...')`,
HTTP actions with a retry policy, a function key or the Logic App's identity. Sources: "Automations" in the
REST reference of Microsoft.Security, "Schema reference for Workflow Definition Language".
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.logic_app import forward

_PARAMETER = re.compile(r"@parameters\('([^']+)'\)")
Token = Callable[[str], str]


@dataclass(frozen=True)
class Run:
    """One run of a Logic App: the HTTP status of each attempt of its action, 0 for none."""

    workflow: str
    statuses: tuple[int, ...]

    @property
    def succeeded(self) -> bool:
        """As the run history would say."""
        return 200 <= self.statuses[-1] < 300


def fire(
    resources: Iterable[Mapping[str, Any]],
    event_source: str,
    event: Mapping[str, Any],
    *,
    token: Token | None = None,
    ca_bundle: str | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> list[Run]:
    """What happens when Defender for Cloud has an event. `token` gives the Logic App's identity a token for
    an audience."""
    made = {str(one["id"]).lower(): one for one in resources}
    runs = []
    for automation in made.values():
        if automation["type"] != "Microsoft.Security/automations" or not _wants(
            automation, event_source, event
        ):
            continue
        for action in automation["properties"]["actions"]:
            workflow = made[str(action["logicAppResourceId"]).lower()]
            _check_callback(workflow, action["uri"])
            runs.append(run(workflow, event, token=token, ca_bundle=ca_bundle, pause=pause))
    return runs


def run(workflow: Mapping[str, Any], body: Any, *, token: Token | None = None, **options: Any) -> Run:
    """Run a Logic App's HTTP action on a trigger's body."""
    properties = workflow["properties"]
    given = {name: one["value"] for name, one in properties.get("parameters", {}).items()}
    [action] = properties["definition"]["actions"].values()
    inputs = {name: _evaluated(value, given, body) for name, value in action["inputs"].items()}
    headers = dict(inputs.get("headers", {}))
    if "authentication" in inputs and token is not None:
        headers["Authorization"] = f"Bearer {token(inputs['authentication']['audience'])}"
    retries = int(inputs.get("retryPolicy", {}).get("count", 4))
    statuses = forward(inputs["uri"], inputs["body"], headers=headers, retries=retries, **options)
    return Run(str(workflow["name"]), tuple(statuses))


def _evaluated(value: Any, given: Mapping[str, Any], body: Any) -> Any:
    if isinstance(value, dict):
        return {name: _evaluated(one, given, body) for name, one in value.items()}
    if value == "@triggerBody()":
        return body
    found = _PARAMETER.fullmatch(value) if isinstance(value, str) else None
    return given[found[1]] if found else value


def _wants(automation: Mapping[str, Any], event_source: str, event: Mapping[str, Any]) -> bool:
    """Rules of a set must all hold; one set is enough; no sets at all let everything through."""
    properties = automation["properties"]
    for source in properties["sources"] if properties["isEnabled"] else []:
        sets = source.get("ruleSets") or [{"rules": []}]
        if source["eventSource"] == event_source and any(
            all(_holds(r, event) for r in s["rules"]) for s in sets
        ):
            return True
    return False


def _holds(rule: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    found: Any = event
    for name in rule["propertyJPath"].split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if rule["operator"] != "Equals":
        raise NotImplementedError(f"the operator {rule['operator']} is not known here")
    return str(found).casefold() == str(rule["expectedValue"]).casefold()


def _check_callback(workflow: Mapping[str, Any], uri: str) -> None:
    """The automation must call a trigger that the Logic App has."""
    trigger = re.search(r"/triggers/([^/?]+)", uri)
    if trigger is None or trigger[1] not in workflow["properties"]["definition"]["triggers"]:
        raise LookupError("the automation calls a trigger that its Logic App does not have")
