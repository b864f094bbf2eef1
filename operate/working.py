"""Commands that work on something: incidents, hunting, quarantine, replays."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from operate.looking import WRONG, Answer
from operate.product import Product, Refused, Usage, asked
from operate.tables import facts, plain, table, wrapped

_LINES = {
    "severity": "severity",
    "status": "status",
    "title": "title",
    "assigned_to": "assigned to",
    "alert_count": "alerts",
    "updated": "updated",
}


def incidents(product: Product, options: Any) -> Answer:
    """Incidents, the newest update first."""
    found: list[Any] = []
    asked = {"status": options.status, "severity": options.severity, "q": options.text, "limit": 200}
    for page in product.pages("incidents", **asked):
        found += page["items"]
        if len(found) >= options.most:
            break
    return found[: options.most], table(found[: options.most], _LINES, under={"id": ""}), 0


def incident(product: Product, options: Any) -> Answer:
    """One incident with its detections."""
    return _incident(product.get(f"incidents/{_id(product, options.id)}"))


def update(product: Product, options: Any) -> Answer:
    """Change an incident at its vendor."""
    names = ("status", "assigned_to", "classification", "determination", "tags", "comment")
    wanted = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if not wanted:
        raise Usage("Nothing to change: give --status, --assign, --classification, --tag or --comment.")
    return _incident(product.call("PATCH", f"incidents/{_id(product, options.id)}", body=wanted))


def _id(product: Product, text: str) -> str:
    """An incident's id; a number alone is looked for, since it is unique only within a tenant."""
    if not text.isdigit():
        return text
    pages = product.pages("incidents", q=text, merged="true", limit=200)
    found = [str(one["id"]) for page in pages for one in page["items"] if one["number"] == text]
    if not found:
        raise Refused(404, {"detail": f"There is no incident {text}."})
    if len(found) > 1:
        raise Usage(f"Several tenants have an incident {text}; name one: {', '.join(found)}.")
    return found[0]


def _incident(found: Any) -> Answer:
    names = ("id", "title", "severity", "status", "assigned_to", "classification", "determination", "tags")
    parts = [
        facts(found, (*names, "created", "updated", "source_link")),
        wrapped(plain(found["description"])) if found["description"] else "",
        table(found["detections"], ("severity", "status", "title", "asset"), under={"id": ""}),
        wrapped(f"without detection here: {plain(found['alerts_without_detection'])}"),
    ]
    return found, "\n\n".join(part for part in parts if part), 0


def _read(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise Usage(f"{file} cannot be read ({type(error).__name__}).") from error


def hunt(product: Product, options: Any) -> Answer:
    """Run a query: given, out of a file, or on standard input."""
    query = _read(options.file) if options.file else options.query or sys.stdin.read()
    body = {"query": query, "limit": options.limit}
    if options.timespan:
        body["timespan"] = options.timespan
    found = product.call("POST", f"configurations/{options.id}/hunt", body=body)
    text = table(found["rows"], {column["name"]: column["name"] for column in found["columns"]})
    end = f"{len(found['rows'])} of {found['total']} rows, {found['seconds']} s"
    return found, f"{text}\n\n{end}", 0


def quarantined(product: Product, options: Any) -> Answer:
    """What is in quarantine; 1 when there is anything."""
    found = product.get("quarantine", limit=1000)
    columns = ("id", "kind", "received", "size")
    text = table(
        found["items"], columns, under={"source": "from", "reason": ""}, nothing="quarantine is empty"
    )
    return found, f"{text}\n\n{found['total']} in all", WRONG if found["total"] else 0


def quarantined_one(product: Product, options: Any) -> Answer:
    """One thing in quarantine with its content."""
    found = product.get(f"quarantine/{options.id}")
    head = facts(found, ("id", "kind", "source", "received", "size", "reason"))
    content = "".join(c if c.isprintable() or c in "\n\t" else " " for c in found["content"])
    return found, f"{head}\n\n{content}", 0


def replay(product: Product, options: Any) -> Answer:
    """Send what is in quarantine on its way again: one, some, or all. What cannot be replayed stays there."""
    if options.all:
        ids = [one["id"] for one in product.get("quarantine", limit=1000)["items"]]
    else:
        ids = options.ids
    if not ids and not options.all:
        raise Usage("Name what to replay by its id, or say --all.")
    outcome: list[dict[str, Any]] = []
    for id in ids:
        try:
            product.call("POST", f"quarantine/{id}/replay")
            outcome.append({"id": id, "outcome": "replayed"})
        except Refused as error:
            outcome.append({"id": id, "outcome": str(error)})
    failed = any(one["outcome"] != "replayed" for one in outcome)
    return outcome, table(outcome, ("id", "outcome"), nothing="quarantine is empty"), WRONG if failed else 0


def discard(product: Product, options: Any) -> Answer:
    """Throw away for good what can be neither read nor replayed. Look at it first."""
    for id in options.ids:
        if not options.yes and asked(f"Throw {id} away for good? Type yes: ") != "yes":
            raise Usage("Nothing more was thrown away.")
        product.call("DELETE", f"quarantine/{id}")
    return None, f"{len(options.ids)} thrown away", 0


def remap(product: Product, options: Any) -> Answer:
    """Map stored raw alerts once more, after a mapping has changed; say what reads differently."""
    whole: dict[str, Any] = {"sightings": 0, "without_raw": 0, "unreadable": 0, "differences": []}
    cursor: str | None = None
    while True:
        body = {"since": options.since, "apply": options.apply}
        page = product.call("POST", "replays", body=body | ({"cursor": cursor} if cursor else {}))
        for name in whole:
            whole[name] += page[name]
        cursor = page["cursor"]
        if cursor is None:
            break
    rows = [
        {
            "detection": one["detection_id"],
            "sighting": one["sighting"],
            "field": name,
            "before": old,
            "after": new,
        }
        for one in whole["differences"]
        for name, (old, new) in one["fields"].items()
    ]
    done = "stored" if options.apply else "not stored: add --apply"
    end = f"{whole['sightings']} read again, {len(whole['differences'])} differ ({done}), "
    end += f"{whole['without_raw']} without raw alert, {whole['unreadable']} no longer readable"
    columns = ("field", "before", "after")
    text = table(
        rows, columns, under={"detection": "detection", "sighting": "sighting"}, nothing="no difference"
    )
    return whole, f"{text}\n\n{end}", WRONG if whole["unreadable"] else 0
