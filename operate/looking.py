"""Commands that only look: status, check of the whole deployment, ledger, inventory, affiliation."""

from __future__ import annotations

from typing import Any

from operate.product import OperateError, Product
from operate.tables import duration, facts, plain, table, wrapped

Answer = tuple[Any, str, int]
"""What a command comes to: the product's answer, the same for people, and the exit status."""

WRONG = 1


def status(product: Product, options: Any) -> Answer:
    """Everything at a glance; 1 when something is wrong."""
    found = product.get("status")
    troubles = found.get("troubles") or []
    parts = [
        table(with_lag(found["configurations"]), _CONFIGURATIONS, under=_ERROR, nothing=NONE_CONFIGURED),
        table(found["queues"], {"name": "queue", "waiting": "waiting", "poison": "poison"}),
        _troubles(troubles),
        facts(found, ("quarantined", "versions.product", "versions.python", "time")),
    ]
    return found, "\n\n".join(parts), WRONG if _wrong(found) else 0


NONE_CONFIGURED = "no configuration: python -m operate configurations add"
_CONFIGURATIONS = {
    "display_name": "configuration",
    "vendor": "vendor",
    "health.condition": "condition",
    "lag": "lag",
    "health.failures": "failed",
    "ledger.recovered": "recovered",
    "ledger.missing": "missing",
}
_ERROR = {"health.last_error": ""}


def with_lag(configurations: Any) -> list[dict[str, Any]]:
    """Configurations with their lag as people say it."""
    return [{**one, "lag": duration(one["health"]["lag_seconds"])} for one in configurations]


def _troubles(found: Any) -> str:
    columns = {"title": "trouble", "level": "level", "kind": "kind", "since": "since"}
    return table(found, columns, under={"text": ""}, nothing="no troubles")


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
        texts.append(table(behind, ("configuration", "kind", "read"), under={"error": ""}))
    whole = {"status": found, "checks": checks, "inventory": readings}
    verdict = "all is well" if not code and not behind else "something is wrong"
    return whole, "\n\n".join([*texts, verdict]), WRONG if code or behind else 0


def shown_check(name: str, found: Any) -> str:
    """One configuration's check for people: the verdict, each feature, and what to do, each remedy once."""
    lines = [wrapped(f"{plain(name)}: {'ok' if found['ok'] else 'NOT OK'}. {plain(found['summary'])}")]
    words = {True: "on", False: "off", None: "not known"}
    rows = [{**one, "state": one.get("state") or words[one["works"]]} for one in found["features"]]
    if rows:
        lines.append(table(rows, ("feature", "state", "missing")))
    remedies = {one["remedy"]: _sentence(one["cause"]) for one in found.get("findings") or ()}
    for one in rows:
        remedies.setdefault(one["remedy"], "")
    told = [f"{why} {plain(remedy)}".strip() for remedy, why in remedies.items() if remedy]
    lines += [wrapped(words, "    ", "  * ") for words in told]
    ending = [one for one in found.get("credentials") or () if one.get("expires")]
    lines += [f"  {plain(one['kind']).replace('_', ' ')} ends {plain(one['expires'])}" for one in ending]
    return "\n".join(lines)


def _sentence(words: Any) -> str:
    text = plain(words)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def ledger(product: Product, options: Any) -> Answer:
    """What vendors have, what is stored, what had to be recovered."""
    if options.configuration:
        books = [product.get(f"ledger/{options.configuration}")]
    else:
        books = product.get("ledger")["items"]
    rows = [{"configuration": book["display_name"], **sweep} for book in books for sweep in book["sweeps"]]
    columns = ("configuration", "span", "begun", "expected", "stored", "recovered", "missing")
    code = WRONG if any(row["missing"] or row["trouble"] for row in rows) else 0
    text = table(
        rows,
        columns,
        under={"oldest_gap": "oldest gap", "trouble": ""},
        nothing="no sweep yet: each configuration is compared once an hour",
    )
    return books, text, code


def troubles(product: Product, options: Any) -> Answer:
    """What keeps the product from seeing; 1 when there is any."""
    found = product.get("troubles")["items"]
    return found, _troubles(found), WRONG if found else 0


def inventory(product: Product, options: Any) -> Answer:
    """Everything of a kind, or when each kind was read."""
    if options.kind is None:
        found = product.get("inventory")["items"]
        return found, _readings(found), WRONG if any(one["error"] for one in found) else 0
    items: list[Any] = []
    readings: list[Any] = []
    asked = {"q": options.text, "machine": options.machine, "severity": options.severity, "limit": 500}
    for page in product.pages(f"inventory/{options.kind}", **asked):
        items += page["items"]
        readings = page["readings"]
        if options.most and len(items) >= options.most:
            break
    items = items[: options.most or None]
    text = table(items, _ITEM, under={"id": "", "machine_id": "machine", "configuration": "from"})
    return {"items": items, "readings": readings}, f"{text}\n\n{_readings(readings)}", 0


def _words(answer: Any) -> str:
    return plain(answer).replace("_", " ")


_ITEM = ("name", "addresses", "operating_system", "severity", "score", "status")


def _readings(found: Any) -> str:
    columns = ("configuration", "kind", "read", "count", "next_due")
    return table(found, columns, under={"error": ""}, nothing="nothing was read yet")


def affiliation(product: Product, options: Any) -> Answer:
    """Is this host known? 0 yes, 1 no, 5 could not ask."""
    found = product.get("affiliation", name=options.name, address=options.address, id=options.id)
    rows = [
        {**one, "answer": _words(one["answer"]), "known_as": [item["name"] for item in one["found"]]}
        for one in found["sources"]
    ]
    text = table(rows, ("configuration", "answer", "known_as", "source"), under={"reason": ""})
    verdict = f"{_words(found['answer'])}. {found.get('reason') or ''}".strip()
    return found, f"{text}\n\n{verdict}", {"yes": 0, "no": WRONG}.get(found["answer"], 5)
