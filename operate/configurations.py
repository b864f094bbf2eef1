"""Vendor configurations, and signing in for them. Secrets are typed or come on standard input; a secret as
part of the command is refused, because others on the machine could read it there."""

from __future__ import annotations

import getpass
import json
import sys
import time
from typing import Any

from operate.looking import NONE_CONFIGURED, WRONG, Answer, shown_check, with_lag
from operate.product import Product, Usage, asked
from operate.tables import facts, plain, table, wrapped


def vendors(product: Product, options: Any) -> Answer:
    """Every vendor with its fields."""
    items = product.get("vendors")["items"]
    rows = [{**one, "fields": list(one["fields"]["properties"])} for one in items]
    return items, table(rows, {"slug": "vendor", "title": "title"}, under={"fields": "fields"}), 0


def listed(product: Product, options: Any) -> Answer:
    """Every configuration with its health."""
    found = product.get("configurations")["items"]
    columns = {
        "id": "id",
        "display_name": "name",
        "vendor": "vendor",
        "health.condition": "condition",
        "lag": "lag",
    }
    text = table(with_lag(found), columns, under={"health.last_error": ""}, nothing=NONE_CONFIGURED)
    return found, text, 0


def shown(product: Product, options: Any) -> Answer:
    """One configuration."""
    return _one(product.get(f"configurations/{options.id}"))


def add(product: Product, options: Any) -> Answer:
    """Make one, from name=value."""
    fields = _fields(product, options.vendor, options.fields, options.secret)
    return _one(product.call("POST", "configurations", body={"vendor": options.vendor, "fields": fields}))


def change(product: Product, options: Any) -> Answer:
    """Change the fields that are given."""
    vendor = product.get(f"configurations/{options.id}")["vendor"]
    fields = _fields(product, vendor, options.fields, options.secret)
    if not fields:
        raise Usage("Nothing to change: give fields as name=value, or --secret NAME.")
    return _one(product.call("PATCH", f"configurations/{options.id}", body={"fields": fields}))


def remove(product: Product, options: Any) -> Answer:
    """Remove one with its secret; what it has brought stays."""
    if not options.yes and asked(f"Remove {options.id} and its secret? Type yes: ") != "yes":
        raise Usage("Nothing was removed.")
    product.call("DELETE", f"configurations/{options.id}")
    return None, "removed", 0


def check(product: Product, options: Any) -> Answer:
    """Sign in at the vendor now and say what works; 1 when something does not."""
    found = product.call("POST", f"configurations/{options.id}/check")
    return found, shown_check(options.id, found), 0 if found["ok"] else WRONG


def read_inventory(product: Product, options: Any) -> Answer:
    """Read its whole inventory now."""
    product.call("POST", f"configurations/{options.id}/inventory")
    return None, "queued", 0


def sign_in_start(product: Product, options: Any) -> Answer:
    """Begin a sign-in: show the code and the address, or the address to open in a browser."""
    body = {"method": options.method.replace("-", "_")}
    if options.redirect_uri:
        body["redirect_uri"] = options.redirect_uri
    found = product.call("POST", f"configurations/{options.id}/sign-in", body=body)
    if options.wait and found["state"] == "pending" and found.get("user_code"):
        print(_sign_in_text(found), file=sys.stderr, flush=True)
        found = _followed(product, options.id, found)
    return found, _sign_in_text(found), _sign_in_code(found)


def sign_in_status(product: Product, options: Any) -> Answer:
    """How the last sign-in stands; 1 unless somebody is signed in."""
    found = product.get(f"configurations/{options.id}/sign-in")
    return found, _sign_in_text(found), _sign_in_code(found)


def sign_in_complete(product: Product, options: Any) -> Answer:
    """Complete a sign-in in the browser: the whole address at which it ended, typed or on standard input."""
    address = _secret("Address at which the browser ended: ")
    found = product.call(
        "POST", f"configurations/{options.id}/sign-in/complete", body={"redirect_url": address}
    )
    return found, _sign_in_text(found), _sign_in_code(found)


