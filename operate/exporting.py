"""Export to files, and the audit with the proof that nothing of it was changed."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from operate.looking import WRONG, Answer
from operate.product import Product, Usage
from operate.tables import table

PATHS = {"ocsf": "export/ocsf", "risks": "risks", "assets": "assets"}
_GENESIS = "0" * 64


def export(product: Product, options: Any) -> Answer:
    """Everything of a time range, one JSON object a line, to a file that is complete or not there."""
    asked: dict[str, Any] = {"from": options.since, "to": options.until, "limit": 1000}
    if options.what == "risks":
        asked |= {"minimum_severity": options.minimum_severity, "category": options.category}
    if options.what in ("risks", "assets"):
        asked["name"] = options.name
    lines = product.lines(PATHS[options.what], **asked)
    if options.file == "-":
        for line in lines:
            sys.stdout.buffer.write(line + b"\n")
        sys.stdout.flush()
        return None, "", 0
    target = Path(options.file)
    try:
        count = _written(target, lines)
    except OSError as error:
        raise Usage(f"{target} cannot be written ({type(error).__name__}).") from error
    return {"file": str(target), "lines": count}, f"{count} lines in {target}", 0


def _written(target: Path, lines: Iterable[bytes]) -> int:
    """How many lines the file has now. Where it fails, what was there before stays, and nothing else."""
    # What is exported is nobody else's business on a shared machine: a file of our own, under a name that
    # nobody could have put a link under.
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    unfinished, count = Path(name), 0
    try:
        with os.fdopen(descriptor, "wb") as file:
            for line in lines:
                file.write(line + b"\n")
                count += 1
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return count


def audit(product: Product, options: Any) -> Answer:
    """Who did what, newest first."""
    found: list[Any] = []
    for page in product.pages("audit", limit=min(options.most, 1000)):
        found += page["items"]
        if len(found) >= options.most:
            break
    columns = ("number", "time", "action", "name")
    under = {"subject": "subject", "details": "details"}
    return found[: options.most], table(found[: options.most], columns, under=under), 0


def verify(product: Product, options: Any) -> Answer:
    """Walk the whole audit and compute its chain anew; 1 when an entry was changed, taken out or put in.

    The newest hash stands for all that came before it: keep it elsewhere, and give it with --expect the next
    time, so that not even the end can be cut off unseen."""
    entries = [entry for page in product.pages("audit", limit=1000) for entry in page["items"]]
    faults = broken(entries[::-1])
    hashes = {entry["hash"] for entry in entries}
    if options.expect and options.expect not in hashes:
        faults.append("the expected hash is not there: entries were cut off or changed")
    head = entries[0]["hash"] if entries else _GENESIS
    found = {"entries": len(entries), "head": head, "faults": faults}
    text = "\n".join([f"{len(entries)} entries, newest hash {head}", *faults])
    return found, f"{text}\n{'BROKEN' if faults else 'the chain is whole'}", WRONG if faults else 0


def broken(entries: list[Any]) -> list[str]:
    """What is wrong with a chain, oldest entry first."""
    faults: list[str] = []
    before = _GENESIS
    for number, entry in enumerate(entries, start=1):
        if entry["number"] != number:
            faults.append(f"entry {number} is missing")
            break
        if entry["before"] != before:
            faults.append(f"entry {number} is not chained to the one before")
        if digest(entry) != entry["hash"]:
            faults.append(f"entry {number} was changed")
        before = entry["hash"]
    return faults


def digest(entry: Any) -> str:
    """The hash that an entry must have: SHA-256 over itself without it, as JSON with sorted keys and no
    spaces."""
    content = {name: value for name, value in entry.items() if name != "hash"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
