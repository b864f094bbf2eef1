"""The command line that talks to a running simulator: each command is one or two calls of its control API.

Prints what happened as JSON. Whoever starts the simulator's server uses `serve` (see __main__.py).
"""

from __future__ import annotations

import argparse
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulator.arm_templates import Deployment
from simulator.cloud_apps_scenarios import VERDICTS
from simulator.control import ENDLESS
from simulator.faults import KINDS
from simulator.logic_app import forward
from simulator.sample import SUBSCRIPTION_ID
from simulator.scenarios import STATES
from simulator.sign_in_commands import add_sign_in_commands
from simulator.webhook_dialects import DIALECTS
from simulator.workflow_automation import fire

TEMPLATE = Path(__file__).resolve().parent.parent / "templates" / "pocketsoc-defender-automation.json"
# Whose alerts commands can make (Sentinel's in incidents), which can tie or be late (xdr's are incidents),
# which name the title differently, and how a scenario calls an alert, unless alert_id.
_VENDORS = ("endpoint", "cloud", "graph", "cloud-apps", "sentinel")
_TYING = ("endpoint", "graph", "cloud-apps", "sentinel", "xdr")
_LATE = (*_VENDORS, "xdr")
_TITLES = {"cloud": "alertDisplayName"}
_IDS = {"cloud": "name", "sentinel": "name"}
# The vendors' own words for severity: with a capital, as they are in Graph, as numbers in Cloud Apps.
_SEVERITIES = {one.lower(): one for one in ("Informational", "Low", "Medium", "High")}
_NUMBERS = {"low": 0, "medium": 1, "high": 2, "informational": 3}


class CommandFailed(Exception):
    """The simulator could not be asked, or refused; the text says what to do."""


class Remote:
    """The control API of a running simulator. `ca_bundle` is its `ca.pem`; None for plain http."""

    def __init__(self, url: str, ca_bundle: Path | None) -> None:
        self._url = url.rstrip("/")
        self._context = ssl.create_default_context(cafile=str(ca_bundle)) if ca_bundle else None

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call; the answer's JSON, None when it is empty. Raises CommandFailed."""
        address = f"{self._url}/_control{path}"
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, content, method=method)  # noqa: S310 - the operator's own address
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._context) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                raise CommandFailed(f"{refused.code}: {refused.read().decode(errors='replace')}") from refused
        except OSError as problem:
            text = f"no simulator answers there ({problem}); start it with: python -m simulator serve"
            raise CommandFailed(text) from problem
        return json.loads(text) if text else None

    def play(self, vendor: str, scenario: str, **arguments: Any) -> Any:
        """One scenario; what its function returned."""
        given = {key: value for key, value in arguments.items() if value not in (None, {})}
        return self.call("POST", f"/scenarios/{vendor}/{scenario}", given)["result"]


Command = Callable[[Remote, argparse.Namespace], Any]


def add_commands(commands: Any) -> None:
    """Add every command to argparse's sub-parsers; each sets `run`."""
    _add_alert_commands(commands)
    fault = _add(commands, "fault", _fault, "let requests fail")
    fault.add_argument("kind", choices=(*KINDS, ENDLESS))
    fault.add_argument("--path", default="/", help="path prefix")
    fault.add_argument("--times", type=int)
    fault.add_argument("--skip", type=int, default=0)
    fault.add_argument("--method")
    fault.add_argument("--retry-after", type=float)
    fault.add_argument("--seconds", type=float, default=0.0)
    fault.add_argument("--vendor", choices=tuple(STATES), default="endpoint", help=f"for {ENDLESS}")
    _add(commands, "faults", lambda remote, _: remote.call("GET", "/faults"), "list faults")
    _add(commands, "clear", lambda remote, _: remote.call("DELETE", "/faults"), "take all faults back")
    advance = _add(commands, "advance", _advance, "move the clock")
    advance.add_argument("--hours", type=float, default=0.0)
    advance.add_argument("--seconds", type=float, default=0.0)
    _add(commands, "requests", lambda remote, _: remote.call("GET", "/requests"), "count requests by path")
    _add(commands, "inbox", lambda remote, _: remote.call("GET", "/pushes"), "what phones got")
    add_sign_in_commands(commands)
    _add(commands, "reset", lambda remote, _: remote.call("POST", "/reset"), "forget alerts and faults")


def _add_alert_commands(commands: Any) -> None:
    alert = _add(commands, "alert", _alert, "one alert, or several")
    alert.add_argument("--count", type=int, default=1)
    alert.add_argument("--within-hours", type=float, default=0.0, help="spread over the past hours")
    alert.add_argument("--fixture")
    _add_wording(alert)
    storm = _add(commands, "storm", _alert, "many alerts at once")
    storm.add_argument("--count", type=int, default=1000)
    storm.set_defaults(within_hours=1 / 60, fixture=None)
    _add_wording(storm)
    late = _add(commands, "late", _late, "alerts that appear long after their time")
    late.add_argument("--hours", type=float, default=3.0)
    late.add_argument("--count", type=int, default=1)
    late.add_argument("--vendor", choices=_LATE, default="endpoint")
    tie = _add(commands, "tie", _tie, "alerts with one and the same update time")
    tie.add_argument("--count", type=int, default=5)
    tie.add_argument("--vendor", choices=_TYING, default="endpoint")
    update = _add(commands, "update", _update, "change an alert")
    update.add_argument("id")
    update.add_argument("--status")
    update.add_argument("--verdict", choices=tuple(VERDICTS), help="close it (cloud-apps)")
    _add_wording(update)
    _add_incident_commands(commands)
    webhook = _add(commands, "webhook", _webhook, "post to a webhook as a Logic App would")
    webhook.add_argument("--dialect", choices=DIALECTS, default="pascal")
    webhook.add_argument("--url", required=True)
    webhook.add_argument("--key", help="function key")
    webhook.add_argument("--id", help="an alert that exists; else a new one")
    webhook.add_argument("--fixture")
    webhook.add_argument("--trust", help="CA file for the webhook's address")
    _add_automation(commands)