def _followed(product: Product, id: str, found: Any) -> Any:
    while found["state"] == "pending":
        time.sleep(found.get("interval") or 5)
        found = product.get(f"configurations/{id}/sign-in")
    return found


def _sign_in_text(found: Any) -> str:
    names = (
        "state",
        "signed_in_as",
        "verification_uri",
        "user_code",
        "authorize_url",
        "expires",
        "problem",
        "code",
    )
    # An ended sign-in's time was that of its code, not of what it brought.
    ended = () if found["state"] == "pending" else ("expires",)
    return facts(found, [name for name in names if found.get(name) and name not in ended])


def _sign_in_code(found: Any) -> int:
    return 0 if found["state"] in ("pending", "done") else WRONG


def _one(found: Any) -> Answer:
    names = ["id", "vendor", "health.condition", "health.last_error", "secrets_set", "webhook_url"]
    lines = [facts(found, [name for name in names if name in ("id", "vendor") or _value(found, name)])]
    lines += [f"  {name} = {json.dumps(v, ensure_ascii=False)}" for name, v in found["fields"].items()]
    if found.get("last_check"):
        lines.append(wrapped(f"last check: {plain(found['last_check']['summary'])}"))
    return found, "\n".join(lines), 0


def _value(found: Any, name: str) -> Any:
    for part in name.split("."):
        found = found.get(part)
    return found


def _fields(product: Product, vendor: str, given: list[str], secrets: list[str]) -> dict[str, Any]:
    """The fields as the API takes them: each value in the type that the vendor's form has."""
    items = product.get("vendors")["items"]
    known = next((one for one in items if one["slug"] == vendor), None)
    if known is None:
        raise Usage(f"There is no vendor {vendor}; these are: {', '.join(one['slug'] for one in items)}.")
    schema = known["fields"]
    fields: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise Usage(f"Write a field as name=value, not {name!r}.")
        if _accepts(schema, name, "writeOnly"):
            raise Usage(
                f"{name} is a secret: use --secret {name}, which asks for it, or reads standard input."
            )
        _put(fields, name, _typed(schema, name, value))
    for name in secrets:
        fields[name] = _secret(f"{name}: ", all_of_it=len(secrets) == 1)
    return fields


def _put(fields: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    for part in path:
        fields = fields.setdefault(part, {})
    fields[last] = value


def _accepts(schema: Any, name: str, word: str) -> bool:
    """Whether the field, or what it may be, has a word."""
    field = _field(schema, name)
    return any(word in one or one.get("type") == word for one in (field, *field.get("anyOf", ())))


def _field(schema: Any, name: str) -> Any:
    found: Any = schema
    for part in name.split("."):
        found = _resolved(schema, found).get("properties", {}).get(part, {})
    return _resolved(schema, found)


def _resolved(schema: Any, field: Any) -> Any:
    for one in (field, *field.get("anyOf", ()), *field.get("allOf", ())):
        if "$ref" in one:
            return {**schema.get("$defs", {}).get(str(one["$ref"]).rpartition("/")[2], {}), **field}
    return field


def _typed(schema: Any, name: str, value: str) -> Any:
    if value == "" and _accepts(schema, name, "null"):
        return None
    if _accepts(schema, name, "array"):
        return [part.strip() for part in value.split(",") if part.strip()]
    if any(_accepts(schema, name, kind) for kind in ("integer", "number", "boolean", "object")):
        try:
            return json.loads(value)
        except ValueError:
            return value  # the product says what is wrong with it
    return value


def _secret(prompt: str, *, all_of_it: bool = False) -> str:
    """Typed unseen, or from standard input: a line, or `all_of_it`, since a certificate has many."""
    if sys.stdin.isatty():
        value = getpass.getpass(prompt)
    else:
        value = sys.stdin.read() if all_of_it else sys.stdin.readline()
    if not value.strip():
        raise Usage("Nothing was typed.")
    return value.strip()
