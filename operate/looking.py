"""Commands that only look: status, check of the whole deployment, ledger, inventory, affiliation."""

from __future__ import annotations

from typing import Any

from operate.product import OperateError, Product
from operate.tables import facts, plain, table

Answer = tuple[Any, str, int]
"""What a command comes to: the product's answer, the same for people, and the exit status."""

WRONG = 1


def status(product: Product, options: Any) -> Answer:
    """Everything at a glance; 1 when something is wrong."""
    found = product.get("status")
    troubles = found.get("troubles") or []
    parts = [
        table(found["configurations"], _CONFIGURATIONS),
        table(found["queues"], ("name", "waiting", "poison")),
        table(troubles, ("kind", "title", "since", "text")) if troubles else "no troubles",
        facts(found, ("quarantined", "versions.product", "versions.python", "time")),
    ]
    return found, "\n\n".join(parts), WRONG if _wrong(found) else 0


_CONFIGURATIONS = {
    "display_name": "configuration",
    "vendor": "vendor",
    "health.condition": "condition",
    "health.lag_seconds": "lag",
    "health.failures": "failures",
    "ledger.recovered": "recovered",
    "ledger.missing": "missing",
    "health.last_error": "last error",
}


def _wrong(found: Any) -> bool:
    failing = any(c["health"]["condition"] == "failing" for c in found["configurations"])
    stuck = any(q["poison"] for q in found["queues"])
    return bool(failing or stuck or found.get("troubles"))


def check(product: Product, options: Any) -> Answer:
    """The whole deployment: status, ledger, inventory, and each configuration's own check with the permission
    that each feature lacks; 1 when anything is wrong."""
    found, text, code = status(product, options)
    checks: dict[str, Any] = {}
    texts = [text]
    for one in product.get("configurations")["items"]:
        if not one["enabled"]:
            continue
        try:
            checks[one["id"]] = product.call("POST", f"configurations/{one['id']}/check")
        except OperateError as error:
            checks[one["id"]] = {"ok": False, "summary": str(error), "features": []}
        texts.append(shown_check(one["display_name"], checks[one["id"]]))
        code = code if checks[one["id"]]["ok"] else WRONG
    readings = product.get("inventory")["items"]
    behind = [one for one in readings if one["error"]]
    texts.append(f"inventory: {len(readings)} kinds, {len(behind)} cannot be read")
    if behind:
        texts.append(table(behind, ("configuration", "kind", "read", "error")))
    whole = {"status": found, "checks": checks, "inventory": readings}
    verdict = "all is well" if not code and not behind else "something is wrong"
    return whole, "\n\n".join([*texts, verdict]), WRONG if code or behind else 0


def shown_check(name: str, found: Any) -> str:
    """One configuration's check for people."""
    lines = [f"{plain(name)}: {'ok' if found['ok'] else 'NOT OK'}. {plain(found['summary'])}"]
    for finding in found.get("findings") or ():
        lines.append(f"  {plain(finding['cause'])} {plain(finding['remedy'])}")
    words = {True: "on", False: "off", None: "not known"}
    rows = [{**one, "state": one.get("state") or words[one["works"]]} for one in found["features"]]
    if rows:
        lines.append(table(rows, ("feature", "state", "missing", "remedy")))
    ending = [one for one in found.get("credentials") or () if one.get("expires")]
    lines += [f"  {one['kind']} ends {plain(one['expires'])}" for one in ending]
    return "\n".join(lines)


def ledger(product: Product, options: Any) -> Answer:
    """What vendors have, what is stored, what had to be recovered."""
    if options.configuration:
        books = [product.get(f"ledger/{options.configuration}")]
    else:
        books = product.get("ledger")["items"]
    rows = [{"configuration": book["display_name"], **sweep} for book in books for sweep in book["sweeps"]]
    columns = (
        "configuration",
        "span",
        "begun",
        "expected",
        "stored",
        "recovered",
        "missing",
        "oldest_gap",
        "trouble",
    )
    code = WRONG if any(row["missing"] or row["trouble"] for row in rows) else 0
    return books, table(rows, columns), code


def troubles(product: Product, options: Any) -> Answer:
    """What keeps the product from seeing; 1 when there is any."""
    found = product.get("troubles")["items"]
    return found, table(found, ("kind", "level", "since", "title", "text")), WRONG if found else 0


def inventory(product: Product, options: Any) -> Answer:
    """Everything of a kind, or when each kind was read."""
    if options.kind is None:
        found = product.get("inventory")["items"]
        columns = ("configuration", "kind", "read", "count", "next_due", "failures", "error")
        return found, table(found, columns), WRONG if any(one["error"] for one in found) else 0
    items: list[Any] = []
    readings: list[Any] = []
    asked = {"q": options.text, "machine": options.machine, "severity": options.severity, "limit": 500}
    for page in product.pages(f"inventory/{options.kind}", **asked):
        items += page["items"]
        readings = page["readings"]
        if options.most and len(items) >= options.most:
            break
    items = items[: options.most or None]
    shown = ("name", "id", "dns_name", "addresses", "operating_system", "severity", "score", "status")
    read = table(readings, ("configuration", "kind", "read", "count", "error"))
    return {"items": items, "readings": readings}, f"{table(items, (*shown, 'configuration'))}\n\n{read}", 0


def affiliation(product: Product, options: Any) -> Answer:
    """Is this host known? 0 yes, 1 no, 5 could not ask."""
    found = product.get("affiliation", name=options.name, address=options.address, id=options.id)
    rows = [{**one, "known_as": [item["name"] for item in one["found"]]} for one in found["sources"]]
    text = table(rows, ("configuration", "answer", "source", "known_as", "reason"))
    verdict = f"{found['answer'].replace('_', ' ')}. {found.get('reason') or ''}".strip()
    return found, f"{text}\n\n{verdict}", {"yes": 0, "no": WRONG}.get(found["answer"], 5)