def _add_automation(commands: Any) -> None:
    automation = _add(commands, "automation", _automation, "deploy a template and let an alert fire it")
    automation.add_argument("--template", type=Path, default=TEMPLATE)
    automation.add_argument("--url", required=True, help="the webhook's address, with or without ?code=")
    automation.add_argument("--key", default="", help="function key, to be sent in a header")
    automation.add_argument("--fixture")
    automation.add_argument("--trust", help="CA file for the webhook's address")


def _add_incident_commands(commands: Any) -> None:
    incident = _add(commands, "incident", _incident, "an incident of new alerts, for Graph and Defender XDR")
    incident.add_argument("--count", type=int, default=1)
    incident.add_argument("--alerts", type=int, default=3, help="in each")
    incident.add_argument("--fixture", help="of its alerts")
    join = _add(commands, "join", _join, "let a new alert join an incident")
    join.add_argument("id", help="the incident's number")
    join.add_argument("--count", type=int, default=1)
    merge = _add(commands, "merge", _merge, "merge an incident into another")
    merge.add_argument("id")
    merge.add_argument("into")


def _add_wording(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--vendor", choices=_VENDORS, default="endpoint")
    parser.add_argument("--severity", help="informational, low, medium, high, or any other word as it is")
    parser.add_argument("--title")


def _add(commands: Any, name: str, run: Command, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text)
    parser.set_defaults(run=run)
    return parser


def _fields(options: argparse.Namespace) -> dict[str, Any]:
    fields: dict[str, Any] = _severity(options.vendor, options.severity) if options.severity else {}
    if options.title:
        fields[_TITLES.get(options.vendor, "title")] = options.title
    if getattr(options, "status", None):
        fields["status"] = options.status
    return fields


def _inner_fields(options: argparse.Namespace) -> dict[str, Any]:
    """The same for the alerts of an incident."""
    title = {"alertDisplayName": options.title} if options.title else {}
    return title | (_severity(options.vendor, options.severity) if options.severity else {})


def _severity(vendor: str, word: str) -> dict[str, Any]:
    if vendor == "cloud-apps":
        return {"severityValue": _NUMBERS.get(word.lower(), word)}
    return {"severity": word if vendor == "graph" else _SEVERITIES.get(word.lower(), word)}


def _alert(remote: Remote, options: argparse.Namespace) -> Any:
    more = {"alert_fields": _inner_fields(options)} if options.vendor == "sentinel" else {}
    ids = remote.play(
        options.vendor,
        "alerts",
        count=options.count,
        within_seconds=options.within_hours * 3600,
        fixture=options.fixture,
        fields=_fields(options),
        **more,
    )
    return {"made": len(ids), "ids": ids[:10]}


def _late(remote: Remote, options: argparse.Namespace) -> Any:
    ids = remote.play(options.vendor, "late", count=options.count, age_seconds=options.hours * 3600)
    return {"made": len(ids), "ids": ids[:10]}


def _tie(remote: Remote, options: argparse.Namespace) -> Any:
    return {"ids": remote.play(options.vendor, "tie", count=options.count)}


def _update(remote: Remote, options: argparse.Namespace) -> Any:
    verdict = {"verdict": options.verdict} if options.verdict else {}
    named = {_IDS.get(options.vendor, "alert_id"): options.id}
    return remote.play(options.vendor, "update", **named, **verdict, fields=_fields(options))


def _incident(remote: Remote, options: argparse.Namespace) -> Any:
    asked = {"count": options.count, "alerts": options.alerts, "fixture": options.fixture}
    return {"ids": remote.play("xdr", "incidents", **asked)}


def _join(remote: Remote, options: argparse.Namespace) -> Any:
    return {"ids": remote.play("xdr", "join", incident_id=options.id, count=options.count)}


def _merge(remote: Remote, options: argparse.Namespace) -> Any:
    return remote.play("xdr", "merge", incident_id=options.id, into=options.into)


def _fault(remote: Remote, options: argparse.Namespace) -> Any:
    if options.kind == ENDLESS:
        return remote.call("POST", "/faults", {"kind": ENDLESS, "vendor": options.vendor})
    names = ("kind", "times", "skip", "method", "retry_after", "seconds")
    return remote.call(
        "POST", "/faults", {"match": options.path} | {name: getattr(options, name) for name in names}
    )


def _advance(remote: Remote, options: argparse.Namespace) -> Any:
    return remote.call("POST", "/clock", {"advance_seconds": options.hours * 3600 + options.seconds})


def _webhook(remote: Remote, options: argparse.Namespace) -> Any:
    body = remote.play("cloud", "webhook", dialect=options.dialect, name=options.id, fixture=options.fixture)
    return {"statuses": forward(options.url, body, key=options.key, ca_bundle=options.trust)}


def _automation(remote: Remote, options: argparse.Namespace) -> Any:
    body = remote.play("cloud", "webhook", dialect="pascal", fixture=options.fixture)
    given = {"pocketsocWebhookUrl": options.url, "pocketsocWebhookKey": options.key}
    template = json.loads(options.template.read_text(encoding="utf-8"))
    made = Deployment(template, given, subscription_id=SUBSCRIPTION_ID).run()
    runs = fire(made, "Alerts", body, ca_bundle=options.trust)
    return {
        "deployed": [f"{one['type']} {one['name']}" for one in made],
        "severity": body.get("Severity"),
        "runs": [{"logic_app": run.workflow, "statuses": run.statuses} for run in runs],
    }
