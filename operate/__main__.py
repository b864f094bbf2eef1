"""`python -m operate <command>`: what an operator does with a running PocketSOC.

python -m operate status
python -m operate check --json
python -m operate configurations add defender_endpoint display_name=Home tenant_id=... --secret client_secret

Exit status: 0 all is well; 1 the answer is that something is not (a failing configuration, an unknown host,
a broken audit); 2 the command is not right; 3 the product refuses; 4 it cannot be reached or nobody is signed
in; 5 a host could not be asked about.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, TypeAlias

from operate import configurations, exporting, looking, working
from operate.product import HERE, OperateError, Product, token_from
from operate.tables import harmless, harmless_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = parser().parse_args(arguments)
    try:
        product = Product(options.url, token_from(options.token_command))
        found, text, code = options.run(product, options)
        _say(found, text, as_json=options.json)
    except OperateError as error:
        print(harmless(str(error)), file=sys.stderr)  # it holds the product's words, and a vendor's
        return error.code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(code)


def _say(found: Any, text: str, *, as_json: bool) -> None:
    if as_json and found is not None:
        print(harmless_json(found), flush=True)
    elif text and not as_json:
        print(harmless(text), flush=True)


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    made = argparse.ArgumentParser(
        prog="python -m operate",
        description="Operate a running PocketSOC over its API.",
        epilog="Exit status: 0 well, 1 something is not, 2 wrong command, 3 refused, 4 unreachable, "
        "5 could not ask.",
    )
    _common(made, first=True)
    commands = made.add_subparsers(required=True, metavar="command")
    _looking(commands)
    _configurations(commands)
    _sign_in(commands)
    _working(commands)
    _exporting(commands)
    return made


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _common(made: argparse.ArgumentParser, *, first: bool = False) -> None:
    def default(value: object) -> object:
        # Given before the command or after it; what is given later does not undo what came before.
        return value if first else argparse.SUPPRESS

    url = os.environ.get("POCKETSOC_URL") or HERE
    made.add_argument("--url", default=default(url), help=f"where it runs (POCKETSOC_URL, else {HERE})")
    made.add_argument(
        "--token-command",
        default=default(os.environ.get("POCKETSOC_TOKEN_COMMAND")),
        help="prints an access token; else POCKETSOC_TOKEN, else .local/token of a local run",
    )
    made.add_argument("--json", action="store_true", default=default(False), help="the answer as JSON")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


_count.__name__ = "count"  # what argparse calls what is not one


def _command(commands: Commands, name: str, run: object, words: str = "") -> argparse.ArgumentParser:
    summary = words or (run.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ")
    made = commands.add_parser(name, help=summary, description=summary)
    _common(made)
    made.set_defaults(run=run)
    return made


def _group(commands: Commands, name: str, words: str) -> Commands:
    made = commands.add_parser(name, help=words, description=words)
    _common(made)
    return made.add_subparsers(required=True, metavar="command")


def _looking(commands: Commands) -> None:
    _command(commands, "status", looking.status)
    _command(commands, "check", looking.check)
    _command(commands, "troubles", looking.troubles)
    ledger = _command(commands, "ledger", looking.ledger)
    ledger.add_argument("configuration", nargs="?", help="all sweeps of this one")
    inventory = _command(commands, "inventory", looking.inventory)
    inventory.add_argument(
        "kind", nargs="?", help="machine, managed_device, machine_vulnerability, score, ..."
    )
    inventory.add_argument("--text", help="words to look for")
    inventory.add_argument("--machine", help="a machine's id")
    inventory.add_argument("--severity", action="append")
    inventory.add_argument("--most", type=_count, default=0, help="stop after so many")
    affiliation = _command(commands, "affiliation", looking.affiliation)
    host = affiliation.add_mutually_exclusive_group(required=True)
    host.add_argument("--name", help="DNS or device name")
    host.add_argument("--address", help="IP address")
    host.add_argument("--id", help="Endpoint machine, Intune device or Entra device id")


def _configurations(commands: Commands) -> None:
    _command(commands, "vendors", configurations.vendors)
    group = _group(commands, "configurations", "Vendor configurations.")
    _command(group, "list", configurations.listed)
    add = _command(group, "add", configurations.add)
    add.add_argument("vendor")
    change = _command(group, "change", configurations.change)
    for made in (add, change):
        if made is change:
            made.add_argument("id")
        made.add_argument("fields", nargs="*", metavar="name=value")
        made.add_argument(
            "--secret", action="append", default=[], metavar="NAME", help="ask for it, or read standard input"
        )
    for name, run in (
        ("show", configurations.shown),
        ("check", configurations.check),
        ("read-inventory", configurations.read_inventory),
    ):
        _command(group, name, run).add_argument("id")
    remove = _command(group, "remove", configurations.remove)
    remove.add_argument("id")
    remove.add_argument("--yes", action="store_true", help="do not ask")


def _sign_in(commands: Commands) -> None:
    group = _group(commands, "sign-in", "Sign in as a person for a configuration.")
    start = _command(group, "start", configurations.sign_in_start)
    start.add_argument("id")
    start.add_argument("--method", choices=("device-code", "authorization-code"), default="device-code")
    start.add_argument("--redirect-uri", help="where the browser ends, for authorization-code")
    start.add_argument("--wait", action="store_true", help="until the code was typed in, or has expired")
    _command(group, "status", configurations.sign_in_status).add_argument("id")
    _command(group, "complete", configurations.sign_in_complete).add_argument("id")
    _command(group, "test", configurations.check).add_argument("id")


def _working(commands: Commands) -> None:
    group = _group(commands, "incidents", "Incidents.")
    listed = _command(group, "list", working.incidents)
    listed.add_argument("--status", action="append")
    listed.add_argument("--severity", action="append")
    listed.add_argument("--text", help="words to look for")
    listed.add_argument("--most", type=_count, default=50)
    _command(group, "show", working.incident).add_argument("id", help="its id, or its number")
    update = _command(group, "update", working.update)
    update.add_argument("id", help="its id, or its number")
    update.add_argument("--status", choices=("active", "in_progress", "dismissed", "resolved"))
    update.add_argument("--assign", dest="assigned_to", metavar="WHO", help="empty: nobody")
    update.add_argument("--classification")
    update.add_argument("--determination")
    update.add_argument("--tag", dest="tags", action="append", help="instead of those that it has")
    update.add_argument("--comment")
    hunt = _command(commands, "hunt", working.hunt)
    hunt.add_argument("id", help="the configuration to hunt through")
    hunt.add_argument("query", nargs="?", help="else --file, else standard input")
    hunt.add_argument("--file")
    hunt.add_argument("--timespan", help="ISO 8601: P7D, PT12H, or an interval")
    hunt.add_argument("--limit", type=_count, default=1000)
    _quarantine(commands)


def _quarantine(commands: Commands) -> None:
    group = _group(commands, "quarantine", "What could not be read or kept failing, poison messages too.")
    _command(group, "list", working.quarantined)
    _command(group, "show", working.quarantined_one).add_argument("id")
    replay = _command(group, "replay", working.replay)
    replay.add_argument("ids", nargs="*", metavar="id")
    replay.add_argument("--all", action="store_true")
    discard = _command(group, "discard", working.discard)
    discard.add_argument("ids", nargs="+", metavar="id")
    discard.add_argument("--yes", action="store_true", help="do not ask")
    remap = _command(commands, "replay", working.remap)
    remap.add_argument("--since", required=True, help="detections created at or after: 2026-11-20")
    remap.add_argument("--apply", action="store_true", help="store what comes out")


def _exporting(commands: Commands) -> None:
    group = _group(commands, "export", "Detections, risks or assets, one JSON object a line.")
    for what in exporting.PATHS:
        made = _command(group, what, exporting.export)
        made.set_defaults(what=what)
        made.add_argument("file", help="where to; - is standard output")
        made.add_argument("--from", dest="since", help="created (things: changed) at or after")
        made.add_argument("--to", dest="until", help="at or before")
        if what != "ocsf":
            made.add_argument("--name", action="append", help="pattern for the DNS name: *.contoso.com")
        if what == "risks":
            made.add_argument("--minimum-severity")
            made.add_argument("--category", action="append")
    audit = _group(commands, "audit", "What Responders and Admins did.")
    _command(audit, "list", exporting.audit).add_argument("--most", type=_count, default=100)
    verify = _command(audit, "verify", exporting.verify)
    verify.add_argument("--expect", help="a hash that was the newest once and must still be there")


if __name__ == "__main__":
    sys.exit(main())
