"""`python -m devhost`: run the function app of a folder until Ctrl+C or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from devhost.host import LocalHost, Place
from devhost.options import apply_local_settings
from devhost.refused import Refused


def main(arguments: list[str] | None = None) -> int:
    """The command. 0 after an ordered stop, 1 with words when the app cannot be run."""
    chosen = _parser().parse_args(arguments)
    _log_to_stdout(chosen.verbose)
    root = chosen.script_root.resolve()
    try:
        apply_local_settings(root / "local.settings.json")
        state = chosen.state or root / ".local"
        place = Place(root, state, port=chosen.port, address=chosen.address, auth=not chosen.no_auth)
        host = LocalHost(place, os.environ)
    except Refused as refused:
        print(f"The function app cannot be run: {refused}", file=sys.stderr)
        return 1
    asyncio.run(_run(host))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m devhost", description=__doc__)
    parser.add_argument("--port", type=int, default=7071, help="default: %(default)s; 0 takes a free one")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--script-root", type=Path, default=Path(), help="the folder of function_app.py")
    parser.add_argument("--state", type=Path, help="folder for keys and timers (default: .local there)")
    parser.add_argument("--no-auth", action="store_true", help="ask for no function keys, as Core Tools does")
    parser.add_argument("--verbose", action="store_true", help="log what libraries say, too")
    return parser


def _log_to_stdout(verbose: bool) -> None:
    form = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stdout)
    for noisy in ("azure", "uvicorn", "urllib3", "msal"):
        # Azure's own lines show addresses; at WARNING they show errors only.
        logging.getLogger(noisy).setLevel(logging.INFO if verbose else logging.WARNING)


async def _run(host: LocalHost) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None:
            # Not loop.add_signal_handler, which Windows has not.
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stopping.set))
    await host.run(stopping)


if __name__ == "__main__":
    sys.exit(main())
